//! `GET /metrics`: what is counted, for Prometheus.

use super::OperatorProblems;
use crate::state::ApiState;
use axum::{extract::State, http::header, response::IntoResponse};

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of this process, in Prometheus' text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operator",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain"), OperatorProblems)
)]
pub(crate) async fn metrics(State(api): State<ApiState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], api.prometheus.render())
}
