//! booking_monitor's contract, as its clients and its load script know it.

use crate::app::{Answer, App};
use futures::future::join_all;
use serde_json::{Value, json};

async fn monitor() -> App {
    App::with(|config| config.compat = true).await
}

async fn event(app: &App, tickets: i64) -> i64 {
    let asked =
        app.post("/api/v1/events").json(&json!({"name": "K6 Load Test Event", "total_tickets": tickets}));
    asked.send().await.ok(201)["id"].as_i64().unwrap()
}

async fn book(app: &App, user: i64, event: i64, quantity: i64) -> (u16, String) {
    let body = json!({"user_id": user, "event_id": event, "quantity": quantity});
    let answer = app.post("/api/v1/book").json(&body).send().await;
    (answer.status.as_u16(), answer.text)
}

fn error(text: &str) -> String {
    json!({"error": text}).to_string()
}

#[tokio::test]
async fn an_event_is_made_with_a_number_and_all_its_tickets() {
    let app = monitor().await;
    let asked =
        app.post("/api/v1/events").json(&json!({"name": "Sale", "total_tickets": 50_000, "unknown": 1}));
    let answer = asked.send().await;
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    let first = answer.ok(201);
    assert_eq!(
        first,
        json!({"id": first["id"], "name": "Sale", "total_tickets": 50_000, "available_tickets": 50_000, "version": 0})
    );
    assert_eq!(event(&app, 1).await, first["id"].as_i64().unwrap() + 1);
}

#[tokio::test]
async fn a_booking_is_one_for_each_user_and_a_duplicate_is_told_before_sold_out() {
    let app = monitor().await;
    let event = event(&app, 5).await;
    assert_eq!(book(&app, 1, event, 3).await, (200, json!({"message": "booking successful"}).to_string()));
    assert_eq!(book(&app, 2, event, 3).await, (409, error("sold out")));
    assert_eq!(book(&app, 1, event, 10).await, (409, error("user already bought ticket")));
    assert_eq!(book(&app, 2, event, 2).await.0, 200);
    assert_eq!(book(&app, 1, event, 1).await, (409, error("user already bought ticket")));
    assert_eq!(book(&app, 3, event, 1).await, (409, error("sold out")));
    assert_eq!(book(&app, -7, event + 1, 1).await, (409, error("sold out")));
    assert_eq!(book(&app, 3, i64::MAX, 1).await, (409, error("sold out")));
}

#[tokio::test]
async fn the_old_path_books_too() {
    let app = monitor().await;
    let event = event(&app, 5).await;
    let body = json!({"user_id": 1, "event_id": event, "quantity": 1});
    app.post("/book").json(&body).send().await.ok(200);
    assert_eq!(book(&app, 1, event, 1).await.0, 409);
}

#[tokio::test]
async fn what_is_missing_zero_or_out_of_range_is_a_400_with_a_sentence() {
    let app = monitor().await;
    let event = event(&app, 5).await;
    let before = app.events().await;
    let is_error = |answer: &Answer, status: u16| {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.body["error"].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.text);
        assert_eq!(answer.body.as_object().unwrap().len(), 1);
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    };
    for body in [
        "",
        "{",
        "[]",
        "[1,1,1]",
        "{}",
        "null",
        r#"{"user_id":0,"event_id":1,"quantity":1}"#,
        r#"{"user_id":1,"event_id":0,"quantity":1}"#,
        r#"{"user_id":1,"event_id":1,"quantity":0}"#,
        r#"{"user_id":1,"event_id":1,"quantity":11}"#,
        r#"{"user_id":1,"event_id":1,"quantity":-1}"#,
        r#"{"user_id":1,"event_id":1,"quantity":1.5}"#,
        r#"{"user_id":"1","event_id":1,"quantity":1}"#,
        r#"{"user_id":null,"event_id":1,"quantity":1}"#,
        r#"{"user_id":9223372036854775807,"event_id":1,"quantity":1}"#,
        r#"{"event_id":1,"quantity":1}"#,
    ] {
        is_error(&app.post("/api/v1/book").raw("application/json", body).send().await, 400);
    }
    for body in [
        json!({}),
        json!({"name": "", "total_tickets": 1}),
        json!({"name": "x", "total_tickets": 0}),
        json!({"name": "x", "total_tickets": -1}),
        json!({"name": "x"}),
        json!({"name": 1, "total_tickets": 1}),
        json!({"name": "x", "total_tickets": 10_000_001}),
        json!({"name": "x".repeat(201), "total_tickets": 1}),
    ] {
        is_error(&app.post("/api/v1/events").json(&body).send().await, 400);
    }
    let many =
        app.post("/api/v1/events").json(&json!({"name": "x", "total_tickets": 10_000_001})).send().await;
    assert_eq!(many.body["error"], "total_tickets must be 0 to 10000000");
    is_error(&app.get("/api/v1/history?page=x").send().await, 400);
    is_error(&app.get("/api/v1/history?size=1.5").send().await, 400);
    is_error(&app.get("/api/v1/history?status=a%00").send().await, 400);
    let large = format!(r#"{{"user_id":1,"event_id":{event},"quantity":1}}{}"#, " ".repeat(70_000));
    is_error(&app.post("/api/v1/book").raw("application/json", large).send().await, 413);
    assert_eq!(app.events().await, before);
}

