//! Postgres gone and back: refused within a second, nothing acknowledged, and well again by itself.

use crate::app::{Answer, App, PASSWORD, PATIENCE};
use axum::http::Method;
use holdfast_testkit::eventually;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// A second, and what a busy test machine adds.
const REFUSED_WITHIN: Duration = Duration::from_millis(2_500);

fn assert_unavailable(answer: &Answer) {
    let codes = ["store_unavailable", "outcome_unknown", "overloaded"];
    assert!(answer.status == 503 && codes.contains(&answer.code()), "{} {}", answer.status, answer.text);
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn bookings_go_200_503_200_as_postgres_goes_and_comes_back() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let booking = app.booking(&ada, &show, 1).await;
    let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
    proxy.refuse();
    proxy.cut();
    let asked = Instant::now();
    assert_unavailable(&app.reserve(&ada, &show, 1, "k").send().await);
    assert!(asked.elapsed() < REFUSED_WITHIN);
    eventually(PATIENCE, "the writer is not ready", async || {
        app.operator("/health/ready").send().await.ok(503)["writer"]["ready"] == false
    })
    .await;
    for asked in [app.get(&path).by(&ada), app.get("/v1/bookings").by(&ada), app.get("/v1/shows")] {
        assert_unavailable(&asked.send().await);
    }
    let monitor = app.post("/api/v1/events").json(&json!({"name": "x", "total_tickets": 1})).send().await;
    assert_eq!((monitor.status.as_u16(), monitor.header("retry-after")), (503, "1"));
    assert_eq!(monitor.body, json!({"error": "service temporarily unavailable; retry"}));
    proxy.pass();
    eventually(PATIENCE, "the same request again is booked", async || {
        app.reserve(&ada, &show, 1, "k").send().await.status == 201
    })
    .await;
    assert_eq!(app.get(&path).by(&ada).send().await.ok(200), booking);
}

/// A database that answers nothing is worse than none: every wait has its bound.
#[tokio::test]
async fn a_postgres_that_hangs_is_not_waited_for() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    proxy.stall();
    for asked in [app.reserve(&ada, &show, 1, "k"), app.get("/v1/bookings").by(&ada), app.get("/v1/shows")] {
        let began = Instant::now();
        assert_unavailable(&asked.send().await);
        assert!(began.elapsed() < REFUSED_WITHIN, "{:?}", began.elapsed());
    }
}

/// The append is lost on its way back: the client cannot know, is told so, and its second try is answered
/// with the one booking there is.
#[tokio::test]
async fn a_lost_answer_is_settled_by_sending_the_request_again() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 100, 900).await;
    let events = app.events().await;
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO events"));
    let mut answers = vec![app.reserve(&ada, &show, 1, "k").send().await];
    eventually(PATIENCE, "it is booked", async || {
        answers.push(app.reserve(&ada, &show, 1, "k").send().await);
        answers.last().unwrap().status == 201
    })
    .await;
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 201 | 503)));
    assert_eq!((proxy.losses(), app.events().await), (1, events + 1));
}

/// Accounts, the catalogue, reminders and webhooks are no log, and their writes are lost on the way back all the same.
#[tokio::test]
async fn a_write_that_is_perhaps_done_is_never_called_undone() {
    let (app, proxy) = App::behind_proxy().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let city = format!("/v1/cities/{}", app.city(&admin).await);
    let reminder = format!("/v1/reminders/{}", app.reminder(&ada, json!({})).await);
    let endpoint = app.webhook_endpoint(&admin).await;
    let endpoint = format!("/v1/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
    let key = json!({"name": "a", "scopes": ["bookings:read"]});
    let key = app.post("/v1/api-keys").by(&ada).json(&key).send().await.ok(201);
    let key = format!("/v1/api-keys/{}", key["id"].as_str().unwrap());
    let guest = json!({"email": "grace@example.com", "name": "Grace"});
    let guest = app.made(&admin, "/v1/guests", &guest).await;
    let guest = format!("/v1/guests/{guest}");
    let role = format!("/v1/users/{}/role", ada.id);
    let password = json!({"current_password": PASSWORD, "new_password": "another horse battery"});
    let bob = json!({"email": "bob@example.com", "password": PASSWORD});
    let hook = json!({"url": "https://example.com/other", "event_types": ["booking.confirmed.v1"]});
    let mail = json!({"subject": "a", "content": "b", "remind_at": "2030-06-01T07:30:00Z"});
    for (by, method, path, body) in [
        (&ada, Method::POST, "/v1/users", bob),
        (&ada, Method::POST, "/v1/reminders", mail),
        (&ada, Method::DELETE, &reminder, Value::Null),
        (&admin, Method::POST, "/v1/cities", json!({"name": "Oslo"})),
        (&admin, Method::PATCH, &city, json!({"name": "Bergen"})),
        (&admin, Method::DELETE, &city, Value::Null),
        (&admin, Method::POST, "/v1/webhook-endpoints", hook),
        (&admin, Method::POST, &format!("{endpoint}/rotate-secret"), Value::Null),
        (&admin, Method::DELETE, &endpoint, Value::Null),
        (&admin, Method::PUT, &role, json!({"role": "agent"})),
        (&ada, Method::POST, "/v1/api-keys", json!({"name": "a", "scopes": ["bookings:read"]})),
        (&ada, Method::DELETE, &key, Value::Null),
        (&ada, Method::PUT, "/v1/users/me/password", password),
        (&admin, Method::POST, "/v1/guests", json!({"email": "a@example.com", "name": "A"})),
        (&admin, Method::DELETE, &guest, Value::Null),
        (&admin, Method::DELETE, "/v1/sessions", Value::Null),
        (&admin, Method::DELETE, "/v1/sessions/current", Value::Null),
    ] {
        let lost = proxy.losses();
        proxy.lose_next_answer(|sql| {
            // Before its row an admin's action has not begun.
            let is_row = sql.contains("admin_actions");
            let writes = ["INSERT", "UPDATE", "DELETE", "WITH"];
            !is_row && writes.iter().any(|write| sql.trim_start().starts_with(write))
        });
        let ask = app.ask(method.clone(), path).by(by).key("k").header("if-match", "*");
        let answer = if body.is_null() { ask.send().await } else { ask.json(&body).send().await };
        assert_eq!(
            (proxy.losses(), answer.code()),
            (lost + 1, "outcome_unknown"),
            "{method} {path}: {answer:?}"
        );
    }
}

/// What was never sent is said to be undone.
#[tokio::test]
async fn a_write_that_reached_no_postgres_is_called_undone() {
    let (app, proxy) = App::behind_proxy().await;
    let admin = app.admin().await;
    proxy.refuse();
    proxy.cut();
    let asked = app.post("/v1/cities").by(&admin).key("k").json(&json!({"name": "Oslo"}));
    assert_eq!(asked.send().await.code(), "store_unavailable");
}
