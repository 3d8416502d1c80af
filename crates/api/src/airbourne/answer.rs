//! Answers as Airbourne gives them: each resource has an envelope of its own, and its clients read all of them.

use crate::problem::RETRY_AFTER_SECONDS;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The names that a resource's envelope has, misspelt where Airbourne's are, and their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Says whether it was done, in an answer that says yes.
    pub(crate) done: &'static str,
    /// The same in an answer that says no.
    pub(crate) failed: &'static str,
    /// Says what went wrong; empty where nothing did.
    pub(crate) error: &'static str,
    /// The order of its parts in an answer that says yes, and in one that says no.
    order: [Order; 2],
}

/// The parts of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Data,
    Flag,
    Message,
    Error,
}

type Order = [Part; 4];

const FLAG_FIRST: Order = [Part::Flag, Part::Data, Part::Message, Part::Error];
const ERROR_SECOND: Order = [Part::Data, Part::Error, Part::Flag, Part::Message];
const ERROR_THIRD: Order = [Part::Data, Part::Flag, Part::Error, Part::Message];
const ERROR_LAST: Order = [Part::Data, Part::Flag, Part::Message, Part::Error];

impl Envelope {
    /// Of accounts and sign-in.
    pub(crate) const AUTH: Self =
        Self { done: "sucess", failed: "sucess", error: "error", order: [ERROR_SECOND; 2] };
    /// Of sign-up where it fails.
    pub(crate) const SIGN_UP: Self = Self { error: "err", ..Self::AUTH };
    /// Of cities and airplanes.
    pub(crate) const CATALOGUE: Self =
        Self { done: "sucess", failed: "sucess", error: "err", order: [ERROR_LAST; 2] };
    /// Of airports.
    pub(crate) const AIRPORTS: Self = Self { done: "success", failed: "success", ..Self::CATALOGUE };
    /// Of flights and bookings.
    pub(crate) const SALES: Self =
        Self { done: "success", failed: "sucess", error: "err", order: [ERROR_THIRD, ERROR_LAST] };
    /// Of reminders.
    pub(crate) const REMINDERS: Self = Self { order: [FLAG_FIRST; 2], ..Self::CATALOGUE };

    /// What was asked for.
    pub(crate) fn done(self, status: StatusCode, data: impl Serialize, message: &str) -> Response {
        let [order, _] = self.order;
        let body = Body { data, flag: (self.done, true), message, error: (self.error, Empty {}), order };
        json(status, &body)
    }

    /// Why it was not done. `error` is what a person may read: nothing from inside.
    pub(crate) fn failed(self, status: StatusCode, error: impl Serialize, message: &str) -> Response {
        let [_, order] = self.order;
        let (data, flag) = (Empty {}, (self.failed, false));
        json(status, &Body { data, flag, message, error: (self.error, error), order })
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
    order: Order,
}

impl<D: Serialize, E: Serialize> Serialize for Body<'_, D, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        for part in self.order {
            match part {
                Part::Data => map.serialize_entry("data", &self.data)?,
                Part::Flag => map.serialize_entry(self.flag.0, &self.flag.1)?,
                Part::Message => map.serialize_entry("message", self.message)?,
                Part::Error => map.serialize_entry(self.error.0, &self.error.1)?,
            }
        }
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

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), 10_000).await.unwrap().to_vec()).unwrap()
    }

    /// Byte for byte: the order of the names is part of what its clients have always seen.
    #[tokio::test]
    async fn each_envelope_is_written_as_its_clients_read_it() {
        for (envelope, done, failed) in [
            (
                Envelope::AUTH,
                r#"{"data":1,"error":{},"sucess":true,"message":"m"}"#,
                r#"{"data":{},"error":"why","sucess":false,"message":"m"}"#,
            ),
            (
                Envelope::SIGN_UP,
                r#"{"data":1,"err":{},"sucess":true,"message":"m"}"#,
                r#"{"data":{},"err":"why","sucess":false,"message":"m"}"#,
            ),
            (
                Envelope::CATALOGUE,
                r#"{"data":1,"sucess":true,"message":"m","err":{}}"#,
                r#"{"data":{},"sucess":false,"message":"m","err":"why"}"#,
            ),
            (
                Envelope::AIRPORTS,
                r#"{"data":1,"success":true,"message":"m","err":{}}"#,
                r#"{"data":{},"success":false,"message":"m","err":"why"}"#,
            ),
            (
                Envelope::SALES,
                r#"{"data":1,"success":true,"err":{},"message":"m"}"#,
                r#"{"data":{},"sucess":false,"message":"m","err":"why"}"#,
            ),
            (
                Envelope::REMINDERS,
                r#"{"sucess":true,"data":1,"message":"m","err":{}}"#,
                r#"{"sucess":false,"data":{},"message":"m","err":"why"}"#,
            ),
        ] {
            assert_eq!(text(envelope.done(StatusCode::OK, 1, "m")).await, done);
            assert_eq!(text(envelope.failed(StatusCode::CONFLICT, "why", "m")).await, failed);
        }
    }
}
