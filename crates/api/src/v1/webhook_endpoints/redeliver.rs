//! `POST /v1/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver`: once more.

use super::DeliveryView;
use crate::{
    extract::{Admin, PathIds},
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
use holdfast_notifier::redeliver as again;

problems! {
    /// Why it is not sent.
    RedeliverProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Send a delivery once more, with the same id and the same body, whatever became of it. One that is pending is tried now.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver", tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The endpoint."),
        ("delivery_id" = uuid::Uuid, Path, description = "The delivery.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 202, description = "It is queued.", body = DeliveryView), RedeliverProblems)
)]
pub(crate) async fn redeliver(
    State(api): State<ApiState>,
    _admin: Admin,
    PathIds(id, delivery_id): PathIds,
) -> Result<Response, Problem> {
    let queued = bounded_write(again(&api.pool, id, delivery_id, api.ambient.now())).await?;
    Ok((StatusCode::ACCEPTED, JsonAnswer(DeliveryView::from(queued))).into_response())
}
