//! Shows: opened, found, listed.

use crate::app::{App, show};
use chrono::TimeDelta;
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
            "sales_end_at": "2027-06-01T19:30:00Z",
            "price": {"amount": 4950, "currency": "GBP"},
            "policy": {
                "seats_per_booking": 10, "live_bookings_per_user": 10, "hold_seconds": 900, "overbooking_allowance": 0,
                "seats_per_user": 20, "holds_per_user": 10
            },
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

/// It is noon. The sale ends at 12:20 and the show begins at 12:30, with a hold from before in customers' hands.
#[tokio::test]
async fn a_show_that_has_begun_is_refused_to_customers_and_cancelled_by_staff() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let mut body = show(10, 900);
    (body["starts_at"], body["sales_end_at"]) =
        (json!("2026-05-01T12:30:00Z"), json!("2026-05-01T12:20:00Z"));
    let show = app.made(&admin, "/v1/shows", &body).await;
    app.clock.advance(TimeDelta::minutes(19));
    let (held, other) = (app.booking(&ada, &show, 1).await, app.booking(&ada, &show, 1).await);
    let path = |booking: &serde_json::Value, action: &str| {
        format!("/v1/bookings/{}/{action}", booking["id"].as_str().unwrap())
    };

    app.clock.advance(TimeDelta::minutes(1));
    let closed = app.reserve(&ada, &show, 1, "k").send().await;
    assert_eq!((closed.status.as_u16(), closed.code()), (409, "sales_closed"));
    assert_eq!(closed.body["sales_ended_at"], "2026-05-01T12:20:00Z");
    app.post(&path(&other, "confirm")).by(&ada).send().await.ok(200);

    app.clock.advance(TimeDelta::minutes(10));
    let refused = [
        app.reserve(&ada, &show, 1, "k").send().await,
        app.reserve(&admin, &show, 1, "k").send().await,
        app.post(&path(&held, "confirm")).by(&ada).send().await,
        app.post(&path(&held, "confirm")).by(&admin).send().await,
        app.post(&path(&held, "cancel")).by(&ada).send().await,
        app.post(&path(&other, "cancel")).by(&ada).send().await,
    ];
    for answer in refused {
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "departed"), "{}", answer.text);
        assert_eq!(answer.body["departed_at"], "2026-05-01T12:30:00Z");
    }
    for booking in [&held, &other] {
        assert_eq!(app.post(&path(booking, "cancel")).by(&admin).send().await.ok(200)["status"], "cancelled");
    }
}

#[tokio::test]
async fn a_show_in_the_past_is_not_opened_and_the_answer_says_so() {
    let app = App::new().await;
    let admin = app.admin().await;
    for (starts_at, sales_end_at, pointer, detail) in [
        ("2020-05-01T12:00:00Z", None, "/starts_at", "must be in the future"),
        ("2027-05-01T12:00:00Z", Some("2020-05-01T12:00:00Z"), "/sales_end_at", "must be in the future"),
        (
            "2027-05-01T12:00:00Z",
            Some("2027-05-01T12:00:01Z"),
            "/sales_end_at",
            "must not be after the start",
        ),
    ] {
        let mut body = show(10, 900);
        body["starts_at"] = json!(starts_at);
        if let Some(end) = sales_end_at {
            body["sales_end_at"] = json!(end);
        }
        let refused = app.post("/v1/shows").by(&admin).key("k").json(&body).send().await;
        assert_eq!((refused.status.as_u16(), refused.pointers()), (422, vec![pointer]), "{}", refused.text);
        assert_eq!(refused.body["errors"][0]["detail"], detail);
    }
}
