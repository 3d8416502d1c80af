//! `GET /v1/airports`: airports in the order in which they were made.

use super::AirportView;
use crate::{
    extract::{FromQuery, Params, Query},
    form::{id, is_airport_code},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::{JsonAnswer, KeyCursor, Page},
};
use axum::extract::State;
use holdfast_catalogue::airports::{self, Which};
use holdfast_domain::{AirportId, CityId};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct AirportsQuery {
    city_id: Option<CityId>,
    code: Option<String>,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for AirportsQuery {
    fn read(params: &mut Params) -> Self {
        let code = |text: &str| is_airport_code(text).then(|| text.to_owned());
        Self {
            city_id: params.take("city_id", "must be a UUID", |text| id(text).map(CityId)),
            code: params.take("code", "must be three capital letters, such as BER", code),
            limit: params.limit(),
            cursor: params.cursor(),
        }
    }
}

/// Which airports: what a cursor is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Airports {
    airports_in: Option<CityId>,
    code: Option<String>,
}

problems! {
    /// Why they are not listed.
    ListAirportsProblems: InvalidCursor, ValidationFailed, StoreUnavailable,
}

/// The airports, the first made first.
#[utoipa::path(
    get, path = "/v1/airports", tag = "catalogue",
    params(
        ("city_id" = Option<Uuid>, Query, description = "Only those of this city."),
        ("code" = Option<String>, Query, description = "Only that with this IATA code.", pattern = "^[A-Z]{3}$"),
        ("limit" = Option<u32>, Query, description = "Airports of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page.", body = Page<AirportView>), ListAirportsProblems)
)]
pub(crate) async fn list_airports(
    State(api): State<ApiState>,
    Query(query): Query<AirportsQuery>,
) -> Result<JsonAnswer<Page<AirportView>>, Problem> {
    let wanted = Airports { airports_in: query.city_id, code: query.code };
    let after: Option<AirportId> = query.cursor.map(|text| KeyCursor::read(&text, &wanted)).transpose()?;
    let which = Which { city_id: wanted.airports_in, code: wanted.code.as_deref() };
    let page = bounded_work(airports::list(&api.pool, which, after, query.limit)).await?;
    let last = page.last().filter(|_| page.len() == query.limit as usize);
    let next_cursor = last.map(|last| KeyCursor::write(wanted, last.airport_id));
    Ok(JsonAnswer(Page::of(page.into_iter().map(AirportView::from).collect(), next_cursor)))
}
