//! Headers with a meaning of their own: the idempotency key, the version that is changed, the consistency token, the trace.

use crate::problem::{Code, Problem};
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use holdfast_ambient::Ambient;
use holdfast_catalogue::Expected;
use holdfast_event_log::LogPosition;
use std::convert::Infallible;
use uuid::Uuid;

/// Names a request in the logs of both sides. The envelope makes one where none came.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Names a command, so that sending it twice has one effect.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What an answer must include.
const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longest key; 36 characters of a UUID are usual.
const KEY_CHARS_MAX: usize = 255;

/// Longest id of a request that is taken from a client; a longer one is replaced.
const ID_CHARS_MAX: usize = 128;

/// The id that a client gave its request in the header `name`, if it is one of a sane length and of `allowed`
/// characters; else a new one.
pub(crate) fn id_or_new(
    headers: &HeaderMap,
    name: &HeaderName,
    allowed: fn(&u8) -> bool,
    ambient: &dyn Ambient,
) -> HeaderValue {
    let sane =
        |id: &&HeaderValue| (1..=ID_CHARS_MAX).contains(&id.len()) && id.as_bytes().iter().all(allowed);
    headers.get(name).filter(sane).cloned().unwrap_or_else(|| {
        let mut text = Uuid::encode_buffer();
        let text = ambient.new_id().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// A key that was sent and is good. As an `Option` it may be missing, but not bad.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey(HeaderValue);

impl IdempotencyKey {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn find(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
        let (key, second) = (keys.next(), keys.next());
        let printable = |key: &HeaderValue| key.as_bytes().iter().all(|b| (0x20..=0x7e).contains(b));
        let good = |key: &HeaderValue| (1..=KEY_CHARS_MAX).contains(&key.len()) && printable(key);
        match (key, second) {
            (None, _) => Ok(None),
            (Some(key), None) if good(key) => Ok(Some(Self(key.clone()))),
            _ => {
                let detail =
                    format!("the key must be one value of 1 to {KEY_CHARS_MAX} printable ASCII characters");
                Err(Problem::new(Code::IdempotencyKeyInvalid, detail))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = "send an Idempotency-Key of your own, such as a UUID; re-send it with the same request";
        Self::find(&parts.headers)?.ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired, missing))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::find(&parts.headers)
    }
}

/// Which version of a thing the client wants to change or delete (RFC 9110 §13.1.1). A change that comes without
/// is refused (RFC 6585 §3): it could undo what somebody else has just done. As an `Option` it may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) Expected);

impl IfMatch {
    fn find(headers: &HeaderMap) -> Option<Self> {
        let mut tags = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            tags.extend(value.to_str().unwrap_or("").split(',').map(str::trim));
        }
        match tags[..] {
            [] => None,
            ["*"] => Some(Self(Expected::Any)),
            // A weak tag, or one that we did not make, is nobody's version.
            _ => Some(Self(Expected::OneOf(tags.into_iter().filter_map(version).collect()))),
        }
    }
}

/// The version that an entity tag of ours names.
fn version(tag: &str) -> Option<i64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = "send If-Match with the ETag of what you have read, or * to change it whatever it is";
        Self::find(&parts.headers).ok_or_else(|| Problem::new(Code::PreconditionRequired, missing))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(Self::find(&parts.headers))
    }
}

/// What an answer must include, as the client's `Consistency-Token` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FreshFrom {
    /// It did not say.
    Anything,
    /// Everything up to there.
    Position(LogPosition),
    /// Something that is no token of ours: whatever we answer, it cannot be shown to include it.
    Unreadable,
}

impl<S: Sync> FromRequestParts<S> for FreshFrom {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let Some(value) = parts.headers.get(CONSISTENCY_TOKEN) else { return Ok(Self::Anything) };
        let position = value.to_str().ok().and_then(|text| text.parse().ok());
        Ok(position.map_or(Self::Unreadable, Self::Position))
    }
}

/// Where a request comes from, for the metadata of its events.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    request_id: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl Trace {
    /// A request that is named otherwise.
    pub(crate) fn named(request_id: HeaderValue) -> Self {
        Self { request_id: Some(request_id), traceparent: None }
    }

    pub(crate) fn request_id(&self) -> &str {
        self.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or("")
    }

    pub(crate) fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_ref()?.to_str().ok()
    }
}

impl<S: Sync> FromRequestParts<S> for Trace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let traceparent = parts.headers.get(TRACEPARENT).filter(|value| is_traceparent(value.as_bytes()));
        Ok(Self { request_id: parts.headers.get(REQUEST_ID).cloned(), traceparent: traceparent.cloned() })
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, neither id all zeros (W3C Trace Context §3.2).
fn is_traceparent(value: &[u8]) -> bool {
    let mut parts = value.split(|b| *b == b'-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length && part.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
        })
    };
    let (version, trace, parent, flags) = (hex(2), hex(32), hex(16), hex(2));
    let set = |id: Option<&[u8]>| id.is_some_and(|id| id.iter().any(|b| *b != b'0'));
    version == Some(b"00") && set(trace) && set(parent) && flags.is_some() && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_taken_only_if_it_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_traceparent(good.as_bytes()));
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert!(!is_traceparent(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_key_is_one_value_of_1_to_255_printable_ascii_characters() {
        let find = |keys: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for key in keys {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(key).unwrap());
            }
            IdempotencyKey::find(&headers).map(|key| key.is_some()).map_err(|problem| problem.code())
        };
        assert_eq!(find(&[]), Ok(false));
        assert_eq!(find(&[b"a b~"]), Ok(true));
        assert_eq!(find(&[&[b'k'; 255]]), Ok(true));
        for bad in [&[b"".as_slice()][..], &[&[b'k'; 256]], &[b"caf\xc3\xa9"], &[b"a\tb"], &[b"a", b"a"]] {
            assert_eq!(find(bad), Err(Code::IdempotencyKeyInvalid), "{bad:?}");
        }
    }
}
