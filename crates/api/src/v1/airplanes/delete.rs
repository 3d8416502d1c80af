//! `DELETE /v1/airplanes/{id}`: refused while it has flights.

use crate::{
    extract::{Admin, IfMatch, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
};
use axum::{extract::State, http::StatusCode};
use holdfast_catalogue::{Expected, airplanes};
use holdfast_domain::AirplaneId;

problems! {
    /// Why it is not deleted.
    DeleteAirplaneProblems: Unauthenticated, Forbidden, NotFound, InUse, VersionMismatch, StoreUnavailable, OutcomeUnknown,
}

/// Delete an airplane. Refused while it has flights.
#[utoipa::path(
    delete, path = "/v1/airplanes/{id}", tag = "catalogue",
    params(("id" = uuid::Uuid, Path, description = "The airplane."),
        ("If-Match" = Option<String>, Header, description = "Only if it is still what you have read: its `ETag`.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It is gone."), DeleteAirplaneProblems)
)]
pub(crate) async fn delete_airplane(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
    expected: Option<IfMatch>,
) -> Result<StatusCode, Problem> {
    let expected = expected.map_or(Expected::Any, |IfMatch(expected)| expected);
    bounded_write(airplanes::delete(&api.pool, AirplaneId(id), &expected)).await?;
    Ok(StatusCode::NO_CONTENT)
}
