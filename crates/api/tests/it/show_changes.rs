//! Shows that are sold for another price, moved and cancelled.

use crate::app::{Answer, App, PATIENCE, Someone, show};
use axum::http::Method;
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_testkit::eventually;
use serde_json::{Value, json};

fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

impl App {
    async fn change_show(&self, admin: &Someone, show: &str, tag: &str, change: &Value) -> Answer {
        let path = format!("/v1/shows/{show}");
        self.ask(Method::PATCH, &path).by(admin).header("if-match", tag).json(change).send().await
    }

    async fn cancel_show(&self, admin: &Someone, show: &str) -> Answer {
        let cancel = self.post(&format!("/v1/shows/{show}/cancel")).by(admin);
        cancel.json(&json!({"reason": "illness"})).send().await
    }

    async fn get_show(&self, show: &str) -> Answer {
        self.get(&format!("/v1/shows/{show}")).send().await
    }
}

#[tokio::test]
async fn a_show_moves_and_is_the_same_from_writer_and_read_model() {
    let app = App::new().await;
    let admin = app.admin().await;
    let opened = app.post("/v1/shows").by(&admin).key("k").json(&show(50, 900)).send().await;
    assert_eq!(opened.header("etag"), "\"1\"");
    let mut expected = opened.ok(201);
    let show = id(&expected);
    app.clock.advance(TimeDelta::minutes(1));
    let change = json!({
        "starts_at": "2027-06-02T20:00:00+01:00", "zone": "Europe/Vienna", "price": {"amount": 5500, "currency": "GBP"}
    });
    let changed = app.change_show(&admin, &show, "\"1\"", &change).await;
    (expected["starts_at"], expected["sales_end_at"]) =
        (json!("2027-06-02T19:00:00Z"), json!("2027-06-02T19:00:00Z"));
    (expected["zone"], expected["price"]["amount"]) = (json!("Europe/Vienna"), json!(5500));
    expected["availability"]["position"] = changed.body["availability"]["position"].clone();
    assert_eq!((changed.status.as_u16(), changed.header("etag"), &changed.body), (200, "\"3\"", &expected));
    let live = app.get_show(&show).await;
    app.project().await;
    for found in [live, app.get_show(&show).await] {
        assert_eq!((found.header("etag"), &found.body), ("\"3\"", &expected));
    }
    assert_eq!(app.get("/v1/shows").send().await.ok(200)["data"], json!([expected]));

    let postponed =
        app.change_show(&admin, &show, "*", &json!({"starts_at": null, "zone": null})).await.ok(200);
    let times = ["starts_at", "zone", "sales_end_at"].map(|field| postponed[field].clone());
    assert_eq!(times, [Value::Null, Value::Null, Value::Null], "its sale ended at the start");
    let known = json!({"starts_at": "2027-07-01T18:00:00Z", "sales_end_at": "2027-07-01T12:00:00Z"});
    let known = app.change_show(&admin, &show, "*", &known).await.ok(200);
    assert_eq!(known["sales_end_at"], "2027-07-01T12:00:00Z");
}

#[tokio::test]
async fn a_change_names_the_version_it_has_seen() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    app.booking(&ada, &show, 1).await;
    let change = json!({"starts_at": "2027-06-02T19:30:00Z"});
    let path = format!("/v1/shows/{show}");
    let unnamed = app.ask(Method::PATCH, &path).by(&admin).json(&change).send().await;
    assert_eq!((unnamed.status.as_u16(), unnamed.code()), (428, "precondition_required"));
    let changed = app.change_show(&admin, &show, "\"1\"", &change).await;
    assert_eq!(
        (changed.status.as_u16(), changed.header("etag")),
        (200, "\"3\""),
        "bookings change no version"
    );
    let late = app.change_show(&admin, &show, "\"1\"", &json!({"zone": "Europe/Vienna"})).await;
    assert_eq!((late.status.as_u16(), late.code()), (412, "version_mismatch"));
    let events = app.events().await;
    assert_eq!(app.change_show(&admin, &show, "\"1\"", &change).await.status, 200, "it is so already");
    assert_eq!(app.events().await, events);
}

#[tokio::test]
async fn a_change_is_done_once_for_a_key() {
    let app = App::new().await;
    let admin = app.admin().await;
    let show = app.show(&admin, 10, 900).await;
    let path = format!("/v1/shows/{show}");
    let change = |at: &str| {
        let body = json!({"starts_at": at});
        app.ask(Method::PATCH, &path).by(&admin).key("k").header("if-match", "\"1\"").json(&body).send()
    };
    let first = change("2027-06-02T19:30:00Z").await;
    let again = change("2027-06-02T19:30:00Z").await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.ok(200)));
    assert_eq!(change("2027-06-03T19:30:00Z").await.code(), "idempotency_key_reused");
    assert_eq!(app.events().await, 2);
}

