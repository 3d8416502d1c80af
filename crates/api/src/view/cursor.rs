//! Cursors: where a page ended, as text that is opaque to clients.
//!
//! A cursor carries the filters of the query that made it and is good for that query only, so a page
//! is never continued with other filters. It is no secret: what it names is checked again.

use crate::problem::{Code, Problem};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::DateTime;
use holdfast_domain::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// Longest cursor that is read; ours have about 200 characters.
const CURSOR_CHARS_MAX: usize = 1024;
/// The same for places that are names: two of 200 characters of four bytes each, in base64.
const KEY_CURSOR_CHARS_MAX: usize = 4096;
/// No place is later: the end of the year 9999.
const LATEST: Timestamp = match DateTime::from_timestamp(253_402_300_800, 0) {
    Some(at) => at,
    None => Timestamp::MAX_UTC,
};
/// Version of what is inside: another one is not understood, and says so.
const VERSION: u8 = 1;

/// A place in the list of a query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor<Q> {
    #[serde(rename = "v")]
    version: u8,
    /// The query's name and filters.
    #[serde(rename = "q")]
    query: Q,
    /// When the last thing of the page was made, in microseconds since 1970.
    #[serde(rename = "t")]
    at: i64,
    /// The last thing of the page.
    #[serde(rename = "i")]
    id: Uuid,
}

/// A cursor that was not made by us, or by another query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidCursor;

impl From<InvalidCursor> for Problem {
    fn from(_: InvalidCursor) -> Self {
        Self::new(Code::InvalidCursor, "use next_cursor of the page before, with the same filters")
    }
}

/// An instant in a cursor, in microseconds since 1970: one that Postgres and RFC 3339 can write.
pub(crate) fn instant(micros: i64) -> Result<Timestamp, InvalidCursor> {
    let at = DateTime::from_timestamp_micros(micros);
    at.filter(|at| (Timestamp::UNIX_EPOCH..LATEST).contains(at)).ok_or(InvalidCursor)
}

impl<Q: Serialize + DeserializeOwned + PartialEq> Cursor<Q> {
    /// The text of a cursor.
    pub(crate) fn write(query: Q, at: Timestamp, id: Uuid) -> String {
        let cursor = Self { version: VERSION, query, at: at.timestamp_micros(), id };
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }

    /// The place that `text` names in the list of `query`.
    pub(crate) fn read(text: &str, query: &Q) -> Result<(Timestamp, Uuid), InvalidCursor> {
        if text.len() > CURSOR_CHARS_MAX {
            return Err(InvalidCursor);
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let cursor: Self = serde_json::from_slice(&json).map_err(|_| InvalidCursor)?;
        let ours = cursor.version == VERSION && cursor.query == *query;
        if ours { Ok((instant(cursor.at)?, cursor.id)) } else { Err(InvalidCursor) }
    }
}

/// A place in a list whose order is not that of time: what the last thing of the page is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyCursor<Q, P> {
    #[serde(rename = "v")]
    version: u8,
    /// The query's name and filters.
    #[serde(rename = "q")]
    query: Q,
    /// The place.
    #[serde(rename = "p")]
    place: P,
}

impl<Q, P> KeyCursor<Q, P>
where
    Q: Serialize + DeserializeOwned + PartialEq,
    P: Serialize + DeserializeOwned,
{
    /// The text of a cursor.
    pub(crate) fn write(query: Q, place: P) -> String {
        let cursor = Self { version: VERSION, query, place };
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }

    /// The place that `text` names in the list of `query`.
    pub(crate) fn read(text: &str, query: &Q) -> Result<P, InvalidCursor> {
        if text.len() > KEY_CURSOR_CHARS_MAX {
            return Err(InvalidCursor);
        }
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let cursor: Self = serde_json::from_slice(&json).map_err(|_| InvalidCursor)?;
        let ours = cursor.version == VERSION && cursor.query == *query;
        ours.then_some(cursor.place).ok_or(InvalidCursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Words = Cursor<String>;

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_cursor_leads_back_to_its_place_and_only_for_its_own_query() {
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let text = Words::write("held".to_owned(), at, ID);
        assert_eq!(Words::read(&text, &"held".to_owned()), Ok((at, ID)));
        assert_eq!(Words::read(&text, &"confirmed".to_owned()), Err(InvalidCursor));
    }

    #[test]
    fn what_we_did_not_write_is_no_cursor() {
        let cursor = |version: u8, at: i64| {
            BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"v":{version},"q":"held","t":{at},"i":"{ID}"}}"#))
        };
        assert!(Words::read(&cursor(1, 0), &"held".to_owned()).is_ok());
        let long = "A".repeat(CURSOR_CHARS_MAX + 1);
        let (other_version, too_early, too_late) = (cursor(2, 0), cursor(1, -1), cursor(1, i64::MAX));
        for text in ["", "x", "====", "bnVsbA", &other_version, &too_early, &too_late, &long] {
            assert_eq!(Words::read(text, &"held".to_owned()), Err(InvalidCursor), "{text}");
        }
    }
}
