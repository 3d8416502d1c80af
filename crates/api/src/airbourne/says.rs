//! What a route says when it was done, and when it was not.

use super::{answer::Envelope, refusal::Refusal};
use axum::{
    http::{StatusCode, header},
    response::Response,
};
use serde::Serialize;
use serde_json::json;

/// How a resource tells what went wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    /// A sentence.
    Sentence,
    /// A sentence after `Original error: `.
    Original,
    /// An object with the sentence in it.
    Object,
    /// An object in an object.
    Nested,
}

/// What a route says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says {
    pub(crate) envelope: Envelope,
    pub(crate) wrong: Wrong,
    /// The status of a success.
    pub(crate) status: StatusCode,
    /// The message of a success.
    pub(crate) done: &'static str,
    /// The message of a failure.
    pub(crate) failed: &'static str,
}

impl Says {
    /// The answer.
    pub(crate) fn answer(&self, result: Result<impl Serialize, Refusal>) -> Response {
        match result {
            Ok(data) => self.envelope.done(self.status, data, self.done),
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// Why it was not done.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Response {
        let Refusal { status, text, retry_after_seconds } = refusal;
        let wrong = match self.wrong {
            Wrong::Sentence => json!(text),
            Wrong::Original => json!(format!("Original error: {text}")),
            Wrong::Object => json!({"error": text}),
            Wrong::Nested => json!({"error": {"error": text}}),
        };
        let mut response = self.envelope.failed(status, wrong, self.failed);
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
