//! `GET /v1/flights/{id}`: a flight with its seats, by UTC and by the clocks of its airports.

use crate::{
    extract::{FreshFrom, PathId},
    problem::{Problem, problems},
    state::ApiState,
    v1::inventories::{self, Found},
    view::{FlightView, JsonAnswer, SeatsView, tag},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use holdfast_domain::InventoryId;

problems! {
    /// Why it is not shown.
    GetFlightProblems: NotFound, Overloaded, StoreUnavailable,
}

/// A flight with its seats. Its `ETag` is what a change of it needs: it names price and schedule, whatever is sold.
///
/// It is told as the read model has it. Straight after a change that may be how it was before, with the `ETag` of before, unless the
/// request carries the `Consistency-Token` that the change was answered with. When it has left, nothing of it is sold any more (409 `departed`), whatever
/// `sales` says: that is what an admin decided.
#[utoipa::path(
    get, path = "/v1/flights/{id}", tag = "flights",
    params(("id" = uuid::Uuid, Path, description = "The flight."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command that the answer must include.")),
    responses((status = 200, description = "The flight.", body = FlightView), GetFlightProblems)
)]
pub(crate) async fn get_flight(
    State(api): State<ApiState>,
    PathId(id): PathId,
    fresh: FreshFrom,
) -> Result<Response, Problem> {
    let (version, flight) = match inventories::find(&api, InventoryId(id), fresh).await? {
        Found::Row(row, stale) => (row.terms_version, FlightView::of(row).map(|flight| flight.stale(stale))),
        Found::Live(view) => {
            let seats = SeatsView::from(&view);
            (view.terms.version, FlightView::new(view.inventory_id, view.terms, seats))
        }
    };
    let mut response = JsonAnswer(flight.ok_or_else(Problem::not_found)?).into_response();
    tag(response.headers_mut(), version);
    Ok(response)
}
