//! `POST /v1/webhook-endpoints/{id}/rotate-secret`: another secret; the one before signs beside it for a day.

use super::EndpointWithSecret;
use crate::{
    extract::{Admin, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::JsonAnswer,
};
use axum::extract::State;
use holdfast_notifier::rotate_secret as rotate;

problems! {
    /// Why it has its old secret.
    RotateSecretProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Give a webhook endpoint another secret. Both sign for 24 hours: take the new one into your receiver within them. If an
/// answer is lost, ask again: whatever was replaced within 24 hours signs too, of eight rotations at most.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/rotate-secret", tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The endpoint.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The endpoint and its new secret.", body = EndpointWithSecret), RotateSecretProblems)
)]
pub(crate) async fn rotate_secret(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
) -> Result<JsonAnswer<EndpointWithSecret>, Problem> {
    let rotated = rotate(&api.pool, &api.webhook_key, id, api.ambient.now());
    let (endpoint, secret) = bounded_write(rotated).await?;
    Ok(JsonAnswer(EndpointWithSecret::of(endpoint, &secret)))
}
