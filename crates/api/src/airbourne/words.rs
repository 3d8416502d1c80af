//! `GET /health`, `GET /api/v1/info` and `GET /api/v1/dummy`: a sentence each, for those who look whether somebody is there; and
//! `GET /api-docs/`, which leads to the page of the whole API.
//! Whether the parts behind it are well says `/health/ready`.

use super::answer::message;
use crate::openapi::PAGE;
use axum::{
    http::StatusCode,
    response::{Redirect, Response},
};
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

/// Where its routes are described: on the page of all routes.
#[utoipa::path(
    get, path = "/api-docs/", tag = "airbourne",
    responses((status = 307, description = "To the page."), (status = 429, description = "Later.", body = Message))
)]
pub(crate) async fn api_docs() -> Redirect {
    Redirect::temporary(PAGE)
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
