//! Writes that need no token: what they may touch, and which requests may make one.

use crate::{
    app::{App, Someone},
    flights::flight,
};
use axum::http::Method;
use serde_json::{Value, json};

/// As with `--compat true` on loopback.
async fn open() -> App {
    App::with(|config| {
        config.compat = true;
        config.catalogue_is_open = true;
    })
    .await
}

/// Opens a flight natively, with a confirmed booking. Its number.
async fn native_flight(app: &App, admin: &Someone) -> i64 {
    let mut body = flight(app, admin).await;
    body["policy"] = json!({"hold_seconds": 0});
    let opened = app.open_flight(admin, "native", &body).await.ok(201);
    app.booking(&app.customer("ada").await, opened["id"].as_str().unwrap(), 1).await;
    number(&opened["id"])
}

/// The integer in an id.
fn number(id: &Value) -> i64 {
    i64::from_str_radix(&id.as_str().unwrap()[24..], 16).unwrap()
}

/// Airbourne's and booking_monitor's writes without a token, with a good body each.
fn writes() -> Vec<(Method, String, Value)> {
    let account = json!({"email": "eve@example.org", "password": "correct horse"});
    let mut writes = vec![
        (Method::POST, "/book".to_owned(), json!({"user_id": 1, "event_id": 1, "quantity": 1})),
        (Method::POST, "/api/v1/book".to_owned(), json!({"user_id": 1, "event_id": 1, "quantity": 1})),
        (Method::POST, "/api/v1/events".to_owned(), json!({"name": "Sale", "total_tickets": 5})),
        (Method::POST, "/api/v1/signup".to_owned(), account),
    ];
    for thing in ["city", "airplane", "airports", "flights"] {
        let body = json!({"name": "Pune", "modelNumber": "A320", "cityId": 1, "price": 1});
        writes.push((Method::POST, format!("/api/v1/{thing}"), body.clone()));
        writes.push((Method::PATCH, format!("/api/v1/{thing}/1"), body));
        writes.push((Method::DELETE, format!("/api/v1/{thing}/1"), Value::Null));
    }
    writes
}

/// Behind a proxy on this machine every client looks like loopback, and a page in a browser reaches loopback, too.
#[tokio::test]
async fn no_write_without_a_token_is_taken_from_a_proxy_or_a_foreign_page() {
    let app = open().await;
    let foreign: [&[(&str, &str)]; 6] = [
        &[("x-forwarded-for", "203.0.113.9")],
        &[("forwarded", "for=203.0.113.9")],
        &[("via", "1.1 proxy")],
        &[("origin", "https://evil.example"), ("host", "127.0.0.1:8080")],
        &[("sec-fetch-site", "cross-site"), ("host", "127.0.0.1:8080")],
        &[("user-agent", "Mozilla/5.0"), ("host", "rebound.evil.example:8080")],
    ];
    let before = app.events().await;
    for (method, path, body) in writes() {
        for headers in foreign {
            let ask = app.ask(method.clone(), &path).json(&body);
            let answer = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send().await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}: {}", answer.text);
            let why = answer.text.contains("needs no token");
            let is_in_its_envelope = if path.ends_with("book") || path.ends_with("events") {
                answer.body["error"].is_string() && answer.body.as_object().unwrap().len() == 1
            } else {
                answer.code().is_empty() && answer.body["message"].is_string()
            };
            assert!(why && is_in_its_envelope, "{method} {path}: {}", answer.text);
        }
    }
    let things: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM cities) + (SELECT count(*) FROM airplanes) + (SELECT count(*) FROM users)",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!((app.events().await, things), (before, 0), "nothing was done");
}

