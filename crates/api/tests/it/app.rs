//! The whole HTTP side on a database of its own, and words to talk to it.
//!
//! Every answer that passes through here is held against the OpenAPI document: a status or a problem
//! code that the document does not name for the operation fails the test that received it.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use chrono::{DateTime, Utc};
use holdfast_ambient::{Ambient, Machine, StoppedClock};
use holdfast_api::{
    ApiConfig, ApiParts, ApiState, Pools, RateLimits, ReadModels, TokenSecrets, ops_router, router, users,
};
use holdfast_availability::Availability;
use holdfast_booking_history::BookingHistory;
use holdfast_notifier::{Notices, WebhookKey};
use holdfast_projector::{Flow, LogSource, Positions, Projection, Projector, TOPIC};
use holdfast_testkit::{Proxy, TestDatabase, database};
use holdfast_writer::{Writer, WriterConfig};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{sync::Arc, time::Duration};
use tower::ServiceExt;
use users::Role;

/// Largest answer a test reads.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Patience of the tests: a slow machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How soon a test's server notices that a role has changed.
const ROLE_TTL: Duration = Duration::from_millis(20);
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct App {
    db: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) clock: StoppedClock,
    pub(crate) router: Router,
    /// What operators reach on an address of its own.
    ops: Router,
    read_models: ReadModels,
    document: Value,
}

/// Somebody with an account and a token.
#[derive(Clone, Debug)]
pub(crate) struct Someone {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body, if the status is this.
    pub(crate) fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// The wrong fields of a 422, or of nothing.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().map_or(&[][..], Vec::as_slice);
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
    }
}

/// A request that is being written.
pub(crate) struct Ask<'a> {
    app: &'a App,
    router: &'a Router,
    request: axum::http::request::Builder,
    body: Body,
}

impl Ask<'_> {
    pub(crate) fn by(self, who: &Someone) -> Self {
        self.header("authorization", &format!("Bearer {}", who.token))
    }

    /// From this address, where the configuration says that a proxy tells it.
    pub(crate) fn from(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value), ..self }
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub(crate) fn raw(self, content_type: &str, body: impl Into<Body>) -> Self {
        Self { body: body.into(), ..self.header("content-type", content_type) }
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.body(self.body).unwrap();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status: head.status, headers: head.headers, text, body };
        self.app.assert_documented(&method, &path, &answer);
        answer
    }
}

