//! Around every request: its id, its limits, its metrics, its panics, and the headers that every answer has.
//!
//! One hand-written future and no box: it is on the path of every booking.

use crate::{
    auth::{KeyInUse, SentKey},
    extract::{REQUEST_ID, id_or_new, token},
    limits::{Limits, Standing},
    operations::{Operation, Operations},
    problem::Problem,
    routes::Rule,
    security_log::{Asker, SecurityLog},
};
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use holdfast_ambient::Ambient;
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::error;

/// Wraps a router.
#[derive(Clone)]
pub(crate) struct EnvelopeLayer {
    pub(crate) ambient: Arc<dyn Ambient>,
    pub(crate) operations: Arc<Operations>,
    /// None: nothing is limited.
    pub(crate) limits: Option<Arc<Limits>>,
    /// None: nothing is written into the security log.
    pub(crate) security: Option<Arc<SecurityLog>>,
}

impl<S> Layer<S> for EnvelopeLayer {
    type Service = Envelope<S>;

    fn layer(&self, inner: S) -> Envelope<S> {
        Envelope { inner, shared: self.clone() }
    }
}

/// See [`EnvelopeLayer`].
#[derive(Clone)]
pub(crate) struct Envelope<S> {
    inner: S,
    shared: EnvelopeLayer,
}

impl<S> Service<Request> for Envelope<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = EnvelopeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let started = Instant::now();
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let operation = self.shared.operations.of(request.method(), path);
        let request_id = id_or_new(request.headers(), &REQUEST_ID, is_of_a_word, &*self.shared.ambient);
        request.headers_mut().insert(REQUEST_ID, request_id.clone());
        if let Some(key) = token(request.headers()).and_then(SentKey::read) {
            request.extensions_mut().insert(KeyInUse { key, access: operation.access });
        }
        let security = self.shared.security.clone();
        let asker =
            security.as_ref().map(|security| security.asker(&operation, &request)).unwrap_or_default();
        let (refusal, standing) = self.shared.refusal(&operation, &asker, &mut request);
        let answering = match refusal {
            None => Answering::Passed { inner: self.inner.call(request) },
            refusal => Answering::Refused { refusal },
        };
        EnvelopeFuture {
            answering,
            started,
            operation,
            standing,
            security,
            asker,
            request_id: Some(request_id),
        }
    }
}

impl EnvelopeLayer {
    /// The answer to a request that is beyond its limits, and how each request stands with them.
    fn refusal(
        &self,
        operation: &Operation,
        asker: &Asker,
        request: &mut Request,
    ) -> (Option<Response>, Standing) {
        let (Some(limits), Some(Rule { class, contract })) = (&self.limits, operation.rule) else {
            return (None, Standing::default());
        };
        match limits.admit(class, request) {
            Ok(standing) => (None, standing),
            Err(refused) => {
                if let Some(security) = &self.security {
                    security.limit_refused(operation, class, asker);
                }
                let refusal = contract.refusal(&refused, request.headers(), &*self.ambient);
                (Some(refusal), refused.standing)
            }
        }
    }
}

pin_project! {
    /// One request under way.
    pub(crate) struct EnvelopeFuture<F> {
        #[pin]
        answering: Answering<F>,
        started: Instant,
        operation: Arc<Operation>,
        standing: Standing,
        security: Option<Arc<SecurityLog>>,
        asker: Asker,
        request_id: Option<HeaderValue>,
    }
}

pin_project! {
    /// Where its answer comes from.
    #[project = AnsweringProjection]
    enum Answering<F> {
        Passed { #[pin] inner: F },
        /// From its limits. None: it was taken.
        Refused { refusal: Option<Response> },
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answering<F> {
    type Output = Response;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        match self.project() {
            AnsweringProjection::Passed { inner } => match ready!(inner.poll(cx)) {
                Ok(response) => Poll::Ready(response),
                Err(never) => match never {},
            },
            AnsweringProjection::Refused { refusal } => refusal.take().map_or(Poll::Pending, Poll::Ready),
        }
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for EnvelopeFuture<F> {
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match catch_unwind(AssertUnwindSafe(|| this.answering.poll(cx))) {
            Ok(answer) => ready!(answer),
            Err(_) => {
                error!(request_id = ?this.request_id, "a handler panicked");
                Problem::internal().into_response()
            }
        };
        this.operation.metrics.answered(response.status(), this.started.elapsed());
        if let Some(security) = this.security {
            security.answered(this.operation, this.asker, &response);
        }
        std::mem::take(this.standing).tell(&mut response);
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Some(id) = this.request_id.take() {
            headers.insert(REQUEST_ID, id);
        }
        Poll::Ready(Ok(response))
    }
}

/// One word: it stands in logs, between other words.
fn is_of_a_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Declared;
    use axum::{Router, body::Body, http::Method, routing::get};
    use holdfast_ambient::Machine;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::ServiceExt;
    use uuid::Uuid;

    fn enveloped(router: Router) -> Router {
        let declared = [Declared { path: "/things/{id}".to_owned(), method: Method::GET, rule: None }];
        let operations = Arc::new(Operations::new(&declared));
        router.layer(EnvelopeLayer { ambient: Arc::new(Machine), operations, limits: None, security: None })
    }

    async fn send(router: &Router, path: &str, id: Option<&str>) -> Response {
        let request = Request::builder().uri(path);
        let request = id.into_iter().fold(request, |request, id| request.header(REQUEST_ID, id));
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_sane_request_id_comes_back_and_any_other_is_replaced() {
        let router = enveloped(Router::new().route("/things/{id}", get(async || "ok")));
        let id = async |sent: Option<&str>| {
            let response = send(&router, "/things/1", sent).await;
            response.headers()[REQUEST_ID].to_str().unwrap().to_owned()
        };
        assert_eq!(id(Some("web-7:a/b")).await, "web-7:a/b");
        let long = "x".repeat(129);
        for sent in [None, Some(""), Some("a b"), Some("a\"b"), Some(long.as_str())] {
            assert!(Uuid::try_parse(&id(sent).await).is_ok(), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_tells_nothing() {
        async fn panics() {
            panic!("secret");
        }
        let router = enveloped(Router::new().route("/things/{id}", get(panics)));
        let response = send(&router, "/things/1", None).await;
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn requests_are_counted_by_route_and_never_by_what_a_client_sends() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let router = metrics::with_local_recorder(&recorder, || {
            enveloped(Router::new().route("/things/{id}", get(async || "ok")))
        });
        for path in ["/things/1", "/things/2", "/made-up"] {
            send(&router, path, None).await;
        }
        let text = handle.render();
        let two = r#"holdfast_http_requests_total{method="GET",route="/things/{id}",status="2xx"} 2"#;
        let other = r#"holdfast_http_requests_total{method="other",route="other",status="4xx"} 1"#;
        assert!(text.contains(two) && text.contains(other) && !text.contains("made-up"), "{text}");
    }

    #[tokio::test]
    async fn every_answer_forbids_sniffing_and_storing() {
        let response = send(&enveloped(Router::new()), "/made-up", None).await;
        assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    }
}
