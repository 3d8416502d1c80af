//! `GET /v1/airplanes/{id}`: one of them.

use super::AirplaneView;
use crate::{
    extract::PathId,
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::airplanes;
use holdfast_domain::AirplaneId;

problems! {
    /// Why it is not shown.
    GetAirplaneProblems: NotFound, StoreUnavailable,
}

/// An airplane. Its `ETag` is what a change of it needs.
#[utoipa::path(
    get, path = "/v1/airplanes/{id}", tag = "catalogue",
    params(("id" = uuid::Uuid, Path, description = "The airplane.")),
    responses((status = 200, description = "The airplane.", body = AirplaneView), GetAirplaneProblems)
)]
pub(crate) async fn get_airplane(
    State(api): State<ApiState>,
    PathId(id): PathId,
) -> Result<Versioned<AirplaneView>, Problem> {
    Ok(bounded_work(airplanes::find(&api.pool, AirplaneId(id))).await?.into())
}
