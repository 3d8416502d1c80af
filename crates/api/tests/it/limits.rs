//! Limits of requests: who is refused, how, and who is not.

use crate::{app::App, questions::watch};
use axum::{body::Body, http::Method};
use chrono::TimeDelta;
use futures::stream;
use holdfast_api::{ApiConfig, QuotaRule, Quotas, RateLimits};
use serde_json::json;
use std::{io, time::Duration};

fn quotas(words: &[&str]) -> Quotas {
    let rules: Vec<QuotaRule> = words.iter().map(|word| word.parse().unwrap()).collect();
    Quotas::OFF.with(&rules)
}

fn by_account(words: &[&str]) -> RateLimits {
    RateLimits { by_account: quotas(words), ..RateLimits::OFF }
}

fn by_address(words: &[&str]) -> RateLimits {
    RateLimits { by_address: quotas(words), ..RateLimits::OFF }
}

#[tokio::test]
async fn an_account_beyond_its_quota_of_holds_is_told_when_and_still_reads_and_pays() {
    let app =
        App::with(|config| config.rate_limits = by_account(&["hold=2/60", "read=9/9", "pay=9/9"])).await;
    let (admin, ada, bob) = (app.admin().await, app.customer("ada").await, app.customer("bob").await);
    let show = app.show(&admin, 100, 900).await;
    let first = app.reserve(&ada, &show, 1, "one").send().await;
    assert_eq!(first.header("ratelimit"), r#""hold";r=1;t=30"#);
    assert_eq!(first.header("ratelimit-policy"), r#""hold";q=2;w=60"#);
    let booking = first.ok(201)["id"].as_str().unwrap().to_owned();
    app.reserve(&ada, &show, 1, "two").send().await.ok(201);
    let events = app.events().await;

    let refused = app.reserve(&ada, &show, 1, "three").send().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited"));
    assert_eq!(refused.body["retry_after_seconds"], 30);
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(refused.header("ratelimit"), r#""hold";r=0;t=30"#);
    assert_eq!(refused.header("ratelimit-policy"), r#""hold";q=2;w=60"#);
    assert!(!refused.header("x-request-id").is_empty());
    assert_eq!(app.events().await, events, "nothing was done");

    app.reserve(&bob, &show, 1, "of bob").send().await.ok(201);
    let path = format!("/v1/bookings/{booking}");
    app.get(&path).by(&ada).send().await.ok(200);
    app.post(&format!("{path}/confirm")).by(&ada).send().await.ok(200);

    app.clock.advance(TimeDelta::seconds(29));
    let too_early = app.reserve(&ada, &show, 1, "three").send().await;
    assert_eq!((too_early.status.as_u16(), too_early.header("retry-after")), (429, "1"));
    app.clock.advance(TimeDelta::seconds(1));
    app.reserve(&ada, &show, 1, "three").send().await.ok(201);
}

#[tokio::test]
async fn an_address_beyond_its_quota_is_refused_with_and_without_a_token_and_another_is_not() {
    let app = App::with(|config| {
        config.trust_forwarded_for = true;
        config.rate_limits = by_address(&["search=2/60"]);
    })
    .await;
    let ada = app.customer("ada").await;
    let search = |from: &'static str| app.get("/v1/flights").from(from);
    assert_eq!(search("192.0.2.1").send().await.header("ratelimit"), r#""search-address";r=1;t=30"#);
    search("192.0.2.1").by(&ada).send().await.ok(200);
    for refused in [search("192.0.2.1").send().await, search("192.0.2.1").by(&ada).send().await] {
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "30"));
    }
    search("192.0.2.2").by(&ada).send().await.ok(200);
    app.get("/v1/shows/0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11").from("192.0.2.1").send().await.ok(404);
}

/// What a refusal would cost otherwise: the look at the account, and the body of a client that takes its time.
#[tokio::test]
async fn a_refusal_asks_postgres_nothing_and_reads_no_body() {
    let configure = |config: &mut ApiConfig| {
        config.role_ttl = Duration::ZERO;
        config.rate_limits = by_account(&["hold=1/60"]);
    };
    let (app, proxy) = App::behind_proxy_with(configure).await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let seen = watch(&proxy);
    app.booking(&ada, &show, 1).await;
    assert!(
        seen.lock().unwrap().iter().any(|sql| sql.starts_with("SELECT role")),
        "the account is asked for"
    );
    seen.lock().unwrap().clear();
    let never_ends = Body::from_stream(stream::pending::<io::Result<Vec<u8>>>());
    let refused = app.post("/v1/bookings").by(&ada).key("k").raw("application/json", never_ends).send().await;
    assert_eq!(refused.status, 429);
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn each_contract_is_refused_in_its_own_words() {
    let app = App::with(|config| {
        config.compat = true;
        config.trust_forwarded_for = true;
        config.rate_limits = by_address(&["hold=1/60", "read=1/60"]);
    })
    .await;
    let book =
        |path: &str| app.post(path).from("192.0.2.1").header("x-correlation-id", "mine").json(&json!({}));
    assert_ne!(book("/api/v1/book").send().await.status, 429);
    for path in ["/api/v1/book", "/book", "/book/"] {
        let refused = book(path).send().await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "60"), "{path}");
        assert_eq!(refused.body, json!({"error": "too many requests"}), "{path}");
        assert_eq!(refused.header("x-correlation-id"), "mine");
    }
    let info = async || app.get("/api/v1/info").from("192.0.2.1").send().await;
    assert_eq!(info().await.status, 200);
    let refused = info().await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "60"));
    assert_eq!(refused.body, json!({"message": "Too many requests from this IP, please try again later"}));
}

