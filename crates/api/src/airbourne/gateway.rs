//! Airbourne's gateway, before any route is looked for: its prefixes, its check of the token, its limit, its letters' case.
//!
//! Clients reach every service through a prefix (`/bookingservice/api/v1/bookings`), or by itself on a port of its own
//! (`/api/v1/bookings`). Here both are the same route: the prefix is taken off. Behind all prefixes but `/auth` nothing is
//! looked at without a good token. Its router did not care about the case of letters or a slash at the end, and neither do the
//! paths below `/api/`; booking_monitor's `/book/` is `/book`.
//!
//! Requests of the native API pass by: for them this compares a few bytes of the path.

use super::{TOO_MANY_REQUESTS, answer};
use crate::{
    extract::{ClientAddress, Nobody, authenticate},
    state::ApiState,
};
use axum::{
    Router,
    extract::{FromRequestParts as _, Request},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts, uri::PathAndQuery},
    response::Response,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::{BoxFuture, Either};
use moka::sync::Cache;
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};
use tower::Service;

/// Requests of one address in a window: as many as its gateway let pass.
const REQUESTS_PER_WINDOW_MAX: u64 = 1_000_000;
/// How long a window lasts.
const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Addresses whose requests are counted: some 10 MB at most. One that is forgotten begins a new window.
const ADDRESSES_MAX: u64 = 100_000;

/// A prefix, and whether what is behind it wants a token.
const PREFIXES: [(&str, bool); 4] =
    [("/auth/", false), ("/flights/", true), ("/bookingservice/", true), ("/reminder/", true)];
/// The gateway's own routes, which are limited like those behind it: as they are asked for, and where they are.
const OWN: [(&str, &str); 3] =
    [("/health", "/health"), ("/api-docs/", "/api-docs/"), ("/api-docs", "/api-docs/")];
/// The page of all routes, whose path ends so.
const API_DOCS: &str = "/api-docs/";
/// booking_monitor's old path, as some clients write it.
const BOOK_WITH_SLASH: &str = "/book/";
/// Below it, the case of letters and a slash at the end do not matter.
const SERVICES: &str = "/api/";

/// Stands before a router.
#[derive(Clone)]
pub(crate) struct Gateway {
    inner: Router,
    shared: Arc<Shared>,
}

struct Shared {
    api: ApiState,
    windows: Cache<IpAddr, Arc<Window>>,
}

/// What one address has asked within a minute.
struct Window {
    requests: AtomicU64,
    ends_at: DateTime<Utc>,
}

impl Window {
    /// Counts a request. How many are left after it; none if none was.
    fn left(&self) -> Option<u64> {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        REQUESTS_PER_WINDOW_MAX.checked_sub(before + 1)
    }
}

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// To a route of ours, as it is.
    Direct,
    /// To a service by itself, under this path.
    Service(String),
    /// Through the gateway, to this path behind it.
    Through { path: String, wants_token: bool },
}

impl Gateway {
    pub(crate) fn before(inner: Router, api: ApiState) -> Router {
        let windows = Cache::builder().max_capacity(ADDRESSES_MAX).build();
        Router::new().fallback_service(Self { inner, shared: Arc::new(Shared { api, windows }) })
    }
}

impl Service<Request> for Gateway {
    type Response = Response;
    type Error = Infallible;
    type Future =
        Either<<Router as Service<Request>>::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        <Router as Service<Request>>::poll_ready(&mut self.inner, cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        match way(request.uri().path()) {
            Way::Direct => Either::Left(self.inner.call(request)),
            Way::Service(path) => {
                lead(request.uri_mut(), &path);
                Either::Left(self.inner.call(request))
            }
            Way::Through { path, wants_token } => {
                let this = self.clone();
                Either::Right(Box::pin(async move { Ok(this.pass(request, &path, wants_token).await) }))
            }
        }
    }
}

impl Gateway {
    /// A request that came by a prefix, counted, checked and led to where it belongs.
    async fn pass(mut self, request: Request, path: &str, wants_token: bool) -> Response {
        let (mut parts, body) = request.into_parts();
        let (left, ends_at) = self.shared.count(&mut parts).await;
        let mut answer = match self.shared.admit(&parts.headers, left, wants_token).await {
            Some(refusal) => refusal,
            None => {
                lead(&mut parts.uri, path);
                match self.inner.call(Request::from_parts(parts, body)).await {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                }
            }
        };
        limited(&mut answer, left.unwrap_or(0), ends_at);
        answer
    }
}

impl Shared {
    /// How many requests its address has left after this one, none if it had none left, and until when that holds.
    async fn count(&self, parts: &mut Parts) -> (Option<u64>, DateTime<Utc>) {
        let address = match ClientAddress::from_request_parts(parts, &self.api).await {
            Ok(ClientAddress(address)) => address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            Err(never) => match never {},
        };
        let now = self.api.ambient.now();
        let window = self.windows.get(&address).filter(|window| now < window.ends_at).unwrap_or_else(|| {
            let window = Arc::new(Window { requests: AtomicU64::new(0), ends_at: now + WINDOW });
            self.windows.insert(address, window.clone());
            window
        });
        (window.left(), window.ends_at)
    }

