//! `DELETE /v1/cities/{id}`: refused while airports are in it.

use crate::{
    extract::{Admin, IfMatch, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
};
use axum::{extract::State, http::StatusCode};
use holdfast_catalogue::{Expected, cities};
use holdfast_domain::CityId;

problems! {
    /// Why it is not deleted.
    DeleteCityProblems: Unauthenticated, Forbidden, NotFound, InUse, VersionMismatch, StoreUnavailable, OutcomeUnknown,
}

/// Delete a city. Refused while airports are in it.
#[utoipa::path(
    delete, path = "/v1/cities/{id}", tag = "catalogue",
    params(("id" = uuid::Uuid, Path, description = "The city."),
        ("If-Match" = Option<String>, Header, description = "Only if it is still what you have read: its `ETag`.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It is gone."), DeleteCityProblems)
)]
pub(crate) async fn delete_city(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
    expected: Option<IfMatch>,
) -> Result<StatusCode, Problem> {
    let expected = expected.map_or(Expected::Any, |IfMatch(expected)| expected);
    bounded_write(cities::delete(&api.pool, CityId(id), &expected)).await?;
    Ok(StatusCode::NO_CONTENT)
}
