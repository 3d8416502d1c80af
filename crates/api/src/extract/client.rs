//! Where a request comes from: the other end of its connection, unless a proxy of ours is trusted to say it.

use crate::state::ApiState;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use std::{convert::Infallible, net::IpAddr};

/// What proxies append their client's address to.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Characters of `User-Agent` that are read: browser and system stand at its beginning.
const USER_AGENT_CHARS_MAX: usize = 100;

/// The other end of the connection; [`crate::serve`] puts it into every request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who asks, by address; none: nobody knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

impl FromRequestParts<ApiState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        Ok(Self(client_address(&parts.headers, peer, api.trust_forwarded_for)))
    }
}

/// How the client describes itself, in ASCII; none: it does not.
#[derive(Clone, Debug)]
pub(crate) struct UserAgent(pub(crate) Option<String>);

impl FromRequestParts<ApiState> for UserAgent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Infallible> {
        Ok(Self(user_agent(&parts.headers)))
    }
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let sent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let begins: String =
        sent.chars().filter(|letter| !letter.is_control()).take(USER_AGENT_CHARS_MAX).collect();
    let begins = begins.trim();
    (!begins.is_empty()).then(|| begins.to_owned())
}

/// The client's address: what a trusted proxy says, else the other end of the connection.
pub(crate) fn client_address(
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    trust_forwarded_for: bool,
) -> Option<IpAddr> {
    if !trust_forwarded_for {
        return peer;
    }
    // The last address is the one that our own proxy has seen; those before it anybody can make up.
    let last = headers.get_all(FORWARDED_FOR).iter().next_back();
    let forwarded = last.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    forwarded.or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_client_describes_itself_in_a_bounded_line_of_ascii() {
        let read = |value: &[u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            user_agent(&HeaderMap::from_iter([(header::USER_AGENT, value)]))
        };
        assert_eq!(user_agent(&HeaderMap::new()), None);
        assert_eq!(read(b" curl/8.5\tx ").as_deref(), Some("curl/8.5x"));
        assert_eq!(read(b"  "), None);
        assert_eq!(read("Käfer".as_bytes()), None);
        assert_eq!(read(&[b'a'; 500]).unwrap().len(), USER_AGENT_CHARS_MAX);
    }
}
