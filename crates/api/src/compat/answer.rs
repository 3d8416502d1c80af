//! Answers as booking_monitor gives them.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use holdfast_writer::ExecuteError;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::{IntoResponses, ToSchema};

use crate::problem::RETRY_AFTER_SECONDS;

/// The header that names a request.
pub(crate) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// An answer with the request's correlation id.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    body: Cow<'static, str>,
}

/// What went wrong, in a sentence.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingMonitorError, example = json!({"error": "sold out"}))]
pub(crate) struct ErrorBody<'a> {
    error: &'a str,
}

/// What every route that takes a body may answer; for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described, never made")]
pub(crate) enum Errors {
    #[response(status = 400, description = "A field is missing, 0 or out of range.")]
    Invalid(#[to_schema] ErrorBody<'static>),
    #[response(
        status = 403,
        description = "It came through a proxy or from a foreign page, and has no token."
    )]
    Foreign(#[to_schema] ErrorBody<'static>),
    #[response(status = 408, description = "The body did not arrive in time.")]
    Late(#[to_schema] ErrorBody<'static>),
    #[response(status = 413, description = "The body is larger than 64 KiB.")]
    Large(#[to_schema] ErrorBody<'static>),
    #[response(status = 415, description = "The body has a Content-Encoding.")]
    Encoded(#[to_schema] ErrorBody<'static>),
    #[response(status = 503, description = "Come again after a second.")]
    Unavailable(#[to_schema] ErrorBody<'static>),
}

impl Answer {
    /// An answer whose text is known beforehand: nothing is allocated.
    pub(crate) fn fixed(status: StatusCode, body: &'static str) -> Self {
        Self { status, body: Cow::Borrowed(body) }
    }

    /// An answer that is made for the request.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(body) => Self { status, body: Cow::Owned(body) },
            Err(_) => Self::fixed(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":"internal server error"}"#),
        }
    }

    /// A refusal in a sentence.
    pub(crate) fn error(status: StatusCode, error: &str) -> Self {
        Self::json(status, &ErrorBody { error })
    }

    /// The store cannot be reached; `Retry-After` says when to try again.
    pub(crate) fn unavailable() -> Self {
        Self::fixed(StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"service temporarily unavailable; retry"}"#)
    }

    /// The answer under the request's correlation id.
    pub(crate) fn to(self, correlation_id: HeaderValue) -> Response {
        let Self { status, body } = self;
        let mut response =
            (status, [(header::CONTENT_TYPE, JSON), (CORRELATION_ID, correlation_id)], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

impl From<ExecuteError> for Answer {
    /// What is no refusal: whether it was done or not, the client is told to come again.
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Refused(refused) => Self::error(StatusCode::BAD_REQUEST, &refused.to_string()),
            ExecuteError::KeyReused
            | ExecuteError::Overloaded
            | ExecuteError::Unavailable
            | ExecuteError::OutcomeUnknown => Self::unavailable(),
        }
    }
}