/// Flights and events are numbered by one sequence.
#[tokio::test]
async fn booking_monitor_books_its_events_and_no_flight() {
    let app = open().await;
    let admin = app.admin().await;
    let flight = native_flight(&app, &admin).await;
    let before = app.events().await;
    for path in ["/api/v1/book", "/book"] {
        let body = json!({"user_id": 42, "event_id": flight, "quantity": 2});
        let answer = app.post(path).json(&body).send().await;
        assert_eq!((answer.status.as_u16(), &answer.body), (409, &json!({"error": "sold out"})));
    }
    assert_eq!(app.events().await, before);
    let sale = json!({"name": "Sale", "total_tickets": 5});
    let event = app.post("/api/v1/events").json(&sale).send().await.ok(201)["id"].clone();
    for (user, path) in [(42, "/api/v1/book"), (43, "/book")] {
        app.post(path).json(&json!({"user_id": user, "event_id": event, "quantity": 2})).send().await.ok(200);
    }
}

/// An anonymous DELETE cancelled a flight that was opened natively, with its bookings.
#[tokio::test]
async fn what_was_made_natively_takes_an_admins_token_on_airbournes_routes() {
    let app = open().await;
    let admin = app.admin().await;
    let flight = native_flight(&app, &admin).await;
    let (before, eve) = (app.events().await, app.customer("eve").await);
    let native = async |table: &str, key: &str| {
        let sql = format!("SELECT to_json({key}) FROM {table} LIMIT 1");
        number(&sqlx::query_scalar::<_, Value>(&sql).fetch_one(&app.pool).await.unwrap())
    };
    let things = [
        ("flights", flight, json!({"boardingGate": "Z9"})),
        ("city", native("cities", "city_id").await, json!({"name": "Elsewhere"})),
        ("airplane", native("airplanes", "airplane_id").await, json!({"capacity": 1})),
        ("airports", native("airports", "airport_id").await, json!({"name": "Nowhere"})),
    ];
    for (thing, id, change) in &things {
        for method in [Method::PATCH, Method::DELETE] {
            let path = format!("/api/v1/{thing}/{id}");
            let anonymous = app.ask(method.clone(), &path).json(change).send().await;
            let customer = app.ask(method.clone(), &path).by(&eve).json(change).send().await;
            for answer in [anonymous, customer] {
                assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
                assert!(answer.text.contains("an admin's token"), "{}", answer.text);
            }
        }
    }
    assert_eq!(app.events().await, before, "no flight was changed or cancelled");
    for (thing, id, change) in &things {
        app.ask(Method::PATCH, &format!("/api/v1/{thing}/{id}")).by(&admin).json(change).send().await.ok(200);
    }
    app.ask(Method::DELETE, &format!("/api/v1/flights/{flight}")).by(&admin).send().await.ok(200);
    assert_eq!(app.events().await, before + 3, "changed, cancelled, and the booking with it");
}

#[tokio::test]
async fn a_slash_at_the_end_leads_to_the_same_compatible_route() {
    let app = open().await;
    let sale = json!({"name": "Sale", "total_tickets": 5});
    let event = app.post("/api/v1/events/").json(&sale).send().await.ok(201)["id"].clone();
    for (user, path) in [(1, "/book/"), (2, "/api/v1/book/")] {
        app.post(path).json(&json!({"user_id": user, "event_id": event, "quantity": 1})).send().await.ok(200);
    }
    app.project().await;
    app.get("/api/v1/flights/").send().await.ok(200);
    app.get("/api/v1/history/?page=1").send().await.ok(200);
    assert_eq!(app.get("/v1/flights/").send().await.status, 404, "native paths are one path each");
}

#[tokio::test]
async fn a_compressed_body_is_told_so_on_every_compatible_route() {
    let app = open().await;
    let gzip = [0x1f, 0x8b, 8, 0].to_vec();
    for (method, path, _) in writes().into_iter().filter(|(method, ..)| method != Method::DELETE) {
        let ask = app.ask(method.clone(), &path).header("content-encoding", "gzip");
        let answer = ask.raw("application/json", gzip.clone()).send().await;
        assert_eq!(answer.status, 415, "{method} {path}: {}", answer.text);
        assert!(answer.text.contains("Content-Encoding"), "{}", answer.text);
    }
}
