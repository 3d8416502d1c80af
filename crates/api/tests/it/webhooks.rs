//! Webhook endpoints: registering them, and looking at what they are owed. What is sent is the notifier's (`notifier/tests`).

use crate::app::{App, Someone, webhook_key};
use axum::http::Method;
use chrono::TimeDelta;
use holdfast_ambient::{Ambient, Machine};
use holdfast_notifier::{Secret, queue_replays, rotate_secret};
use serde_json::{Value, json};

const PATH: &str = "/v1/webhook-endpoints";

fn id(answer: &Value) -> &str {
    answer["id"].as_str().unwrap()
}

impl App {
    async fn register(&self, admin: &Someone, key: &str, body: &Value) -> crate::app::Answer {
        self.post(PATH).by(admin).key(key).json(body).send().await
    }

    async fn owed(&self, admin: &Someone, endpoint: &str, query: &str) -> Value {
        self.get(&format!("{PATH}/{endpoint}/deliveries?{query}")).by(admin).send().await.ok(200)
    }
}

fn good() -> Value {
    json!({"url": "https://example.com/hooks", "event_types": ["booking.confirmed.v1", "booking.cancelled.v1"]})
}

#[tokio::test]
async fn a_secret_is_told_when_it_is_made_and_never_again() {
    let app = App::new().await;
    let admin = app.admin().await;
    let made = app.register(&admin, "k", &good()).await;
    assert_eq!(made.header("location"), format!("{PATH}/{}", id(&made.body)));
    let made = made.ok(201);
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() > 40);
    assert_eq!((&made["state"], &made["event_types"]), (&json!("active"), &good()["event_types"]));
    let path = format!("{PATH}/{}", id(&made));
    for path in [&path, PATH, &format!("{path}/deliveries")] {
        let told = app.get(path).by(&admin).send().await;
        assert!(told.status == 200 && !told.text.contains("whsec_"), "{}", told.text);
    }
    let stored: String = sqlx::query_scalar("SELECT string_agg(w::text, ' ') FROM webhook_endpoints w")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert!(!stored.contains(&secret["whsec_".len()..]), "{stored}");

    let rotated = app.post(&format!("{path}/rotate-secret")).by(&admin).send().await.ok(200);
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(rotated["secret_rotated_at"], "2026-05-01T12:00:00Z");
}

