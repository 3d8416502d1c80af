//! `GET /v1/airplanes`: airplanes in the order in which they were made.

use super::AirplaneView;
use crate::{
    extract::{FromQuery, Params, Query},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::{JsonAnswer, KeyCursor, Page},
};
use axum::extract::State;
use holdfast_catalogue::airplanes;
use holdfast_domain::AirplaneId;

/// The name of this list in its cursors.
const AIRPLANES: &str = "airplanes";

/// What is asked for.
#[derive(Debug)]
pub(crate) struct AirplanesQuery {
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for AirplanesQuery {
    fn read(params: &mut Params) -> Self {
        Self { limit: params.limit(), cursor: params.cursor() }
    }
}

problems! {
    /// Why they are not listed.
    ListAirplanesProblems: InvalidCursor, ValidationFailed, StoreUnavailable,
}

/// The airplanes, the first made first.
#[utoipa::path(
    get, path = "/v1/airplanes", tag = "catalogue",
    params(
        ("limit" = Option<u32>, Query, description = "Airplanes of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page.", body = Page<AirplaneView>), ListAirplanesProblems)
)]
pub(crate) async fn list_airplanes(
    State(api): State<ApiState>,
    Query(query): Query<AirplanesQuery>,
) -> Result<JsonAnswer<Page<AirplaneView>>, Problem> {
    let wanted = AIRPLANES.to_owned();
    let after: Option<AirplaneId> = query.cursor.map(|text| KeyCursor::read(&text, &wanted)).transpose()?;
    let page = bounded_work(airplanes::list(&api.pool, after, query.limit)).await?;
    let last = page.last().filter(|_| page.len() == query.limit as usize);
    let next_cursor = last.map(|last| KeyCursor::write(wanted, last.airplane_id));
    Ok(JsonAnswer(Page::of(page.into_iter().map(AirplaneView::from).collect(), next_cursor)))
}
