//! What an answer says besides its body of what was made: where it is, and whether it had been made before.

use super::JsonAnswer;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// The request had been accepted before; this is what it made.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer to a request that made something.
pub(crate) struct Made<T> {
    /// Where it is.
    pub(crate) at: String,
    /// The request had been accepted before.
    pub(crate) replayed: bool,
    /// What was made.
    pub(crate) body: T,
}

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        let mut response = JsonAnswer(self.body).into_response();
        say(&mut response, Some(self.at), self.replayed);
        response
    }
}

/// Says where something was made, if something was, and whether the request had been accepted before.
pub(super) fn say(response: &mut Response, made_at: Option<String>, replayed: bool) {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(Ok(location)) = made_at.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LOCATION, location);
        *response.status_mut() = StatusCode::CREATED;
    }
}
