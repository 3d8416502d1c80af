//! `DELETE /v1/webhook-endpoints/{id}`: nothing more is sent to it.

use crate::{
    extract::{Admin, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
};
use axum::{extract::State, http::StatusCode};
use holdfast_notifier::delete;

problems! {
    /// Why it is not deleted.
    DeleteEndpointProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Delete a webhook endpoint. What is under way may still arrive; what was owed is not sent any more.
#[utoipa::path(
    delete, path = "/v1/webhook-endpoints/{id}", tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The endpoint.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It is gone."), DeleteEndpointProblems)
)]
pub(crate) async fn delete_endpoint(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
) -> Result<StatusCode, Problem> {
    bounded_write(delete(&api.pool, id, api.ambient.now())).await?;
    Ok(StatusCode::NO_CONTENT)
}
