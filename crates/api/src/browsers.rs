//! What browsers are told, where the configuration says so: which foreign pages may ask (CORS), and to come over TLS alone (HSTS).
//!
//! Tokens travel in a header that a page has to set, and no cookie is used: without an allowed origin no foreign page can act for
//! a user, and with one it can only with a token that it has been given.

use crate::extract::REQUEST_ID;
use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, Uri, header},
    middleware::map_response,
    response::Response,
};
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may remember what a preflight was answered.
const PREFLIGHT_GOOD_FOR: Duration = Duration::from_secs(600);
/// How long a browser is to come over TLS alone: a year, as RFC 6797's examples have it.
const TLS_ALONE: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// An origin as a browser names it: scheme, host and port, such as `https://shop.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl std::str::FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MUST_BE: &str =
            "give scheme and host, and a port that is not the usual one, such as https://shop.example";
        let uri: Uri = text.parse().map_err(|_| MUST_BE)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(MUST_BE);
        };
        let usual_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(MUST_BE),
        };
        // A browser writes it in one way, and it is compared byte by byte.
        let is_so_written = text == format!("{scheme}://{authority}")
            && text == text.to_ascii_lowercase()
            && !authority.as_str().contains('@')
            && authority.port_u16() != Some(usual_port);
        if !is_so_written {
            return Err(MUST_BE);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| MUST_BE)
    }
}

/// What is told to browsers; nothing unless it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Browsers {
    /// Pages of these origins may ask this server, with the tokens that they have.
    pub origins: Vec<Origin>,
    /// A proxy speaks TLS before this server: browsers are to come over TLS alone.
    pub tls_alone: bool,
}

/// The router with these answers around it.
pub(crate) fn around(router: Router, browsers: &Browsers) -> Router {
    let router = if browsers.tls_alone { router.layer(map_response(over_tls_alone)) } else { router };
    if browsers.origins.is_empty() { router } else { router.layer(cors(&browsers.origins)) }
}

async fn over_tls_alone(mut response: Response) -> Response {
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, TLS_ALONE);
    response
}

fn cors(origins: &[Origin]) -> CorsLayer {
    let own = |name| HeaderName::from_static(name);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            own("idempotency-key"),
            own("consistency-token"),
            REQUEST_ID,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            own("consistency-token"),
            own("idempotency-replayed"),
            own("ratelimit"),
            own("ratelimit-policy"),
            REQUEST_ID,
        ])
        .max_age(PREFLIGHT_GOOD_FOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        let ok = |text: &str| text.parse::<Origin>().is_ok();
        assert!(
            ok("https://shop.example") && ok("http://127.0.0.1:3000") && ok("https://xn--bcher-kva.example")
        );
        for wrong in [
            "*",
            "null",
            "shop.example",
            "https://shop.example/",
            "https://Shop.example",
            "ftp://a.example",
            "",
        ] {
            assert!(!ok(wrong), "{wrong}");
        }
        assert!(!ok("https://shop.example:443") && !ok("https://ada@shop.example"));
    }
}
