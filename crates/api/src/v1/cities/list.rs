//! `GET /v1/cities`: cities by name.

use super::{CityView, Name};
use crate::{
    extract::{FromQuery, Params, Query},
    form::{Text, line},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::{JsonAnswer, KeyCursor, Page},
};
use axum::extract::State;
use holdfast_catalogue::cities;
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct CitiesQuery {
    name: Option<Name>,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for CitiesQuery {
    fn read(params: &mut Params) -> Self {
        Self {
            name: params.take(
                "name",
                "must be text of 1 to 200 characters on one line, not only blanks",
                line,
            ),
            limit: params.limit(),
            cursor: params.cursor(),
        }
    }
}

/// A name in a cursor, as names are compared: folding makes a name at most 18 times as long.
type ListedName = Text<1, { 200 * 18 }>;

/// Which cities: what a cursor is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cities {
    cities_that_begin_with: String,
}

problems! {
    /// Why they are not listed.
    ListCitiesProblems: InvalidCursor, ValidationFailed, StoreUnavailable,
}

/// The cities in the order of their names.
#[utoipa::path(
    get, path = "/v1/cities", tag = "catalogue",
    params(
        ("name" = Option<String>, Query, description = "Only those whose name begins so, whatever its letters' case.",
            min_length = 1, max_length = 200),
        ("limit" = Option<u32>, Query, description = "Cities of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page.", body = Page<CityView>), ListCitiesProblems)
)]
pub(crate) async fn list_cities(
    State(api): State<ApiState>,
    Query(query): Query<CitiesQuery>,
) -> Result<JsonAnswer<Page<CityView>>, Problem> {
    let wanted = Cities { cities_that_begin_with: query.name.map_or_else(String::new, |name| name.0) };
    let after: Option<ListedName> = query.cursor.map(|text| KeyCursor::read(&text, &wanted)).transpose()?;
    let after = after.as_ref().map(|name| name.0.as_str());
    let page = cities::list(&api.pool, &wanted.cities_that_begin_with, after, query.limit);
    let page = bounded_work(page).await?;
    let last = page.last().filter(|_| page.len() == query.limit as usize);
    let next_cursor = last.map(|last| KeyCursor::write(wanted, last.place()));
    Ok(JsonAnswer(Page::of(page.into_iter().map(CityView::from).collect(), next_cursor)))
}
