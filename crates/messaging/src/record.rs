//! An event as a record of the topic, and back.
//!
//! Shape: the key is the stream's id, the value the event's JSON byte for byte as it is stored, and everything that is
//! said about the event stands in headers, as text. A consumer that only wants some types need not parse the others.

use chrono::SecondsFormat;
use holdfast_domain::{DecodeError, InventoryEvent, InventoryId, Timestamp};
use holdfast_event_log::{LogPosition, RawEvent, Recorded};
use serde::Deserialize;
use std::borrow::Cow;
use uuid::Uuid;

/// Every header, in the order in which they are written, with what it says. Those marked as optional may be missing.
pub const EVENT_HEADERS: &[(&str, &str)] = &[
    ("log_id", "the log this record is a copy of; another id is another installation"),
    ("position", "the event's place in the partition: 1, 2, 3 … without gaps"),
    ("event_id", "names the event for ever (UUIDv7); the same in every copy"),
    ("event_type", "such as SeatsReserved"),
    ("event_version", "of the type; the value has the shape schemas/<type>.v<version>.json"),
    ("sequence", "the event's place in its stream (the key): 1, 2, 3 … without gaps"),
    ("recorded_at", "when it was decided, RFC 3339 in UTC"),
    ("correlation_id", "of the request behind it; optional: time passed"),
    ("causation_id", "of the command behind it; optional: time passed"),
    ("traceparent", "W3C Trace Context of the request; optional: the client sent none"),
];

/// What an event's metadata says that a header repeats.
#[derive(Default, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    correlation_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
}

/// Hands every header of an event's record to `add`, in their order, with what the headers before it became. A relay does this
/// for every event, so little of it is allocated.
pub fn fold_headers<T>(
    event: &RawEvent,
    log_id: &str,
    mut into: T,
    add: impl Fn(T, &'static str, &str) -> T,
) -> T {
    // Metadata is ours; one that cannot be read costs a header, never the event.
    let metadata: Metadata<'_> = serde_json::from_str(&event.metadata).unwrap_or_default();
    let mut id = Uuid::encode_buffer();
    into = add(into, "log_id", log_id);
    into = add(into, "position", &event.at.position.to_string());
    into = add(into, "event_id", event.event_id.hyphenated().encode_lower(&mut id));
    into = add(into, "event_type", &event.event_type);
    into = add(into, "event_version", &event.event_version);
    into = add(into, "sequence", &event.sequence.to_string());
    into = add(into, "recorded_at", &instant(event.recorded_at));
    if let Some(correlation_id) = &metadata.correlation_id {
        into = add(into, "correlation_id", correlation_id);
    }
    if let Some(command_id) = &event.command_id {
        into = add(into, "causation_id", command_id.hyphenated().encode_lower(&mut id));
    }
    if let Some(traceparent) = &metadata.traceparent {
        into = add(into, "traceparent", traceparent);
    }
    into
}

/// The headers of an event's record.
#[must_use]
pub fn headers(event: &RawEvent, log_id: &str) -> Vec<(&'static str, String)> {
    fold_headers(event, log_id, vec![], |mut headers, name, value| {
        headers.push((name, value.to_owned()));
        headers
    })
}

/// A record of the events' topic, taken apart but for its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<'r> {
    /// The log it is a copy of.
    pub log_id: Uuid,
    /// Where the event stands.
    pub at: LogPosition,
    /// The stream: an inventory's id, unless a newer build has others.
    pub stream: &'r str,
    /// The event's place in the stream, from 1.
    pub sequence: i64,
    /// The event's type.
    pub event_type: &'r str,
    /// The version of the type.
    pub event_version: &'r str,
    /// When it was decided.
    pub recorded_at: Timestamp,
    /// The event's JSON.
    pub payload: &'r str,
}

