//! `GET /v1/webhook-endpoints`: all of them.

use super::EndpointView;
use crate::{
    extract::Admin,
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::{JsonAnswer, Page},
};
use axum::extract::State;
use holdfast_notifier::endpoints;

problems! {
    /// Why they are not listed.
    ListEndpointsProblems: Unauthenticated, Forbidden, StoreUnavailable,
}

/// All webhook endpoints, the oldest first, on one page: there are at most 50.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints", tag = "webhooks",
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "All of them.", body = Page<EndpointView>), ListEndpointsProblems)
)]
pub(crate) async fn list_endpoints(
    State(api): State<ApiState>,
    _admin: Admin,
) -> Result<JsonAnswer<Page<EndpointView>>, Problem> {
    let all = bounded_work(endpoints(&api.pool)).await?;
    Ok(JsonAnswer(Page::of(all.into_iter().map(EndpointView::from).collect(), None)))
}
