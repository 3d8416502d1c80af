//! Counts and times requests by route.
//!
//! The handles are made once, for every operation (`operations`); a request finds its own by its matched path. So a label is
//! never made from what a client sends, and nothing is allocated.

use crate::limits::Class;
use axum::http::StatusCode;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use std::time::Duration;

/// Requests by method, route and class of status.
pub const REQUESTS_TOTAL: &str = "holdfast_http_requests_total";
/// Seconds from the head of a request to the head of its answer, by method and route.
pub const REQUEST_SECONDS: &str = "holdfast_http_request_duration_seconds";
/// Requests that a limit has refused, by class and by whose limit it was: `account` or `address`.
pub const RATE_LIMITED_TOTAL: &str = "holdfast_http_rate_limited_total";
/// Buckets of [`REQUEST_SECONDS`]: fine around the few milliseconds a commit takes.
pub const REQUEST_SECONDS_BUCKETS: &[f64] =
    &[0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What is counted for one operation.
pub(crate) struct RouteMetrics {
    classes: [Counter; 5],
    seconds: Histogram,
}

impl RouteMetrics {
    /// Makes the handles, with the recorder that is installed now.
    pub(crate) fn new(method: &str, route: &str) -> Self {
        let requests = |class| counter!(REQUESTS_TOTAL, "method" => method.to_owned(), "route" => route.to_owned(), "status" => class);
        let seconds = histogram!(REQUEST_SECONDS, "method" => method.to_owned(), "route" => route.to_owned());
        Self { classes: CLASSES.map(requests), seconds }
    }

    /// Notes one answered request.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(requests) = self.classes.get(class) {
            requests.increment(1);
        }
        self.seconds.record(took);
    }
}

/// Says what the handles of routes count; with the recorder that is installed now.
pub(crate) fn describe_routes() {
    describe_counter!(REQUESTS_TOTAL, "Requests by method, route and class of status.");
    describe_histogram!(REQUEST_SECONDS, "Seconds from the head of a request to the head of its answer.");
}

/// The same of refused requests.
pub(crate) fn describe_rate_limited() {
    describe_counter!(
        RATE_LIMITED_TOTAL,
        "Requests that a limit has refused, by class and by whose limit it was."
    );
}

/// Counts requests of `class` that the limit of `by`, `account` or `address`, has refused.
pub(crate) fn rate_limited(class: Class, by: &'static str) -> Counter {
    counter!(RATE_LIMITED_TOTAL, "class" => class.as_str(), "by" => by)
}
