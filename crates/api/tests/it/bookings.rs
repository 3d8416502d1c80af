//! A booking's life: reserved, read, confirmed, cancelled; all with every projector stopped.

use crate::app::App;
use chrono::TimeDelta;
use holdfast_api::users::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn a_booking_is_there_the_moment_it_is_answered_with_no_projector_running() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let answer = app.reserve(&ada, &show, 2, "k1").send().await;
    let (location, token) =
        (answer.header("location").to_owned(), answer.header("consistency-token").to_owned());
    let booking = answer.ok(201);
    assert_eq!(location, format!("/v1/bookings/{}", booking["id"].as_str().unwrap()));
    assert!(token.split_once('-').is_some(), "{token}");
    assert_eq!(
        booking,
        json!({
            "id": booking["id"], "inventory_id": show, "user_id": ada.id, "quantity": 2, "status": "held",
            "total": {"amount": 9900, "currency": "GBP"}, "reserved_at": "2026-05-01T12:00:00Z",
            "expires_at": "2026-05-01T12:15:00Z", "confirmed_at": null, "ended_at": null,
            "available_actions": ["confirm", "cancel"]
        })
    );
    assert_eq!(app.get(&location).by(&ada).send().await.ok(200), booking);
    app.clock.advance(TimeDelta::minutes(1));
    let confirmed = app.post(&format!("{location}/confirm")).by(&ada).send().await.ok(200);
    assert_eq!(
        (&confirmed["status"], &confirmed["confirmed_at"]),
        (&json!("confirmed"), &json!("2026-05-01T12:01:00Z"))
    );
    let cancelled = json!({"reason": "plans_changed"});
    let cancelled = app.post(&format!("{location}/cancel")).by(&ada).json(&cancelled).send().await.ok(200);
    assert_eq!((&cancelled["status"], &cancelled["reason"]), (&json!("cancelled"), &json!("plans_changed")));
    assert_eq!(cancelled["available_actions"], json!([]));
    assert_eq!(app.get(&location).by(&ada).send().await.ok(200), cancelled);
}

#[tokio::test]
async fn a_timeline_tells_what_happened_in_order() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let booking = app.booking(&ada, &show, 2).await;
    let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
    app.post(&format!("{path}/confirm")).by(&ada).send().await.ok(200);
    app.post(&format!("{path}/cancel")).by(&ada).send().await.ok(200);
    let timeline = app.get(&format!("{path}/timeline")).by(&ada).send().await.ok(200);
    let types: Vec<_> =
        timeline["data"].as_array().unwrap().iter().map(|event| &event["event"]["type"]).collect();
    assert_eq!(types, ["SeatsReserved", "BookingConfirmed", "BookingCancelled"]);
    assert_eq!(timeline["data"][2]["event"]["reason"], "requested");
    assert_eq!(timeline["booking_id"], booking["id"]);
}

#[tokio::test]
async fn a_show_without_a_hold_confirms_at_once() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 0).await;
    let booking = app.booking(&ada, &show, 1).await;
    assert_eq!((&booking["status"], &booking["expires_at"]), (&json!("confirmed"), &Value::Null));
}

#[tokio::test]
async fn confirming_or_cancelling_twice_answers_the_same_and_changes_nothing() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let booking = app.booking(&ada, &show, 1).await;
    for action in ["confirm", "cancel"] {
        let path = format!("/v1/bookings/{}/{action}", booking["id"].as_str().unwrap());
        let first = app.post(&path).by(&ada).send().await.ok(200);
        let events = app.events().await;
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(app.post(&path).by(&ada).send().await.ok(200), first, "{action}");
        assert_eq!(app.events().await, events, "{action}");
    }
}

#[tokio::test]
async fn every_refusal_says_its_reason_and_its_numbers() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let mut one_each = crate::app::show(3, 60);
    one_each["policy"]["live_bookings_per_user"] = json!(1);
    let one_each = app.post("/v1/shows").by(&admin).key("one each").json(&one_each).send().await.ok(201);
    let one_each = one_each["id"].as_str().unwrap().to_owned();

    let sold_out = app.reserve(&ada, &one_each, 4, "k1").send().await;
    assert_eq!((sold_out.status.as_u16(), sold_out.code()), (409, "sold_out"));
    assert_eq!((&sold_out.body["requested"], &sold_out.body["available"]), (&json!(4), &json!(3)));

    let booking = app.booking(&ada, &one_each, 2).await;
    let duplicate = app.reserve(&ada, &one_each, 1, "k2").send().await;
    assert_eq!((duplicate.status.as_u16(), duplicate.code()), (409, "duplicate_booking"));
    assert_eq!((&duplicate.body["limit"], &duplicate.body["live"]), (&json!(1), &json!(1)));

    let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
    app.clock.advance(TimeDelta::minutes(1));
    let expired = app.post(&format!("{path}/confirm")).by(&ada).send().await;
    assert_eq!((expired.status.as_u16(), expired.code()), (409, "hold_expired"));
    assert_eq!(expired.body["expired_at"], "2026-05-01T12:01:00Z");

    let booking = app.booking(&ada, &one_each, 3).await; // which ends the overdue hold: it needs its seats
    let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
    app.post(&format!("{path}/cancel")).by(&ada).send().await.ok(200);
    let gone = app.post(&format!("{path}/confirm")).by(&ada).send().await;
    assert_eq!((gone.status.as_u16(), gone.code()), (409, "invalid_state"));
    assert_eq!(
        (&gone.body["booking_status"], &gone.body["allowed"]),
        (&json!("cancelled"), &json!(["held"]))
    );

    app.post(&format!("/v1/inventories/{one_each}/close-sales")).by(&admin).send().await.ok(200);
    let closed = app.reserve(&ada, &one_each, 1, "k3").send().await;
    assert_eq!((closed.status.as_u16(), closed.code()), (409, "sales_closed"));

    let policy = app.show(&admin, 100, 0).await;
    let too_many = app.reserve(&ada, &policy, 11, "k4").send().await;
    assert_eq!((too_many.status.as_u16(), too_many.pointers()), (422, vec!["/quantity"]));
    assert_eq!(too_many.body["errors"][0]["detail"], "must be 1 to 10");
}

