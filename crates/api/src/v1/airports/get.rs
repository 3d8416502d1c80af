//! `GET /v1/airports/{id}`: one of them.

use super::AirportView;
use crate::{
    extract::PathId,
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::airports;
use holdfast_domain::AirportId;

problems! {
    /// Why it is not shown.
    GetAirportProblems: NotFound, StoreUnavailable,
}

/// An airport. Its `ETag` is what a change of it needs.
#[utoipa::path(
    get, path = "/v1/airports/{id}", tag = "catalogue",
    params(("id" = uuid::Uuid, Path, description = "The airport.")),
    responses((status = 200, description = "The airport.", body = AirportView), GetAirportProblems)
)]
pub(crate) async fn get_airport(
    State(api): State<ApiState>,
    PathId(id): PathId,
) -> Result<Versioned<AirportView>, Problem> {
    Ok(bounded_work(airports::find(&api.pool, AirportId(id))).await?.into())
}