#[tokio::test]
async fn no_content_type_is_needed_and_unknown_fields_are_ignored() {
    let app = monitor().await;
    let event = event(&app, 5).await;
    let body = format!(r#"{{"user_id":1,"event_id":{event},"quantity":1,"note":"hi"}}"#);
    app.post("/api/v1/book").raw("text/plain", body).send().await.ok(200);
}

#[tokio::test]
async fn the_correlation_id_comes_back_and_stands_in_the_log_or_a_new_one_is_made() {
    let app = monitor().await;
    let event = event(&app, 5).await;
    let body = json!({"user_id": 1, "event_id": event, "quantity": 1});
    let answer = app.post("/api/v1/book").header("x-correlation-id", "abc-1").json(&body).send().await;
    assert_eq!(answer.header("x-correlation-id"), "abc-1");
    let metadata: Value =
        sqlx::query_scalar("SELECT metadata FROM events WHERE event_type = 'SeatsReserved'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!(metadata["correlation_id"], "abc-1");
    let refused = app.post("/api/v1/book").json(&json!({})).send().await;
    assert!(uuid::Uuid::try_parse(refused.header("x-correlation-id")).is_ok());
}

#[tokio::test]
async fn the_history_is_of_all_users_the_latest_first_in_pages() {
    let app = monitor().await;
    let empty = app.get("/api/v1/history").send().await.ok(200);
    assert_eq!(empty, json!({"data": null, "meta": {"total": 0, "page": 1, "size": 10}}));
    let event = event(&app, 50).await;
    for user in 1..=3 {
        assert_eq!(book(&app, user, event, user).await.0, 200);
        app.clock.advance(chrono::TimeDelta::seconds(1));
    }
    app.project().await;
    let page = app.get("/api/v1/history?page=1&size=2&status=confirmed").send().await;
    assert_eq!(page.header("content-type"), "application/json; charset=utf-8");
    let page = page.ok(200);
    assert_eq!(page["meta"], json!({"total": 3, "page": 1, "size": 2}));
    let order = &page["data"][0];
    assert!(order["id"].as_i64().is_some_and(|id| id > 0));
    assert_eq!(
        *order,
        json!({
            "id": order["id"], "event_id": event, "user_id": 3, "quantity": 3, "status": "confirmed",
            "created_at": "2026-05-01T12:00:02Z"
        })
    );
    let rest = app.get("/api/v1/history?page=2&size=2").send().await.ok(200);
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["data"][0]["user_id"]), (1, &json!(1)));
    let beyond = app.get("/api/v1/history?page=3&size=2").send().await.ok(200);
    assert_eq!((&beyond["data"], &beyond["meta"]["total"]), (&Value::Null, &json!(3)));
    let none = app.get("/api/v1/history?status=no%20such%20status").send().await.ok(200);
    assert_eq!((&none["data"], &none["meta"]["total"]), (&Value::Null, &json!(0)));
    let usual = app.get("/api/v1/history?page=0&size=100000").send().await.ok(200);
    assert_eq!(usual["meta"], json!({"total": 3, "page": 1, "size": 200}));
}

/// Its load script in small: many users at once, duplicates among them, more asked for than there is.
#[tokio::test]
async fn a_rush_sells_every_seat_once() {
    let app = monitor().await;
    let event = event(&app, 30).await;
    let answers = join_all((0..120).map(|n| book(&app, 1 + n % 60, event, 1))).await;
    let count =
        |status: u16, text: &str| answers.iter().filter(|(s, t)| *s == status && t.contains(text)).count();
    assert_eq!(count(200, "successful"), 30);
    assert_eq!(count(409, "sold out") + count(409, "user already bought ticket"), 90);
    assert!(count(409, "user already bought ticket") >= 30);
}

#[tokio::test]
async fn without_the_configuration_none_of_it_is_served() {
    let app = App::new().await;
    for path in ["/api/v1/events", "/api/v1/book", "/book"] {
        assert_eq!(app.post(path).json(&json!({})).send().await.code(), "not_found", "{path}");
    }
    assert_eq!(app.get("/api/v1/history").send().await.code(), "not_found");
}
