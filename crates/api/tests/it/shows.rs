//! Shows: opened, found, listed.

use crate::app::{App, show};
use serde_json::json;

#[tokio::test]
async fn a_show_is_there_the_moment_it_is_answered_and_looks_the_same_from_the_read_model() {
    let app = App::new().await;
    let admin = app.admin().await;
    let opened = app.post("/v1/shows").by(&admin).key("k").json(&show(50, 900)).send().await;
    let path = opened.header("location").to_owned();
    let opened = opened.ok(201);
    assert_eq!(
        opened,
        json!({
            "id": opened["id"], "name": "The Tempest", "starts_at": "2027-06-01T19:30:00Z", "zone": "Europe/London",
            "price": {"amount": 4950, "currency": "GBP"},
            "policy": {"seats_per_booking": 10, "live_bookings_per_user": 0, "hold_seconds": 900, "overbooking_allowance": 0},
            "opened_at": "2026-05-01T12:00:00Z",
            "availability": {
                "inventory_id": opened["id"], "capacity": 50, "overbooking_allowance": 0, "held": 0, "confirmed": 0,
                "blocked": 0, "available": 50, "oversold_by": 0, "sales": "open", "level": "ok",
                "position": opened["availability"]["position"], "stale": false
            }
        })
    );
    assert_eq!(app.get(&path).send().await.ok(200), opened);
    app.project().await;
    assert_eq!(app.get(&path).send().await.ok(200), opened);
    assert_eq!(app.get("/v1/shows").send().await.ok(200)["data"], json!([opened]));
}

#[tokio::test]
async fn opening_a_show_again_with_its_key_answers_the_same_after_seats_were_sold() {
    let app = App::new().await;
    let admin = app.admin().await;
    let open = || app.post("/v1/shows").by(&admin).key("k").json(&show(50, 900));
    let first = open().send().await;
    app.booking(&admin, first.body["id"].as_str().unwrap(), 5).await;
    let again = open().send().await;
    assert_eq!((again.status.as_u16(), &again.text), (201, &first.text));
    assert_eq!(again.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_policy_that_is_left_out_has_its_usual_values() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = json!({"name": "x", "capacity": 1, "price": {"amount": 0, "currency": "JPY"}});
    let opened = app.post("/v1/shows").by(&admin).key("k").json(&body).send().await.ok(201);
    assert_eq!((&opened["policy"]["hold_seconds"], &opened["starts_at"]), (&json!(900), &json!(null)));
}
