//! `GET /metrics`: what is counted, for Prometheus.

use crate::state::ApiState;
use axum::{extract::State, http::header, response::IntoResponse};

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of this process, in Prometheus' text format.
pub(super) async fn metrics(State(api): State<ApiState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], api.prometheus.render())
}
