//! The answer that shows a thing with a version, which a change must name.

use super::{JsonAnswer, made::say};
use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

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
        tag(response.headers_mut(), self.version.cast_unsigned());
        say(&mut response, self.made_at, self.replayed);
        response
    }
}