impl App {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut ApiConfig)) -> Self {
        let db = database().await;
        let (pool, connect) = (db.pool(), db.connect_options());
        Self::on(db, pool, connect, PATIENCE, configure).await
    }

    /// With a proxy before Postgres that can lose it, and as little patience as a real server has.
    pub(crate) async fn behind_proxy() -> (Self, Proxy) {
        Self::behind_proxy_with(|_| {}).await
    }

    pub(crate) async fn behind_proxy_with(configure: impl FnOnce(&mut ApiConfig)) -> (Self, Proxy) {
        Self::behind(Duration::from_secs(1), configure).await
    }

    /// With a proxy before Postgres that sees each statement, and the patience of tests.
    pub(crate) async fn counted() -> (Self, Proxy) {
        Self::behind(PATIENCE, |_| {}).await
    }

    async fn behind(answer_within: Duration, configure: impl FnOnce(&mut ApiConfig)) -> (Self, Proxy) {
        let db = database().await;
        let proxy = db.proxy();
        let connect = proxy.connect_options();
        let pool = PgPoolOptions::new().max_connections(4).connect_with(connect.clone()).await.unwrap();
        (
            Self::on(db, pool, connect, answer_within, |config| {
                config.compat = true;
                config.role_ttl = PATIENCE;
                configure(config);
            })
            .await,
            proxy,
        )
    }

    async fn on(
        db: TestDatabase,
        pool: PgPool,
        connect: PgConnectOptions,
        answer_within: Duration,
        configure: impl FnOnce(&mut ApiConfig),
    ) -> Self {
        holdfast_event_log::initialize(&mut db.pool().acquire().await.unwrap(), Some(4)).await.unwrap();
        let clock = StoppedClock::at(noon());
        let ambient: Arc<dyn Ambient> = Arc::new(clock.clone());
        let writing = WriterConfig {
            answer_within,
            force: true,
            ..WriterConfig::new(Machine.new_id(), "127.0.0.1:1".to_owned())
        };
        let writer = Writer::start(pool.clone(), connect.clone(), ambient.clone(), writing).await.unwrap();
        let read_models = ReadModels {
            availability: Positions::of::<Availability>(&pool),
            booking_history: Positions::of::<BookingHistory>(&pool),
        };
        let mut config = ApiConfig::new(TokenSecrets::read(&"7".repeat(32)).unwrap(), webhook_key());
        config.role_ttl = ROLE_TTL;
        config.hashes_at_once = 2;
        // The clock stands still: no quota is earned back. `limits.rs` has them.
        config.rate_limits = RateLimits::OFF;
        configure(&mut config);
        let pools = Pools::new(&connect);
        let recorder = PrometheusBuilder::new().build_recorder();
        let state = ApiState::new(ApiParts {
            flow: Flow::new(&pools.readiness, [TOPIC, Availability::NAME, BookingHistory::NAME, "notifier"]),
            pools,
            searches_on: tokio::runtime::Handle::current(),
            writer,
            ambient,
            read_models: read_models.clone(),
            projectors: vec![],
            prometheus: recorder.handle(),
            config,
        });
        let ops = ops_router(state.clone());
        let router = metrics::with_local_recorder(&recorder, || router(state));
        let mut app = Self { db, pool, clock, router, ops, read_models, document: Value::Null };
        app.document = app.get("/openapi.json").send().await.ok(200);
        app
    }

    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    pub(crate) fn get(&self, path: &str) -> Ask<'_> {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Ask<'_> {
        self.ask(Method::POST, path)
    }

    pub(crate) fn put(&self, path: &str) -> Ask<'_> {
        self.ask(Method::PUT, path)
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let request = Request::builder().method(method).uri(path);
        Ask { app: self, router: &self.router, request, body: Body::empty() }
    }

    /// What an operator asks, on the address for operators.
    pub(crate) fn operator(&self, path: &str) -> Ask<'_> {
        Ask { router: &self.ops, ..self.get(path) }
    }

    /// Somebody with an account of that role.
    pub(crate) async fn someone(&self, name: &str, role: Role) -> Someone {
        let email = format!("{name}@example.com");
        users::create(&self.pool, &Machine, &email, PASSWORD, role).await.unwrap();
        self.signed_in(&email).await
    }

    pub(crate) async fn signed_in(&self, email: &str) -> Someone {
        let credentials = json!({"email": email, "password": PASSWORD});
        let session = self.post("/v1/sessions").json(&credentials).send().await.ok(201);
        let text = |field: &str| session[field].as_str().unwrap().to_owned();
        Someone { id: text("user_id"), token: text("token") }
    }

    pub(crate) async fn customer(&self, name: &str) -> Someone {
        self.someone(name, Role::Customer).await
    }

    pub(crate) async fn admin(&self) -> Someone {
        self.someone("admin", Role::Admin).await
    }

    /// Makes a city of a name of its own, and returns its id.
    pub(crate) async fn city(&self, admin: &Someone) -> String {
        let name = format!("City {}", Machine.new_id());
        self.made(admin, "/v1/cities", &json!({"name": name})).await
    }

    /// Makes an airport with a code of its own, and returns its id.
    pub(crate) async fn airport(&self, admin: &Someone, city: &str, zone: &str) -> String {
        let taken: i64 =
            sqlx::query_scalar("SELECT count(*) FROM airports").fetch_one(&self.pool).await.unwrap();
        let letter = |n: i64| char::from(b'A' + u8::try_from(n % 26).unwrap());
        let code: String = [letter(taken / 676), letter(taken / 26), letter(taken)].into_iter().collect();
        let body = json!({"code": code, "name": format!("Airport {code}"), "city_id": city, "zone": zone});
        self.made(admin, "/v1/airports", &body).await
    }

    /// Makes an airplane, and returns its id.
    pub(crate) async fn airplane(&self, admin: &Someone, capacity: u32) -> String {
        self.made(admin, "/v1/airplanes", &json!({"model": "A320neo", "capacity": capacity})).await
    }

    /// Makes something with a key of its own, and returns its id.
    pub(crate) async fn made(&self, admin: &Someone, path: &str, body: &Value) -> String {
        let key = Machine.new_id().to_string();
        let made = self.post(path).by(admin).key(&key).json(body).send().await.ok(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Opens a show and returns its id.
    pub(crate) async fn show(&self, admin: &Someone, capacity: u32, hold_seconds: u32) -> String {
        let key = Machine.new_id().to_string();
        let show = show(capacity, hold_seconds);
        let show = self.post("/v1/shows").by(admin).key(&key).json(&show).send().await.ok(201);
        show["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn reserve(&self, who: &Someone, show: &str, quantity: u32, key: &str) -> Ask<'_> {
        self.post("/v1/bookings").by(who).key(key).json(&json!({"inventory_id": show, "quantity": quantity}))
    }

    /// A booking of `who`.
    pub(crate) async fn booking(&self, who: &Someone, show: &str, quantity: u32) -> Value {
        let key = Machine.new_id().to_string();
        self.reserve(who, show, quantity, &key).send().await.ok(201)
    }

    /// Brings both read models up to date.
    pub(crate) async fn project(&self) {
        project::<Availability>(&self.pool, &self.read_models.availability).await;
        project::<BookingHistory>(&self.pool, &self.read_models.booking_history).await;
    }

    /// Queues what endpoints are owed.
    pub(crate) async fn notify(&self) {
        project::<Notices>(&self.pool, &Positions::of::<Notices>(&self.pool)).await;
    }

    /// Asks for a reminder, with these fields instead of the usual ones, and returns its id.
    pub(crate) async fn reminder(&self, who: &Someone, with: Value) -> String {
        let mut body =
            json!({"subject": "Check in", "content": "It is open.", "remind_at": "2030-06-01T07:30:00Z"});
        body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        self.made(who, "/v1/reminders", &body).await
    }

    /// Registers a webhook endpoint for bookings that are sold, and returns its answer.
    pub(crate) async fn webhook_endpoint(&self, admin: &Someone) -> Value {
        let body = json!({"url": "https://example.com/hooks", "event_types": ["booking.confirmed.v1"]});
        let key = Machine.new_id().to_string();
        self.post("/v1/webhook-endpoints").by(admin).key(&key).json(&body).send().await.ok(201)
    }

    pub(crate) async fn events(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&self.db.pool()).await.unwrap()
    }

    /// The operation of the document that `path` leads to.
    pub(crate) fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let wanted: Vec<_> = path.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<_> = template.split('/').collect();
            parts.len() == wanted.len()
                && parts.iter().zip(&wanted).all(|(p, w)| p == w || p.starts_with('{'))
        };
        let mut paths: Vec<_> =
            self.document["paths"].as_object()?.iter().filter(|(path, _)| fits(path)).collect();
        paths.sort_by_key(|(path, _)| path.contains('{')); // what is spelled out comes first
        paths.first()?.1.get(method.as_str().to_lowercase())
    }

    fn assert_documented(&self, method: &Method, path: &str, answer: &Answer) {
        let Some(operation) = self.operation(method, path) else { return };
        let responses = &operation["responses"];
        let class = format!("{}XX", answer.status.as_u16() / 100);
        let exact = &responses[answer.status.as_str()];
        let response = if exact.is_object() { exact } else { &responses[class] };
        let response = response["$ref"]
            .as_str()
            .map_or(response, |reference| self.document.pointer(reference.trim_start_matches('#')).unwrap());
        assert!(
            response.is_object(),
            "{method} {path} answers {} undocumented: {}",
            answer.status,
            answer.text
        );
        if answer.header("content-type") == "application/problem+json" {
            let examples = &response["content"]["application/problem+json"]["examples"];
            assert!(examples[answer.code()].is_object(), "{method} {path} does not document {}", answer.text);
        }
        for name in ["RateLimit", "RateLimit-Policy", "Retry-After"] {
            let is_limited = !answer.header("ratelimit").is_empty()
                && (answer.status.is_success() || answer.status == 429);
            let declared = response["headers"][name].is_object();
            assert!(
                !is_limited || answer.header(name).is_empty() || declared,
                "{method} {path} sends {name} undeclared"
            );
        }
        if path.starts_with("/v1/") && answer.status.is_success() {
            for name in ["Location", "ETag", "Consistency-Token", "Idempotency-Replayed"] {
                let (declared, sent) =
                    (response["headers"][name].is_object(), !answer.header(name).is_empty());
                // What was done for the first time is no repetition.
                let may_be_left_out = declared && name == "Idempotency-Replayed";
                assert!(
                    sent == declared || may_be_left_out,
                    "{method} {path}: {name} is declared: {declared}, sent: {sent}"
                );
            }
        }
    }
}

async fn project<P: Projection>(pool: &PgPool, positions: &Positions) {
    let mut projector = Projector::<P, _>::new(pool, LogSource::new(pool), positions.clone());
    while projector.run_once().await.unwrap().more {}
}

/// What a test's server computes webhook secrets from.
pub(crate) fn webhook_key() -> WebhookKey {
    WebhookKey::new([9; 32]).unwrap()
}

/// What o'clock it is when a test begins.
pub(crate) fn noon() -> DateTime<Utc> {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

/// A body that opens a show.
pub(crate) fn show(capacity: u32, hold_seconds: u32) -> Value {
    json!({
        "name": "The Tempest", "starts_at": "2027-06-01T19:30:00Z", "zone": "Europe/London", "capacity": capacity,
        "price": {"amount": 4950, "currency": "GBP"}, "policy": {"hold_seconds": hold_seconds}
    })
}
