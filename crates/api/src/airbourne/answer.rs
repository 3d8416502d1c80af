//! Answers as Airbourne gives them: each resource has an envelope of its own, and its clients read all of them.

use crate::problem::RETRY_AFTER_SECONDS;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The names that a resource's envelope has: misspelt where Airbourne's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Says whether it was done, in an answer that says yes.
    pub(crate) done: &'static str,
    /// The same in an answer that says no.
    pub(crate) failed: &'static str,
    /// Says what went wrong; empty where nothing did.
    pub(crate) error: &'static str,
}

impl Envelope {
    /// Of accounts and sign-in.
    pub(crate) const AUTH: Self = Self { done: "sucess", failed: "sucess", error: "error" };
    /// Of sign-up where it fails.
    pub(crate) const SIGN_UP: Self = Self { error: "err", ..Self::AUTH };
    /// Of cities, airplanes and reminders.
    pub(crate) const CATALOGUE: Self = Self { done: "sucess", failed: "sucess", error: "err" };
    /// Of airports.
    pub(crate) const AIRPORTS: Self = Self { done: "success", failed: "success", error: "err" };
    /// Of flights and bookings.
    pub(crate) const SALES: Self = Self { done: "success", failed: "sucess", error: "err" };

    /// What was asked for.
    pub(crate) fn done(self, status: StatusCode, data: impl Serialize, message: &str) -> Response {
        let body = Body { data, flag: (self.done, true), message, error: (self.error, Empty {}) };
        json(status, &body)
    }

    /// Why it was not done. `error` is what a person may read: nothing from inside.
    pub(crate) fn failed(self, status: StatusCode, error: impl Serialize, message: &str) -> Response {
        let body = Body { data: Empty {}, flag: (self.failed, false), message, error: (self.error, error) };
        json(status, &body)
    }
}

/// A sentence without an envelope.
pub(crate) fn message(status: StatusCode, message: &str) -> Response {
    json(status, &Message { message })
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

#[derive(Serialize)]
struct Empty {}

struct Body<'a, D, E> {
    data: D,
    flag: (&'static str, bool),
    message: &'a str,
    error: (&'static str, E),
}

impl<D: Serialize, E: Serialize> Serialize for Body<'_, D, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("data", &self.data)?;
        map.serialize_entry(self.flag.0, &self.flag.1)?;
        map.serialize_entry("message", self.message)?;
        map.serialize_entry(self.error.0, &self.error.1)?;
        map.end()
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        let wait = HeaderValue::from_static(RETRY_AFTER_SECONDS);
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    async fn body(response: Response) -> Value {
        serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn each_envelope_is_spelt_as_its_clients_read_it() {
        for (envelope, done, failed) in [
            (
                Envelope::AUTH,
                json!({"data": 1, "error": {}, "sucess": true, "message": "m"}),
                ("error", "sucess"),
            ),
            (
                Envelope::CATALOGUE,
                json!({"data": 1, "err": {}, "sucess": true, "message": "m"}),
                ("err", "sucess"),
            ),
            (
                Envelope::AIRPORTS,
                json!({"data": 1, "err": {}, "success": true, "message": "m"}),
                ("err", "success"),
            ),
            (
                Envelope::SALES,
                json!({"data": 1, "err": {}, "success": true, "message": "m"}),
                ("err", "sucess"),
            ),
            (
                Envelope::SIGN_UP,
                json!({"data": 1, "err": {}, "sucess": true, "message": "m"}),
                ("err", "sucess"),
            ),
        ] {
            assert_eq!(body(envelope.done(StatusCode::OK, 1, "m")).await, done);
            let (error, flag) = failed;
            assert_eq!(
                body(envelope.failed(StatusCode::CONFLICT, "why", "m")).await,
                json!({"data": {}, error: "why", flag: false, "message": "m"})
            );
        }
    }
}
