//! Requests as booking_monitor takes them: no token, no content type, unknown fields ignored, 0 as good as missing.
//!
//! What comes from elsewhere is refused before its body is read (`tokenless`).

use super::answer::{Answer, CORRELATION_ID};
use crate::{
    extract::{Trace, id_or_new, is_encoded, read_body},
    form::object,
    problem::Code,
    state::ApiState,
    tokenless,
};
use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode},
};
use holdfast_ambient::Ambient;
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// A request: its body, if it could be read, and where it comes from.
pub(crate) struct Lenient<T> {
    /// The body, or what to answer instead.
    pub(crate) body: Result<T, Answer>,
    /// Where it comes from.
    pub(crate) trace: Trace,
    /// The id its answer carries.
    pub(crate) correlation_id: HeaderValue,
}

impl<T: DeserializeOwned> FromRequest<ApiState> for Lenient<T> {
    type Rejection = Infallible;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, Infallible> {
        let (head, body) = request.into_parts();
        let correlation_id = correlation_id(&head.headers, &*api.ambient);
        let trace = Trace::named(correlation_id.clone());
        if let Some(why) = tokenless::refusal(&head, &api.compat_hosts) {
            return Ok(Self { body: Err(Answer::error(StatusCode::FORBIDDEN, why)), trace, correlation_id });
        }
        let body = match read_body(&head.headers, body).await {
            Ok(_) if is_encoded(&head.headers) => {
                let text = "send the body as it is, without Content-Encoding";
                Err(Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
            }
            Ok(bytes) => parse(&bytes),
            Err(problem) => Err(match problem.code() {
                Code::PayloadTooLarge => {
                    Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "request body too large")
                }
                Code::RequestTimeout => Answer::error(StatusCode::REQUEST_TIMEOUT, "request timed out"),
                _ => Answer::error(StatusCode::BAD_REQUEST, "the body ended too early"),
            }),
        };
        Ok(Self { body, trace, correlation_id })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Answer> {
    let parsed = object(&mut serde_json::Deserializer::from_slice(body));
    parsed.map_err(|error: serde_json::Error| Answer::error(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// The client's id for the request, or a new one.
pub(crate) fn correlation_id(headers: &HeaderMap, ambient: &dyn Ambient) -> HeaderValue {
    id_or_new(headers, &CORRELATION_ID, u8::is_ascii_graphic, ambient)
}

/// A number that must be there and not 0, which is as good as missing.
pub(crate) fn required(name: &str, value: Option<i64>) -> Result<i64, Answer> {
    value
        .filter(|value| *value != 0)
        .ok_or_else(|| Answer::error(StatusCode::BAD_REQUEST, &format!("{name} is required")))
}
