//! `GET /v1/webhook-endpoints/{id}`: one of them, without its secret.

use super::EndpointView;
use crate::{
    extract::{Admin, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::JsonAnswer,
};
use axum::extract::State;
use holdfast_notifier::endpoint;

problems! {
    /// Why it is not shown.
    GetEndpointProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable,
}

/// A webhook endpoint, without its secret.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{id}", tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The endpoint.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The endpoint.", body = EndpointView), GetEndpointProblems)
)]
pub(crate) async fn get_endpoint(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
) -> Result<JsonAnswer<EndpointView>, Problem> {
    Ok(JsonAnswer(bounded_work(endpoint(&api.pool, id)).await?.into()))
}
