//! The answer to an accepted command.

use super::{JsonAnswer, made::say};
use axum::{
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use holdfast_event_log::LogPosition;
use serde::Serialize;

/// From where of the log on the answer is true; a query that carries it will include the command.
const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");

/// The answer to an accepted command.
pub(crate) struct Done<T> {
    /// 200, or 201 with the place of what was made.
    pub(crate) made_at: Option<String>,
    /// From where of the log on it is true.
    pub(crate) at: LogPosition,
    /// The command had been accepted before.
    pub(crate) replayed: bool,
    /// What there is now.
    pub(crate) body: T,
}

impl<T: Serialize> IntoResponse for Done<T> {
    fn into_response(self) -> Response {
        let mut response = JsonAnswer(self.body).into_response();
        if let Ok(token) = HeaderValue::try_from(self.at.to_string()) {
            response.headers_mut().insert(CONSISTENCY_TOKEN, token);
        }
        say(&mut response, self.made_at, self.replayed);
        response
    }
}