#[tokio::test]
async fn every_wrong_field_of_a_change_is_pointed_at_and_nothing_is_done() {
    let app = App::new().await;
    let admin = app.admin().await;
    let show = app.show(&admin, 10, 900).await;
    for (change, pointers) in [
        (json!({"starts_at": "2020-01-01T00:00:00Z"}), vec!["/starts_at"]),
        (json!({"sales_end_at": "2020-01-01T00:00:00Z"}), vec!["/sales_end_at"]),
        (json!({"sales_end_at": "2027-06-01T19:30:01Z"}), vec!["/sales_end_at"]),
        (
            json!({"starts_at": "soon", "zone": "Europe/Atlantis", "price": null}),
            vec!["/price", "/starts_at", "/zone"],
        ),
        (json!({"price": {"amount": 1, "currency": "EUR"}}), vec!["/price/currency"]),
        (json!({"name": "Another"}), vec!["/name"]),
    ] {
        let refused = app.change_show(&admin, &show, "*", &change).await;
        let mut found = refused.pointers();
        found.sort_unstable();
        assert_eq!((refused.status.as_u16(), found), (422, pointers), "{}", refused.text);
    }
    assert_eq!(app.events().await, 1);
}

#[tokio::test]
async fn a_flight_is_neither_changed_nor_cancelled_as_a_show_nor_a_show_as_a_flight() {
    let app = App::new().await;
    let admin = app.admin().await;
    let flight = crate::flights::flight(&app, &admin).await;
    let flight = id(&app.open_flight(&admin, "k", &flight).await.ok(201));
    let show = app.show(&admin, 10, 900).await;
    let later = json!({"starts_at": "2027-06-02T19:30:00Z"});
    let price = json!({"price": {"amount": 1, "currency": "GBP"}});
    let change = |path: String, body: Value| {
        app.ask(Method::PATCH, &path).by(&admin).header("if-match", "*").json(&body).send()
    };
    app.cancel_show(&admin, &show).await.ok(200);
    let refused = [
        app.change_show(&admin, &flight, "*", &later).await,
        app.cancel_show(&admin, &flight).await,
        change(format!("/v1/flights/{show}"), price).await,
        app.post(&format!("/v1/flights/{show}/cancel")).by(&admin).json(&json!({"reason": "x"})).send().await,
        app.cancel_show(&admin, "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11").await,
    ];
    for answer in refused {
        assert_eq!((answer.status.as_u16(), answer.code()), (404, "not_found"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_cancelled_show_ends_its_bookings_and_sells_nothing() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 10, 900).await;
    let (held, sold) = (app.booking(&ada, &show, 1).await, app.booking(&ada, &show, 2).await);
    app.post(&format!("/v1/bookings/{}/confirm", id(&sold))).by(&ada).send().await.ok(200);
    let cancelled = app.cancel_show(&admin, &show).await.ok(200);
    let seats = ["sales", "level", "held", "confirmed"].map(|field| cancelled["availability"][field].clone());
    assert_eq!(seats, [json!("cancelled"), json!("cancelled"), json!(0), json!(0)]);
    for booking in [&held, &sold] {
        let booking = app.get(&format!("/v1/bookings/{}", id(booking))).by(&ada).send().await.ok(200);
        assert_eq!((&booking["status"], &booking["reason"]), (&json!("cancelled"), &json!("show_cancelled")));
    }
    app.project().await;
    assert_eq!(app.get_show(&show).await.body["availability"]["level"], "cancelled", "from the read model");
    assert_eq!(app.get("/v1/shows").send().await.ok(200)["data"], json!([]));

    let block = app.post(&format!("/v1/inventories/{show}/block")).by(&admin);
    let refused = [
        app.reserve(&ada, &show, 1, "late").send().await,
        app.change_show(&admin, &show, "*", &json!({"starts_at": "2027-06-02T19:30:00Z"})).await,
        app.post(&format!("/v1/inventories/{show}/reopen-sales")).by(&admin).send().await,
        block.json(&json!({"quantity": 1, "reason": "x"})).send().await,
    ];
    for answer in refused {
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "show_cancelled"), "{}", answer.text);
    }
    let events = app.events().await;
    app.cancel_show(&admin, &show).await.ok(200);
    assert_eq!(app.events().await, events, "twice is once");
}

#[tokio::test]
async fn bookings_of_a_cancelled_show_end_however_many_there_are() {
    let app = App::new().await;
    let (admin, agent) = (app.admin().await, app.someone("agent", holdfast_api::users::Role::Agent).await);
    let mut many = show(600, 900);
    many["policy"] = json!({"live_bookings_per_user": 0, "seats_per_user": 0});
    let show = app.made(&admin, "/v1/shows", &many).await;
    let keys: Vec<_> = (0..600).map(|n| format!("b{n}")).collect();
    let sold = join_all(keys.iter().map(|key| app.reserve(&agent, &show, 1, key).send())).await;
    assert!(sold.iter().all(|answer| answer.status == 201));
    app.cancel_show(&admin, &show).await.ok(200);
    eventually(PATIENCE, "the rest ends by itself", async || {
        app.get_show(&show).await.body["availability"]["held"] == 0
    })
    .await;
    assert_eq!(app.events().await, 1 + 600 + 1 + 600);
}