/// `Routes` takes a class with every operation but the operator's; the document says it, and so does each answer.
#[tokio::test]
async fn every_documented_operation_has_a_class_and_answers_with_its_quotas() {
    let app = App::with(|config| {
        config.compat = true;
        config.catalogue_is_open = true;
        config.trust_forwarded_for = true;
        config.rate_limits = RateLimits::default();
    })
    .await;
    let admin = app.admin().await;
    let usual = RateLimits::default();
    let (mut limited, mut unlimited) = (0, 0);
    for (path, item) in app.document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let id = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";
            let filled = path.replace("{id}", id).replace("{delivery_id}", id);
            let ask = app.ask(method.clone(), &filled).by(&admin).from("192.0.2.1");
            let answer = ask.key("k").header("if-match", "*").json(&json!({})).send().await;
            let Some(class) = operation["x-rate-limit"].as_str() else {
                assert!(path.starts_with("/health") || path == "/metrics", "{method} {path} is not limited");
                assert_eq!(answer.header("ratelimit-policy"), "", "{method} {path}");
                unlimited += 1;
                continue;
            };
            let class = holdfast_api::Class::ALL.into_iter().find(|known| known.as_str() == class).unwrap();
            let policy = |name: String, quota: &Option<holdfast_api::Quota>| {
                let quota = quota.unwrap().to_string().replace(" in ", ";w=").replace(" s", "");
                format!("\"{name}\";q={quota}")
            };
            let account = policy(class.as_str().to_owned(), usual.by_account.of(class));
            let address = policy(format!("{}-address", class.as_str()), usual.by_address.of(class));
            assert_eq!(answer.header("ratelimit-policy"), format!("{account}, {address}"), "{method} {path}");
            assert!(answer.header("ratelimit").starts_with(&format!("\"{}\";r=", class.as_str())));
            assert!(operation["responses"]["429"].is_object(), "{method} {path}");
            limited += 1;
        }
    }
    assert!(limited > 80 && unlimited >= 3, "{limited} {unlimited}");
    let elsewhere = app.get("/made-up").from("192.0.2.1").send().await;
    assert!(elsewhere.header("ratelimit").starts_with("\"read-address\""), "what is not there is a read");
}
