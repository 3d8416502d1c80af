//! Writes that need no token: which requests may make one.
//!
//! Airbourne's and booking_monitor's clients run on this machine or in a closed network, and send no proof of who they are. So a
//! request that shows that it comes from elsewhere is refused: it passed a proxy, or a page in a browser sent it that this
//! server did not serve (cross-site requests, and DNS rebinding, where the page's name leads to our address).
//! What a request does not show cannot be seen here; that is why these routes are off unless they are asked for.
//!
//! Nothing is allocated for a client that is no browser: this is on the path of the flash sale.

use axum::http::{
    HeaderMap, header,
    request::Parts,
    uri::{Authority, Uri},
};
use std::net::IpAddr;

const PROXIED: &str =
    "this route needs no token and takes no request that passed a proxy (X-Forwarded-*, Forwarded, Via)";
const FOREIGN: &str = "this route needs no token and takes no request that a page of another site sent (Origin, Sec-Fetch-Site)";
const NAMED_OTHERWISE: &str = "this route needs no token and takes no request of a browser that names another host than this server (Host)";
/// What browsers' own name begins with.
const BROWSER: &[u8] = b"Mozilla/";

/// Why this request may not write without a token; none if it may. `hosts` are this server's names and addresses besides
/// those of loopback.
pub(crate) fn refusal(head: &Parts, hosts: &[String]) -> Option<&'static str> {
    let headers = &head.headers;
    if passed_a_proxy(headers) {
        return Some(PROXIED);
    }
    if !is_of_a_browser(headers) {
        return None;
    }
    let foreign_site =
        headers.get_all("sec-fetch-site").iter().any(|site| site != "same-origin" && site != "none");
    let host = host(&head.uri, headers);
    let foreign_origin = |origin: &[u8]| host.is_none_or(|host| !is_origin_of(origin, host));
    if foreign_site || headers.get_all(header::ORIGIN).iter().any(|origin| foreign_origin(origin.as_bytes()))
    {
        return Some(FOREIGN);
    }
    let is_ours = host.is_some_and(|host| is_ours(host, hosts));
    (!is_ours).then_some(NAMED_OTHERWISE)
}

/// Whether a request shows that it passed a proxy.
pub(crate) fn passed_a_proxy(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| is_of_a_proxy(name.as_str()))
}

fn is_of_a_proxy(name: &str) -> bool {
    name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "via" | "x-real-ip")
}

fn is_of_a_browser(headers: &HeaderMap) -> bool {
    let is_browsers = |name: &str| name.starts_with("sec-") || matches!(name, "origin" | "referer");
    let agent = headers.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(BROWSER));
    agent || headers.keys().any(|name| is_browsers(name.as_str()))
}

/// What the client calls this server, with its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let named = || headers.get(header::HOST)?.to_str().ok();
    uri.authority().map(Authority::as_str).or_else(named)
}

/// `null`, and a page that is served under another name or port, are of nobody here.
fn is_origin_of(origin: &[u8], host: &str) -> bool {
    let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
}

fn is_ours(host: &str, hosts: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
        || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name.trim_matches(['[', ']'])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn of(headers: &[(&str, &str)]) -> Option<&'static str> {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        refusal(
            &request.body(()).unwrap().into_parts().0,
            &["10.0.0.7".to_owned(), "Tickets.example".to_owned()],
        )
    }

    #[test]
    fn a_load_generator_passes_whatever_it_calls_the_server() {
        assert_eq!(of(&[]), None);
        assert_eq!(
            of(&[("host", "flights-service:3002"), ("user-agent", "k6/1.1.0 (https://k6.io/)")]),
            None
        );
    }

    #[test]
    fn a_request_that_passed_a_proxy_is_refused() {
        for name in
            ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-anything", "forwarded", "via", "x-real-ip"]
        {
            assert_eq!(of(&[("host", "127.0.0.1:8080"), (name, "")]), Some(PROXIED), "{name}");
        }
    }

    #[test]
    fn a_page_of_another_site_is_refused_and_one_of_ours_is_not() {
        let ours = [
            ("host", "localhost:8080"),
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://localhost:8080"),
        ];
        assert_eq!(of(&ours), None);
        for foreign in ["https://evil.example", "http://localhost:3000", "null", ""] {
            assert_eq!(of(&[("host", "localhost:8080"), ("origin", foreign)]), Some(FOREIGN), "{foreign}");
        }
        for site in ["cross-site", "same-site", "of another kind"] {
            assert_eq!(of(&[("host", "localhost:8080"), ("sec-fetch-site", site)]), Some(FOREIGN), "{site}");
        }
    }

    /// DNS rebinding: the page's own name leads to our address, so its requests are of the same origin.
    #[test]
    fn a_browser_must_name_this_server() {
        let agent = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)");
        for ours in [
            "127.0.0.1:8080",
            "localhost",
            "[::1]:8080",
            "127.8.9.1",
            "10.0.0.7:80",
            "tickets.example",
            "TICKETS.example:1",
        ] {
            assert_eq!(of(&[("host", ours), agent]), None, "{ours}");
        }
        for other in ["evil.example:8080", "localhost.evil.example", "10.0.0.8", "", "a b"] {
            assert_eq!(of(&[("host", other), agent]), Some(NAMED_OTHERWISE), "{other}");
        }
        assert_eq!(of(&[agent]), Some(NAMED_OTHERWISE));
        let rebound =
            [("host", "evil.example"), ("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")];
        assert_eq!(of(&rebound), Some(NAMED_OTHERWISE));
    }
}