#[tokio::test]
async fn a_refusal_writes_nothing_and_its_key_can_be_used_again() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 1, 900).await;
    let held = app.booking(&ada, &show, 1).await;
    let events = app.events().await;
    assert_eq!(app.reserve(&ada, &show, 1, "k").send().await.code(), "sold_out");
    assert_eq!(app.events().await, events);
    app.post(&format!("/v1/bookings/{}/cancel", held["id"].as_str().unwrap())).by(&ada).send().await.ok(200);
    app.reserve(&ada, &show, 1, "k").send().await.ok(201);
}

#[tokio::test]
async fn an_agent_books_for_a_customer_and_the_log_knows_who_did() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let agent = app.someone("agent", Role::Agent).await;
    let show = app.show(&admin, 10, 900).await;
    let body = json!({"inventory_id": show, "quantity": 1, "user_id": ada.id});
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let asked = app.post("/v1/bookings").by(&agent).key("k").json(&body);
    let nobody =
        json!({"inventory_id": show, "quantity": 1, "user_id": "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11"});
    let refused = app.post("/v1/bookings").by(&agent).key("n").json(&nobody).send().await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (422, "validation_failed"),
        "a typing error sells nothing"
    );
    let answer = asked.header("x-request-id", "desk-7").header("traceparent", traceparent).send().await;
    assert_eq!(answer.header("x-request-id"), "desk-7");
    let booking = answer.ok(201);
    assert_eq!(booking["user_id"], ada.id.as_str());
    app.get(&format!("/v1/bookings/{}", booking["id"].as_str().unwrap())).by(&ada).send().await.ok(200);
    let metadata: Value =
        sqlx::query_scalar("SELECT metadata FROM events WHERE event_type = 'SeatsReserved'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!(
        metadata,
        json!({
            "actor": format!("agent:{}", agent.id), "correlation_id": "desk-7", "traceparent": traceparent
        })
    );
}

/// With what a sale has where it says nothing. An agent's bookings count for their customer.
#[tokio::test]
async fn one_customer_cannot_hold_every_seat_nor_hold_seats_again_and_again() {
    let app = App::new().await;
    let (admin, ada, bob) = (app.admin().await, app.customer("ada").await, app.customer("bob").await);
    let agent = app.someone("agent", Role::Agent).await;
    let show = app.show(&admin, 100, 900).await;
    let for_ada = |key: &str, quantity: u32| {
        let body = json!({"inventory_id": show, "quantity": quantity, "user_id": ada.id});
        app.post("/v1/bookings").by(&agent).key(key).json(&body)
    };
    for_ada("k1", 10).send().await.ok(201);
    app.booking(&ada, &show, 9).await;
    for refused in [app.reserve(&ada, &show, 2, "k2").send().await, for_ada("k2", 2).send().await] {
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (409, "booking_limit_reached"),
            "{}",
            refused.text
        );
        let numbers = [&refused.body["limit_name"], &refused.body["limit"], &refused.body["used"]];
        assert_eq!(numbers, [&json!("seats_per_user"), &json!(20), &json!(19)]);
    }
    for _ in 0..10 {
        let held = app.booking(&bob, &show, 1).await;
        let cancel = format!("/v1/bookings/{}/cancel", held["id"].as_str().unwrap());
        app.post(&cancel).by(&bob).send().await.ok(200);
    }
    let refused = app.reserve(&bob, &show, 1, "k3").send().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "booking_limit_reached"));
    assert_eq!((&refused.body["limit_name"], &refused.body["limit"]), (&json!("holds_per_user"), &json!(10)));
    let one_each = app.show(&admin, 100, 900).await;
    for _ in 0..10 {
        app.booking(&bob, &one_each, 1).await;
    }
    let refused = app.reserve(&bob, &one_each, 1, "k4").send().await;
    assert_eq!((refused.code(), &refused.body["limit"]), ("duplicate_booking", &json!(10)));
}
