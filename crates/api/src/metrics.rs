//! Counts and times requests by route.
//!
//! The handles are made once, for every operation of the OpenAPI document; a request finds its own by
//! its matched path. So a label is never made from what a client sends, and nothing is allocated.

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use rustc_hash::FxHashMap;
use std::{sync::Arc, time::Duration};
use utoipa::openapi::{OpenApi, PathItem};

/// Requests by method, route and class of status.
pub const REQUESTS_TOTAL: &str = "holdfast_http_requests_total";
/// Seconds from the head of a request to the head of its answer, by method and route.
pub const REQUEST_SECONDS: &str = "holdfast_http_request_duration_seconds";
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
    fn new(method: &'static str, route: &str) -> Arc<Self> {
        let requests = |class| counter!(REQUESTS_TOTAL, "method" => method, "route" => route.to_owned(), "status" => class);
        let seconds = histogram!(REQUEST_SECONDS, "method" => method, "route" => route.to_owned());
        Arc::new(Self { classes: CLASSES.map(requests), seconds })
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

/// The handles of all operations.
pub(crate) struct HttpMetrics {
    by_path: FxHashMap<String, Vec<(Method, Arc<RouteMetrics>)>>,
    other: Arc<RouteMetrics>,
}

impl HttpMetrics {
    /// Makes the handles, with the recorder that is installed now.
    pub(crate) fn new(document: &OpenApi) -> Self {
        describe_counter!(REQUESTS_TOTAL, "Requests by method, route and class of status.");
        describe_histogram!(REQUEST_SECONDS, "Seconds from the head of a request to the head of its answer.");
        let by_path = document.paths.paths.iter().map(|(path, item)| (path.clone(), operations(path, item)));
        Self { by_path: by_path.collect(), other: RouteMetrics::new("other", "other") }
    }

    /// The handles of one operation; those of "other" for what is in no document.
    pub(crate) fn of(&self, method: &Method, path: Option<&str>) -> Arc<RouteMetrics> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let operations = path.and_then(|path| self.by_path.get(path)).map_or(&[][..], Vec::as_slice);
        let found = operations.iter().find(|(method, _)| method == wanted);
        found.map_or(&self.other, |(_, metrics)| metrics).clone()
    }
}

fn operations(path: &str, item: &PathItem) -> Vec<(Method, Arc<RouteMetrics>)> {
    let get = item.get.as_ref().map(|_| (Method::GET, RouteMetrics::new("GET", path)));
    let post = item.post.as_ref().map(|_| (Method::POST, RouteMetrics::new("POST", path)));
    let delete = item.delete.as_ref().map(|_| (Method::DELETE, RouteMetrics::new("DELETE", path)));
    let put = item.put.as_ref().map(|_| (Method::PUT, RouteMetrics::new("PUT", path)));
    let patch = item.patch.as_ref().map(|_| (Method::PATCH, RouteMetrics::new("PATCH", path)));
    [get, post, delete, put, patch].into_iter().flatten().collect()
}