/// A record is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A header, the key or the value is not there.
    #[error("the record has no {0}")]
    Missing(&'static str),
    /// It is there, and is not what it must be.
    #[error("the record's {0} cannot be read")]
    Malformed(&'static str),
}

/// A record of ours holds an event that this build does not understand.
#[derive(Debug, thiserror::Error)]
pub enum NotUnderstood {
    /// The event itself.
    #[error(transparent)]
    Event(#[from] DecodeError),
    /// Its stream.
    #[error("the stream {0} is no inventory, and this build knows nothing else")]
    Stream(String),
}

impl<'r> Received<'r> {
    /// Takes a record apart. `header` finds a header's bytes by its name.
    ///
    /// # Errors
    /// `Missing` or `Malformed`, with the part that is wrong: somebody else wrote into the topic.
    pub fn parse(
        partition: u16,
        key: Option<&'r [u8]>,
        value: Option<&'r [u8]>,
        header: impl Fn(&str) -> Option<&'r [u8]>,
    ) -> Result<Self, RecordError> {
        let text = |name: &'static str, bytes: Option<&'r [u8]>| {
            let bytes = bytes.ok_or(RecordError::Missing(name))?;
            std::str::from_utf8(bytes).map_err(|_| RecordError::Malformed(name))
        };
        let head = |name| text(name, header(name));
        let number = |name| {
            let number: i64 = head(name)?.parse().map_err(|_| RecordError::Malformed(name))?;
            if number > 0 { Ok(number) } else { Err(RecordError::Malformed(name)) }
        };
        let id = |name, text: &str| Uuid::try_parse(text).map_err(|_| RecordError::Malformed(name));
        let recorded_at = head("recorded_at")?.parse().map_err(|_| RecordError::Malformed("recorded_at"))?;
        Ok(Self {
            log_id: id("log_id", head("log_id")?)?,
            at: LogPosition { log_partition: partition, position: number("position")? },
            stream: text("key", key)?,
            sequence: number("sequence")?,
            event_type: head("event_type")?,
            event_version: head("event_version")?,
            recorded_at,
            payload: text("value", value)?,
        })
    }

    /// Understands the event.
    ///
    /// # Errors
    /// A type or version of a newer build, or a value of another shape.
    pub fn decode(&self) -> Result<Recorded, NotUnderstood> {
        let inventory_id = Uuid::try_parse(self.stream).map(InventoryId);
        let inventory_id = inventory_id.map_err(|_| NotUnderstood::Stream(self.stream.to_owned()))?;
        let event = InventoryEvent::decode(self.event_type, self.event_version, self.payload)?;
        let Self { at, sequence, recorded_at, .. } = *self;
        Ok(Recorded { at, inventory_id, sequence, event, recorded_at })
    }
}

/// RFC 3339 with microseconds, as the log keeps them.
fn instant(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn event() -> RawEvent {
        RawEvent {
            at: LogPosition { log_partition: 3, position: 7 },
            aggregate_type: "inventory".to_owned(),
            aggregate_id: "0193a2f0-7c00-7000-8000-00000000e001".to_owned(),
            sequence: 2,
            event_type: "SeatsUnblocked".to_owned(),
            event_version: "1".to_owned(),
            payload: r#"{"type":"SeatsUnblocked", "quantity":4}"#.to_owned(),
            metadata: r#"{"actor":"admin:1","correlation_id":"web-7 \"quoted\"","traceparent":"00-1-2-01"}"#
                .to_owned(),
            event_id: Uuid::from_u128(5),
            command_id: Some(Uuid::from_u128(6)),
            recorded_at: "2031-11-01T10:15:00.25Z".parse().unwrap(),
        }
    }

    fn record(event: &RawEvent) -> HashMap<&'static str, String> {
        headers(event, "00000000-0000-0000-0000-000000000001").into_iter().collect()
    }

    fn parse<'r>(
        event: &'r RawEvent,
        headers: &'r HashMap<&'static str, String>,
    ) -> Result<Received<'r>, RecordError> {
        let (key, value) = (event.aggregate_id.as_bytes(), event.payload.as_bytes());
        Received::parse(3, Some(key), Some(value), |name| headers.get(name).map(|value| value.as_bytes()))
    }

    #[test]
    fn what_is_read_from_a_record_is_what_is_read_from_the_log() {
        let event = event();
        let headers = record(&event);
        assert_eq!(headers["correlation_id"], "web-7 \"quoted\"");
        assert_eq!(headers["recorded_at"], "2031-11-01T10:15:00.250000Z");
        let received = parse(&event, &headers).unwrap();
        assert_eq!(received.payload, event.payload);
        assert_eq!(received.decode().unwrap(), event.decode().unwrap());
    }

    #[test]
    fn the_headers_are_those_of_the_contract() {
        let all: Vec<_> = headers(&event(), "x").into_iter().map(|(name, _)| name).collect();
        assert_eq!(all, EVENT_HEADERS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let of_time = RawEvent { command_id: None, metadata: "{}".to_owned(), ..event() };
        let fewer: Vec<_> = headers(&of_time, "x").into_iter().map(|(name, _)| name).collect();
        assert_eq!(fewer, all[..7]);
    }

    #[test]
    fn a_record_of_somebody_else_is_refused_with_what_is_wrong() {
        let event = event();
        let without = |name: &str| {
            let mut headers = record(&event);
            headers.remove(name);
            parse(&event, &headers).unwrap_err().to_string()
        };
        assert_eq!(without("position"), "the record has no position");
        assert_eq!(without("log_id"), "the record has no log_id");
        for (name, value) in [("position", "0"), ("position", "x"), ("log_id", "7"), ("recorded_at", "today")]
        {
            let mut headers = record(&event);
            headers.insert(name, value.to_owned());
            let error = parse(&event, &headers).unwrap_err().to_string();
            assert_eq!(error, format!("the record's {name} cannot be read"));
        }
        let headers = record(&event);
        let header = |name: &str| headers.get(name).map(|value| value.as_bytes());
        let bad_key = Received::parse(0, Some(b"\xff"), Some(b"{}"), header).unwrap_err();
        assert_eq!(bad_key.to_string(), "the record's key cannot be read");
        let no_value = Received::parse(0, Some(event.aggregate_id.as_bytes()), None, header).unwrap_err();
        assert_eq!(no_value.to_string(), "the record has no value");
    }
}
