//! The body: bounded in size and time, JSON, and of one form.

use super::FormRefused;
use crate::{
    form::{Form, parse},
    problem::{Code, Problem},
};
use axum::{
    body::{Body as HttpBody, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use futures::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// Largest body that is read: the largest of ours has less than 1 KiB.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes beyond it that are taken and thrown away, so that the client reads our answer instead of a
/// broken connection.
const DISCARDED_BYTES_MAX: usize = 1024 * 1024;
/// How long a body may take to arrive: a slow client occupies a request no longer.
const BODY_SECONDS_MAX: u64 = 10;

/// The body, read as a form.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// The body, or the form's default where there is none.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<S: Sync, T: Form> FromRequest<S> for Body<T> {
    type Rejection = FormRefused;

    async fn from_request(request: Request, _: &S) -> Result<Self, FormRefused> {
        let (head, body) = request.into_parts();
        let is_json = is_json(&head.headers);
        let bytes = read_body(&head.headers, body).await?;
        if !is_json {
            return Err(unsupported().into());
        }
        Ok(Self(parse(&bytes)?))
    }
}

impl<S: Sync, T: Form + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = FormRefused;

    async fn from_request(request: Request, _: &S) -> Result<Self, FormRefused> {
        let (head, body) = request.into_parts();
        let is_json = is_json(&head.headers);
        let bytes = read_body(&head.headers, body).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => Ok(Self(parse(&bytes)?)),
            (false, false) => Err(unsupported().into()),
        }
    }
}

fn unsupported() -> Problem {
    Problem::new(
        Code::UnsupportedMediaType,
        "send plain UTF-8 JSON, with content-type: application/json and without content-encoding",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = declared.split(';').map(str::trim);
    let essence = parts.next().unwrap_or("");
    // JSON is UTF-8 (RFC 8259); another promise about the bytes cannot be kept.
    let is_utf8 = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    essence.eq_ignore_ascii_case("application/json") && parts.all(is_utf8) && !is_encoded(headers)
}

/// Whether the body is compressed, or changed in another way that is undone nowhere here.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding != "identity")
}

/// Reads a body within its bounds.
pub(crate) async fn read_body(headers: &HeaderMap, body: HttpBody) -> Result<Bytes, Problem> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(0);
    match timeout(Duration::from_secs(BODY_SECONDS_MAX), collect(body, declared)).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!("the body must arrive within {BODY_SECONDS_MAX} seconds");
            Err(Problem::new(Code::RequestTimeout, detail))
        }
    }
}

async fn collect(body: HttpBody, declared: usize) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let mut read = Bytes::new();
    let mut more: Vec<u8> = Vec::new();
    let mut length = 0usize;
    let mut too_large = declared > BODY_BYTES_MAX;
    while let Some(chunk) = chunks.next().await {
        let broken = |_| Problem::new(Code::MalformedJson, "the body ended too early");
        let chunk = chunk.map_err(broken)?;
        length = length.saturating_add(chunk.len());
        too_large |= length > BODY_BYTES_MAX;
        if too_large {
            if length > DISCARDED_BYTES_MAX {
                break;
            }
        } else if length == chunk.len() {
            read = chunk; // nearly always the whole body: nothing is copied
        } else {
            if more.is_empty() {
                more.extend_from_slice(&read);
            }
            more.extend_from_slice(&chunk);
        }
    }
    if too_large {
        let detail = format!("the body may have at most {BODY_BYTES_MAX} bytes");
        return Err(Problem::new(Code::PayloadTooLarge, detail));
    }
    Ok(if more.is_empty() { read } else { more.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use std::convert::Infallible;

    fn chunks(chunks: &[&[u8]]) -> HttpBody {
        let chunks: Vec<_> = chunks.iter().map(|c| Ok::<_, Infallible>(Bytes::copy_from_slice(c))).collect();
        HttpBody::from_stream(stream::iter(chunks))
    }

    async fn read(body: HttpBody) -> Result<Bytes, Code> {
        read_body(&HeaderMap::new(), body).await.map_err(|problem| problem.code())
    }

    #[tokio::test]
    async fn a_body_is_the_same_in_one_piece_and_in_many() {
        for parts in [&[b"abcdef".as_slice()][..], &[b"ab", b"cd", b"ef"], &[b"", b"abc", b"", b"def"]] {
            assert_eq!(read(chunks(parts)).await.unwrap(), "abcdef");
        }
        assert_eq!(read(HttpBody::empty()).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_of_64_kib_is_read_and_one_byte_more_is_refused() {
        let largest = vec![b' '; BODY_BYTES_MAX];
        assert_eq!(read(chunks(&[&largest])).await.unwrap().len(), BODY_BYTES_MAX);
        assert_eq!(read(chunks(&[&largest, b" "])).await, Err(Code::PayloadTooLarge));
        let endless = stream::repeat(Ok::<_, Infallible>(Bytes::from(largest)));
        assert_eq!(read(HttpBody::from_stream(endless)).await, Err(Code::PayloadTooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_given_up() {
        let never = HttpBody::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(read(never).await, Err(Code::RequestTimeout));
    }
}
