//! The answer that shows a thing with a version, which a change must name.

use super::JsonAnswer;
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// The request had been accepted before; this is what it made.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A thing with its version, which is its `ETag`.
pub(crate) struct Versioned<T> {
    /// 200, or 201 with the place of what was made.
    pub(crate) made_at: Option<String>,
    /// The request had been accepted before.
    pub(crate) replayed: bool,
    /// Grows with every change.
    pub(crate) version: i64,
    /// The thing.
    pub(crate) body: T,
}

/// Says which version is shown.
pub(crate) fn tag(headers: &mut HeaderMap, version: u64) {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = JsonAnswer(self.body).into_response();
        let headers = response.headers_mut();
        tag(headers, self.version.cast_unsigned());
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let Some(Ok(location)) = self.made_at.map(HeaderValue::try_from) {
            headers.insert(header::LOCATION, location);
            *response.status_mut() = StatusCode::CREATED;
        }
        response
    }
}
