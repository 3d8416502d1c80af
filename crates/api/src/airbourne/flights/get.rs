//! `GET /api/v1/flights/{id}`: one flight, with the seats that are left now; `null` if there is none, or if it was deleted.

use super::{FlightView, find};
use crate::{airbourne::says::Says, state::ApiState};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use holdfast_domain::SalesState;

const SAYS: Says = super::says(StatusCode::OK, "Successfully got a flight", "couldnt get a flight");

/// One flight, or `null`.
#[utoipa::path(
    get, path = "/api/v1/flights/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The flight.")),
    responses((status = 200, description = "The flight, or null."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn get_flight(State(api): State<ApiState>, Path(id): Path<String>) -> Response {
    let found = find(&api, &id).await;
    let live = found.map(|view| view.filter(|view| view.counts.sales != SalesState::Cancelled));
    SAYS.answer(live.map(|view| view.and_then(FlightView::of_view)))
}
