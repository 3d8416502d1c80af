//! Where a request comes from: the other end of its connection, unless a proxy of ours is trusted to say it.

use crate::state::ApiState;
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};
use std::{convert::Infallible, net::IpAddr};

/// What proxies append their client's address to.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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