    /// Why a request may not pass; none if it may.
    async fn admit(&self, headers: &HeaderMap, left: Option<u64>, wants_token: bool) -> Option<Response> {
        if left.is_none() {
            return Some(refuse(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_REQUESTS));
        }
        if !wants_token {
            return None;
        }
        match authenticate(headers, &self.api).await {
            Ok(_) => None,
            Err(Nobody::NoToken) => Some(refuse(StatusCode::UNAUTHORIZED, "No token provided")),
            Err(Nobody::Token(_)) => Some(refuse(StatusCode::UNAUTHORIZED, "Authorization error")),
            // Airbourne said 401 to this, too, and its clients signed in again for nothing.
            Err(Nobody::Problem(_)) => Some(refuse(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable")),
        }
    }
}

/// An answer that no route made: what every other answer says of itself, it says here.
fn refuse(status: StatusCode, text: &str) -> Response {
    let mut refusal = answer::message(status, text);
    let headers = refusal.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    refusal
}

fn limited(answer: &mut Response, left: u64, ends_at: DateTime<Utc>) {
    let seconds = ends_at.timestamp() + i64::from(ends_at.timestamp_subsec_nanos() > 0);
    let headers = answer.headers_mut();
    headers.insert("x-ratelimit-limit", REQUESTS_PER_WINDOW_MAX.into());
    headers.insert("x-ratelimit-remaining", left.into());
    headers.insert("x-ratelimit-reset", seconds.into());
}

fn way(path: &str) -> Way {
    let starts =
        |prefix: &str| path.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if let Some((_, own)) = OWN.iter().find(|(asked, _)| path.eq_ignore_ascii_case(asked)) {
        return Way::Through { path: (*own).to_owned(), wants_token: false };
    }
    for (prefix, wants_token) in PREFIXES {
        if starts(prefix) {
            // The last slash of the prefix begins the path behind it.
            let path = path.get(prefix.len() - 1..).unwrap_or_default();
            return Way::Through { path: of_a_route(path), wants_token };
        }
    }
    let is_other = path.ends_with('/') || path.bytes().any(|byte| byte.is_ascii_uppercase());
    if starts(SERVICES) && is_other {
        return Way::Service(of_a_route(path));
    }
    if path == BOOK_WITH_SLASH { Way::Service(of_a_route(path)) } else { Way::Direct }
}

/// The path as routes are written: small letters, no slash at the end. `/api-docs/` is a page's own path.
fn of_a_route(path: &str) -> String {
    let path = path.to_ascii_lowercase();
    match path.strip_suffix('/') {
        Some(without) if !without.is_empty() && path != API_DOCS => without.to_owned(),
        _ => path,
    }
}

/// Changes the path; the query stays.
fn lead(uri: &mut Uri, path: &str) {
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    // The end of a path is a path, and so is one in small letters: neither of these fails.
    let Ok(path) = path.parse::<PathAndQuery>() else { return };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    if let Ok(led) = Uri::from_parts(parts) {
        *uri = led;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(path: &str, wants_token: bool) -> Way {
        Way::Through { path: path.to_owned(), wants_token }
    }

    #[test]
    fn fault_30_an_address_has_its_requests_of_a_minute_and_no_more() {
        let window =
            Window { requests: AtomicU64::new(REQUESTS_PER_WINDOW_MAX - 2), ends_at: DateTime::UNIX_EPOCH };
        assert_eq!(
            [window.left(), window.left(), window.left(), window.left()],
            [Some(1), Some(0), None, None]
        );
    }

    #[test]
    fn a_prefix_is_taken_off_and_says_whether_a_token_is_wanted() {
        assert_eq!(way("/bookingservice/api/v1/bookings"), through("/api/v1/bookings", true));
        assert_eq!(way("/flights/api/v1/flights/1"), through("/api/v1/flights/1", true));
        assert_eq!(way("/Reminder/API/v1/tickets"), through("/api/v1/tickets", true));
        assert_eq!(way("/auth/api/v1/signIn"), through("/api/v1/signin", false));
        for (asked, own) in [("/health", "/health"), ("/Health", "/health"), ("/API-docs", "/api-docs/")] {
            assert_eq!(way(asked), through(own, false), "{asked}");
        }
    }

    #[test]
    fn what_is_not_airbournes_passes_by() {
        for path in [
            "/v1/bookings",
            "/v1/Bookings",
            "/health/ready",
            "/auth",
            "/flightsx/1",
            "/api/v1/bookings",
            "/",
            "/é",
        ] {
            assert_eq!(way(path), Way::Direct, "{path}");
        }
    }

    #[test]
    fn a_service_does_not_care_about_the_case_of_letters_or_a_slash_at_the_end() {
        assert_eq!(way("/api/v1/isAuthenticated"), Way::Service("/api/v1/isauthenticated".to_owned()));
        assert_eq!(way("/api/v1/flights/"), Way::Service("/api/v1/flights".to_owned()));
        assert_eq!(way("/book/"), Way::Service("/book".to_owned()));
        assert_eq!(way("/flights/api/v1/flights/1/"), through("/api/v1/flights/1", true));
        assert_eq!(way("/auth/api-docs/"), through("/api-docs/", false));
    }
}