/// The secret of an answer that was lost is not lost.
#[tokio::test]
async fn the_same_key_makes_one_endpoint_and_tells_its_secret_as_long_as_it_is_the_first() {
    let app = App::new().await;
    let admin = app.admin().await;
    let first = app.register(&admin, "k", &good()).await.ok(201);
    let again = app.register(&admin, "k", &good()).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.ok(201), first);
    let mut other = good();
    other["url"] = json!("https://example.org/");
    assert_eq!(app.register(&admin, "k", &other).await.code(), "idempotency_key_reused");
    assert_ne!(id(&app.register(&admin, "l", &good()).await.ok(201)), id(&first));
    let endpoint = id(&first).parse().unwrap();
    let (_, _): (_, Secret) =
        rotate_secret(&app.pool, &webhook_key(), endpoint, Machine.now()).await.unwrap();
    assert_eq!(app.register(&admin, "k", &good()).await.code(), "idempotency_key_reused");
    app.ask(Method::DELETE, &format!("{PATH}/{endpoint}")).by(&admin).send().await;
    assert_eq!(app.register(&admin, "k", &good()).await.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn every_wrong_field_of_an_endpoint_says_what_is_allowed() {
    let app = App::new().await;
    let admin = app.admin().await;
    let long = format!("https://example.com/{}", "x".repeat(2_000));
    for url in [
        json!(""),
        json!(7),
        json!("example.com"),
        json!("http://example.com/"),
        json!("ftp://example.com/"),
        json!("https://ada:secret@example.com/"),
        json!("https://example.com/#part"),
        json!("https://127.0.0.1/"),
        json!("https://10.0.0.7:8443/"),
        json!("https://169.254.169.254/latest/meta-data"),
        json!("https://[::1]/"),
        json!("https://[::ffff:192.168.0.1]/"),
        json!("https://2130706433/"),
        json!("https://localhost/"),
        json!("https://exa\nmple.com/"),
        json!(long),
    ] {
        let mut body = good();
        body["url"] = url.clone();
        let refused = app.register(&admin, "k", &body).await;
        assert_eq!(
            (refused.status.as_u16(), refused.pointers()),
            (422, vec!["/url"]),
            "{url} {}",
            refused.text
        );
        assert!(!refused.text.contains("secret@"), "what was sent is not repeated");
    }
    for types in [
        json!([]),
        json!(null),
        json!("booking.held.v1"),
        json!([1]),
        json!(["booking.sold.v1"]),
        json!(["SeatsReserved"]),
        json!(["booking.held.v1", "booking.held.v1"]),
        json!(vec!["booking.held.v1"; 500]),
    ] {
        let mut body = good();
        body["event_types"] = types.clone();
        let refused = app.register(&admin, "k", &body).await;
        assert_eq!((refused.status.as_u16(), refused.pointers()), (422, vec!["/event_types"]), "{types}");
        assert!(
            refused.text.contains("booking.confirmed.v1, booking.cancelled.v1"),
            "it lists what is allowed"
        );
    }
    assert_eq!(app.register(&admin, "k", &json!({})).await.pointers(), ["/url", "/event_types"]);
    let no_key = app.post(PATH).by(&admin).json(&good()).send().await;
    assert_eq!(no_key.code(), "idempotency_key_required");
    assert_eq!(app.get(PATH).by(&admin).send().await.ok(200)["data"], json!([]));
}

#[tokio::test]
async fn an_international_host_is_kept_in_its_ascii_form() {
    let app = App::new().await;
    let admin = app.admin().await;
    let mut body = good();
    body["url"] = json!("https://bücher.example/hooks");
    let made = app.register(&admin, "k", &body).await.ok(201);
    assert_eq!(made["url"], "https://xn--bcher-kva.example/hooks");
    assert_eq!(app.register(&admin, "k", &body).await.ok(201)["id"], made["id"], "the same key again");
}

#[tokio::test]
async fn a_private_address_is_taken_where_the_configuration_says_so() {
    let app = App::with(|config| config.webhooks_allow_private = true).await;
    let admin = app.admin().await;
    let body = json!({"url": "http://127.0.0.1:9000/", "event_types": ["booking.held.v1"]});
    app.register(&admin, "k", &body).await.ok(201);
}

#[tokio::test]
async fn there_is_a_bound_on_endpoints_and_a_deleted_one_makes_room() {
    let app = App::new().await;
    let admin = app.admin().await;
    let mut last = Value::Null;
    for n in 0..50 {
        last = app.register(&admin, &format!("k{n}"), &good()).await.ok(201);
    }
    let refused = app.register(&admin, "one-more", &good()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "too_many_webhook_endpoints"));
    app.ask(Method::DELETE, &format!("{PATH}/{}", id(&last))).by(&admin).send().await.ok(204);
    app.register(&admin, "one-more", &good()).await.ok(201);
    assert_eq!(app.get(PATH).by(&admin).send().await.ok(200)["data"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn what_is_owed_is_listed_page_by_page_the_latest_first() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let endpoint = app.webhook_endpoint(&admin).await["id"].as_str().unwrap().to_owned();
    let show = app.show(&admin, 100, 0).await;
    for _ in 0..5 {
        app.clock.advance(TimeDelta::seconds(1));
        app.booking(&ada, &show, 1).await;
    }
    app.notify().await;
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = app.owed(&admin, &endpoint, &query).await;
        seen.extend(page["data"].as_array().unwrap().clone());
        let Some(next) = page["meta"]["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    let times: Vec<_> = seen.iter().map(|delivery| delivery["recorded_at"].as_str().unwrap()).collect();
    let mut latest_first = times.clone();
    latest_first.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!((times.len(), &times), (5, &latest_first));
    let one = &seen[0];
    assert_eq!(
        (&one["state"], &one["attempts_made"], &one["attempts"]),
        (&json!("pending"), &json!(0), &json!([]))
    );
    assert_eq!(one["event_type"], "booking.confirmed.v1");
    assert_eq!(app.owed(&admin, &endpoint, "state=delivered").await["data"], json!([]));

    let cursor =
        app.owed(&admin, &endpoint, "limit=2").await["meta"]["next_cursor"].as_str().unwrap().to_owned();
    let other = app.register(&admin, "other", &good()).await.ok(201);
    let list = async |id: &str, query: &str| {
        app.get(&format!("{PATH}/{id}/deliveries?{query}")).by(&admin).send().await
    };
    assert_eq!(list(id(&other), &format!("cursor={cursor}")).await.code(), "invalid_cursor");
    for (query, pointer) in [("state=sent", "/state"), ("limit=0", "/limit"), ("page=1", "/page")] {
        assert_eq!(list(&endpoint, query).await.pointers(), [pointer], "{query}");
    }
}

#[tokio::test]
async fn history_is_replayed_on_request_and_one_delivery_is_sent_again() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 0).await;
    app.booking(&ada, &show, 1).await;
    let endpoint = app.webhook_endpoint(&admin).await["id"].as_str().unwrap().to_owned();
    app.notify().await;
    assert_eq!(app.owed(&admin, &endpoint, "").await["data"], json!([]));
    let replay = || app.post(&format!("{PATH}/{endpoint}/replay")).by(&admin);
    assert_eq!(replay().send().await.ok(202), json!({"events": 2}));
    assert_eq!(replay().send().await.code(), "replay_running");
    while queue_replays(&app.pool, app.clock.now()).await.unwrap() {}
    let owed = app.owed(&admin, &endpoint, "").await["data"].as_array().unwrap().clone();
    assert_eq!(owed.len(), 1);

    for (body, pointer) in [
        (json!({"from_positions": []}), "/from_positions"),
        (json!({"from_positions": "0-1"}), "/from_positions"),
        (json!({"from_positions": ["0-0"]}), "/from_positions"),
        (json!({"from_positions": ["0"]}), "/from_positions"),
        (json!({"from_positions": ["0-1", "0-2"]}), "/from_positions"),
        (json!({"from_positions": ["99-1"]}), "/from_positions"),
        (json!({"from_positions": ["0-999"]}), "/from_positions"),
        (json!({"event_types": ["all"]}), "/event_types"),
        (json!({"until": 7}), "/until"),
    ] {
        let refused = replay().json(&body).send().await;
        assert_eq!(
            (refused.status.as_u16(), refused.pointers()),
            (422, vec![pointer]),
            "{body} {}",
            refused.text
        );
    }

    let again = format!("{PATH}/{endpoint}/deliveries/{}/redeliver", id(&owed[0]));
    assert_eq!(app.post(&again).by(&admin).send().await.ok(202)["state"], "pending");
    let nothing = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";
    for path in [
        format!("{PATH}/{nothing}"),
        format!("{PATH}/{nothing}/deliveries"),
        format!("{PATH}/no-id/deliveries"),
    ] {
        assert_eq!(app.get(&path).by(&admin).send().await.code(), "not_found", "{path}");
    }
    for path in [
        format!("{PATH}/{nothing}/ping"),
        format!("{PATH}/{nothing}/replay"),
        format!("{PATH}/{nothing}/enable"),
        format!("{PATH}/{nothing}/rotate-secret"),
        format!("{PATH}/{endpoint}/deliveries/{nothing}/redeliver"),
        format!("{PATH}/{endpoint}/deliveries/x/redeliver"),
        format!("{PATH}/{nothing}/deliveries/{}/redeliver", id(&owed[0])),
    ] {
        assert_eq!(app.post(&path).by(&admin).send().await.code(), "not_found", "{path}");
    }
    let deleted = app.ask(Method::DELETE, &format!("{PATH}/{nothing}")).by(&admin).send().await;
    assert_eq!(deleted.code(), "not_found");
}
