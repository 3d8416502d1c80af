//! Reminders: asking for them, and who may have them sent where. That they are sent is the notifier's (`notifier/tests`).

use crate::app::App;
use axum::http::Method;
use serde_json::{Value, json};

const PATH: &str = "/v1/reminders";

fn good() -> Value {
    json!({"subject": "Check in", "content": "It is open.", "remind_at": "2030-06-01T07:30:00Z"})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = good();
    body[name] = value;
    body
}

/// Else an account is leave to write to anybody through us.
#[tokio::test]
async fn a_customer_is_reminded_at_its_own_address_alone() {
    let app = App::new().await;
    let (ada, admin) = (app.customer("ada").await, app.admin().await);
    let ask = async |who, key: &str, recipient: &str| {
        app.post(PATH).by(who).key(key).json(&with("recipient", json!(recipient))).send().await
    };
    assert_eq!(ask(&ada, "a", "eve@example.net").await.status, 403);
    let own = ask(&ada, "b", "Ada@Example.com").await.ok(201);
    assert_eq!(own["recipient"], Value::Null, "wherever the account's address is then");
    assert_eq!(ask(&admin, "c", "eve@example.net").await.ok(201)["recipient"], "eve@example.net");
}

#[tokio::test]
async fn what_would_add_a_line_or_a_field_is_refused() {
    let app = App::new().await;
    let admin = app.admin().await;
    for (name, value) in [
        ("subject", json!("Hello\r\nBcc: eve@example.net")),
        ("subject", json!("")),
        ("subject", json!("x".repeat(201))),
        ("content", json!("x".repeat(2_001))),
        ("recipient", json!("ada@example.com\r\nBcc: eve@example.net")),
        ("recipient", json!("ada@example.com, eve@example.net")),
        ("remind_at", json!("2030-02-30T00:00:00Z")),
        ("remind_at", json!("tomorrow")),
        ("id", json!(7)),
        ("status", json!("sent")),
    ] {
        let answer = app.post(PATH).by(&admin).key("k").json(&with(name, value)).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.pointers()),
            (422, vec![format!("/{name}").as_str()]),
            "{}",
            answer.text
        );
    }
    assert_eq!(app.get(PATH).by(&admin).send().await.ok(200)["data"], json!([]));
}

#[tokio::test]
async fn the_same_key_makes_one_reminder_and_belongs_to_one_request() {
    let app = App::new().await;
    let ada = app.customer("ada").await;
    let ask = async |body: &Value| app.post(PATH).by(&ada).key("k").json(body).send().await;
    let (first, again) = (ask(&good()).await, ask(&good()).await);
    let replayed = [&first, &again].map(|answer| answer.header("idempotency-replayed").to_owned());
    assert_eq!(replayed, ["", "true"]);
    assert_eq!(first.ok(201), again.ok(201));
    let other = ask(&with("subject", json!("Other"))).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "idempotency_key_reused"));
}

#[tokio::test]
async fn one_sees_ones_own_page_by_page_and_takes_back_what_waits() {
    let app = App::new().await;
    let (ada, bob) = (app.customer("ada").await, app.customer("bob").await);
    let mut asked = vec![];
    for _ in 0..5 {
        asked.push(app.reminder(&ada, json!({})).await);
    }
    app.reminder(&bob, json!({})).await;
    let (mut seen, mut path) = (vec![], format!("{PATH}?limit=2"));
    loop {
        let page = app.get(&path).by(&ada).send().await.ok(200);
        seen.extend(
            page["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["meta"]["next_cursor"].as_str() else { break };
        path = format!("{PATH}?limit=2&cursor={cursor}");
    }
    seen.sort();
    asked.sort();
    assert_eq!(seen, asked);
    let one = format!("{PATH}/{}", asked[0]);
    assert_eq!(app.ask(Method::DELETE, &one).by(&bob).send().await.status, 404);
    assert_eq!(app.ask(Method::DELETE, &one).by(&ada).send().await.status, 204);
    assert_eq!(app.ask(Method::DELETE, &one).by(&ada).send().await.status, 404);
}
