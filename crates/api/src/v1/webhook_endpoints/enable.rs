//! `POST /v1/webhook-endpoints/{id}/enable`: send to it again.

use super::EndpointView;
use crate::{
    extract::{Admin, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::JsonAnswer,
};
use axum::extract::State;
use holdfast_notifier::enable;

problems! {
    /// Why it is not enabled.
    EnableEndpointProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Send to a webhook endpoint again that was paused or disabled. What was queued before goes on, what was answered 410 too;
/// what happened since then was not queued: a replay from `resume_from` sends it. One that is full goes on by itself.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/enable", tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The endpoint.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The endpoint, active.", body = EndpointView), EnableEndpointProblems)
)]
pub(crate) async fn enable_endpoint(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
) -> Result<JsonAnswer<EndpointView>, Problem> {
    Ok(JsonAnswer(bounded_write(enable(&api.pool, id)).await?.into()))
}
