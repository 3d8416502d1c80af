//! `GET /health`, `GET /api/v1/info` and `GET /api/v1/dummy`: a sentence each, for those who look whether somebody is there.
//! Whether the parts behind it are well says `/health/ready`.

use super::answer::message;
use axum::{http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A sentence.
#[derive(Serialize, ToSchema)]
#[schema(as = AirbourneMessage, example = json!({"message": "OK"}))]
pub(crate) struct Message {
    message: String,
}

/// The gateway is there.
#[utoipa::path(
    get, path = "/health", tag = "airbourne",
    responses((status = 200, description = "`OK`.", body = Message), (status = 429, description = "Later.", body = Message))
)]
pub(crate) async fn health() -> Response {
    message(StatusCode::OK, "OK")
}

/// The booking service is there.
#[utoipa::path(
    get, path = "/api/v1/info", tag = "airbourne",
    responses((status = 200, description = "`Response from routes`.", body = Message))
)]
pub(crate) async fn info() -> Response {
    message(StatusCode::OK, "Response from routes")
}

/// The service of accounts is there.
#[utoipa::path(
    get, path = "/api/v1/dummy", tag = "airbourne",
    responses((status = 200, description = "`OK`.", body = Message))
)]
pub(crate) async fn dummy() -> Response {
    message(StatusCode::OK, "OK")
}
