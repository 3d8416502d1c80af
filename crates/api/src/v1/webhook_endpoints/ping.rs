//! `POST /v1/webhook-endpoints/{id}/ping`: a webhook that says nothing.

use super::DeliveryView;
use crate::{
    extract::{Admin, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::JsonAnswer,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use holdfast_notifier::ping;

problems! {
    /// Why none is sent.
    PingProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Send a `webhook.ping.v1`, to see that it arrives. Its delivery is listed with the others; an endpoint that is not active
/// gets it when it is enabled.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/ping", tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The endpoint.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 202, description = "It is queued.", body = DeliveryView), PingProblems)
)]
pub(crate) async fn ping_endpoint(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let queued = bounded_write(ping(&api.pool, id, api.ambient.new_id(), api.ambient.now())).await?;
    Ok((StatusCode::ACCEPTED, JsonAnswer(DeliveryView::from(queued))).into_response())
}
