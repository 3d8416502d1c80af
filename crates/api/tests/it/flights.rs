//! Flights: opened once, moved and sold for another price whole or not at all, cancelled with all their bookings.

use crate::app::{Answer, App, PATIENCE, Someone, noon};
use axum::http::Method;
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_testkit::eventually;
use serde_json::{Value, json};

const NOTHING: &str = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";

/// A body that opens a flight from Berlin to New York, late in the evening of 6 December.
pub(crate) async fn flight(app: &App, admin: &Someone) -> Value {
    let city = app.city(admin).await;
    json!({
        "number": "HF1207", "airplane_id": app.airplane(admin, 180).await,
        "departure_airport_id": app.airport(admin, &city, "Europe/Berlin").await,
        "arrival_airport_id": app.airport(admin, &city, "America/New_York").await,
        "departs_at": "2026-12-06T22:30:00Z", "arrives_at": "2026-12-07T07:30:00Z",
        "price": {"amount": 24900, "currency": "EUR"}, "gate": "B12"
    })
}

fn with(flight: &Value, field: &str, value: Value) -> Value {
    let mut flight = flight.clone();
    flight[field] = value;
    flight
}

impl App {
    pub(crate) async fn open_flight(&self, admin: &Someone, key: &str, flight: &Value) -> Answer {
        self.post("/v1/flights").by(admin).key(key).json(flight).send().await
    }

    async fn change_flight(&self, admin: &Someone, flight: &str, tag: &str, change: &Value) -> Answer {
        let path = format!("/v1/flights/{flight}");
        self.ask(Method::PATCH, &path).by(admin).header("if-match", tag).json(change).send().await
    }

    async fn cancel_flight(&self, admin: &Someone, flight: &str) -> Answer {
        let cancel = self.post(&format!("/v1/flights/{flight}/cancel")).by(admin);
        cancel.json(&json!({"reason": "weather"})).send().await
    }

    async fn flight(&self, flight: &str) -> Answer {
        self.get(&format!("/v1/flights/{flight}")).send().await
    }

    /// Numbers that are taken, with their days.
    pub(crate) async fn claims(&self) -> Vec<(String, String)> {
        let sql = "SELECT number, departure_day::text FROM flight_claims ORDER BY number, departure_day";
        sqlx::query_as(sql).fetch_all(&self.pool).await.unwrap()
    }

    async fn days(&self) -> Vec<String> {
        self.claims().await.into_iter().map(|(_, day)| day).collect()
    }
}

fn id(thing: &Value) -> String {
    thing["id"].as_str().unwrap().to_owned()
}

/// Also with every projector stopped: what was answered is there.
#[tokio::test]
async fn a_flight_is_there_at_once_by_utc_and_by_the_clocks_of_its_airports() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = flight(&app, &admin).await;
    let opened = app.open_flight(&admin, "k", &body).await;
    assert_eq!((opened.status.as_u16(), opened.header("etag")), (201, "\"1\""), "{}", opened.text);
    let place = opened.header("location").to_owned();
    let opened = opened.body;
    assert_eq!(place, format!("/v1/flights/{}", id(&opened)));
    for (field, value) in [
        ("number", json!("HF1207")),
        ("departs_at", json!("2026-12-06T22:30:00Z")),
        ("departs_at_local", json!("2026-12-06T23:30:00+01:00")),
        ("arrives_at_local", json!("2026-12-07T02:30:00-05:00")),
        ("departure_day", json!("2026-12-06")),
        ("departure_zone", json!("Europe/Berlin")),
        ("gate", json!("B12")),
        ("price", json!({"amount": 24900, "currency": "EUR"})),
    ] {
        assert_eq!(opened[field], value, "{field}");
    }
    let seats = &opened["availability"];
    assert_eq!(
        (&seats["capacity"], &seats["available"], &seats["level"]),
        (&json!(180), &json!(180), &json!("ok"))
    );
    let before = app.flight(&id(&opened)).await;
    app.project().await;
    let after = app.flight(&id(&opened)).await;
    for got in [&before, &after] {
        assert_eq!((got.header("etag"), &got.body), ("\"1\"", &opened));
    }
    let smaller = with(&with(&body, "capacity", json!(9)), "number", json!("HF1"));
    let smaller = app.open_flight(&admin, "other", &smaller).await.ok(201);
    assert_eq!(smaller["availability"]["capacity"], 9);
    let shows = app.get("/v1/shows").send().await.ok(200);
    assert_eq!(shows["data"], json!([]), "a flight is no show");
    assert_eq!(app.get(&format!("/v1/shows/{}", id(&opened))).send().await.status, 404);
}

#[tokio::test]
async fn every_wrong_field_of_a_flight_is_pointed_at_and_nothing_is_done() {
    let app = App::new().await;
    let admin = app.admin().await;
    let good = flight(&app, &admin).await;
    let before = app.events().await;
    let airplane = good["airplane_id"].clone();
    for (field, values) in [
        (
            "number",
            vec![json!("A"), json!("hf1"), json!("HF 1"), json!("HF1207HF120"), json!(7), Value::Null],
        ),
        ("airplane_id", vec![json!(NOTHING), json!("../airplane/1"), json!(1), json!(1e99), Value::Null]),
        ("departure_airport_id", vec![json!(NOTHING), json!("BER"), json!(-1), Value::Null]),
        ("arrival_airport_id", vec![json!(NOTHING), airplane.clone(), good["departure_airport_id"].clone()]),
        (
            "departs_at",
            vec![
                json!("2026-02-30T10:00:00Z"),
                json!("2026-12-06T25:00:00Z"),
                json!("2026-12-06"),
                json!("9999-12-31T20:00:00Z"),
                json!(0),
            ],
        ),
        // It has left; and it lands before it leaves.
        ("departs_at", vec![json!("2026-05-01T12:00:00Z")]),
        ("arrives_at", vec![json!("2026-12-06T22:30:00Z"), json!("2026-12-06T10:00:00Z"), Value::Null]),
        ("capacity", vec![json!(-1), json!(10_000_001), json!(1.5), json!("9")]),
        ("gate", vec![json!(""), json!("B\n1"), json!("B".repeat(21)), json!(7)]),
        ("policy", vec![Value::Null, json!([])]),
    ] {
        for value in values {
            let answer = app.open_flight(&admin, "k", &with(&good, field, value.clone())).await;
            assert_eq!(
                (answer.status.as_u16(), answer.pointers()),
                (422, vec![&*format!("/{field}")]),
                "{value}: {}",
                answer.text
            );
        }
    }
    for (price, pointer) in [
        (json!({"amount": -1, "currency": "EUR"}), "/price/amount"),
        (json!({"amount": 9_007_199_254_740_993_i64, "currency": "EUR"}), "/price/amount"),
        (json!({"amount": 1e99, "currency": "EUR"}), "/price/amount"),
        (json!({"amount": 1, "currency": "XQQ"}), "/price/currency"),
        (json!({"amount": 1, "currency": "eur"}), "/price/currency"),
        // Gold, and no currency at all: they have no minor units.
        (json!({"amount": 1, "currency": "XAU"}), "/price/currency"),
        (json!({"amount": 1, "currency": "XXX"}), "/price/currency"),
    ] {
        let answer = app.open_flight(&admin, "k", &with(&good, "price", price.clone())).await;
        assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec![pointer]), "{price}");
    }
    // Nobody says himself what is ours to say.
    for field in ["id", "status", "available", "totalSeats", "departure_zone", "version", "opened_at"] {
        let answer = app.open_flight(&admin, "k", &with(&good, field, json!(1))).await;
        assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec![&*format!("/{field}")]));
    }
    let nowhere =
        json!({"airplane_id": NOTHING, "departure_airport_id": NOTHING, "arrival_airport_id": NOTHING});
    let mut unknown = good.clone();
    nowhere.as_object().unwrap().iter().for_each(|(field, value)| unknown[field] = value.clone());
    let answer = app.open_flight(&admin, "k", &unknown).await;
    assert_eq!(answer.pointers(), ["/departure_airport_id", "/arrival_airport_id", "/airplane_id"]);
    let zone =
        json!({"code": "XYZ", "name": "x", "city_id": app.city(&admin).await, "zone": "Europe/Atlantis"});
    let zone = app.post("/v1/airports").by(&admin).key("zone").json(&zone).send().await;
    assert_eq!((zone.status.as_u16(), zone.pointers()), (422, vec!["/zone"]));
    assert_eq!((app.events().await, app.claims().await), (before, vec![]));
    app.open_flight(&admin, "k", &good).await.ok(201);
}

/// The first of each kind, which have the same number.
#[tokio::test]
async fn ids_of_other_kinds_are_no_flights_and_a_flights_is_nothing_else() {
    let app = App::new().await;
    let admin = app.admin().await;
    let city = app.city(&admin).await;
    let (show, body) = (app.show(&admin, 10, 60).await, flight(&app, &admin).await);
    let opened = id(&app.open_flight(&admin, "k", &body).await.ok(201));
    let [airplane, airport] =
        ["airplane_id", "departure_airport_id"].map(|field| body[field].as_str().unwrap());
    for other in [airplane, airport, &city] {
        let book = json!({"inventory_id": other, "quantity": 1});
        let booked = app.post("/v1/bookings").by(&admin).key("book").json(&book).send().await;
        assert_eq!(booked.status, 404, "{other}: {}", booked.text);
        let within = json!({"code": "ZZZ", "name": "x", "city_id": if other == city { &opened } else { other }, "zone": "UTC"});
        let made = app.post("/v1/airports").by(&admin).key("made").json(&within).send().await;
        assert_eq!(
            (made.status.as_u16(), made.pointers()),
            (422, vec!["/city_id"]),
            "{other}: {}",
            made.text
        );
    }
    for other in [airplane, &opened] {
        let found = app.get(&format!("/v1/flights?from={other}")).send().await;
        assert_eq!((found.status.as_u16(), found.pointers()), (422, vec!["/from"]), "{other}");
    }
    for other in [NOTHING, &show, airplane, airport, &city, "no-id", "1", "1e99", "null", "..%2Fairplane%2F1"]
    {
        assert_eq!(app.flight(other).await.status, 404, "{other}");
        let change = json!({"price": {"amount": 1, "currency": "EUR"}});
        assert_eq!(app.change_flight(&admin, other, "*", &change).await.status, 404, "{other}");
        let moved = json!({"departs_at": "2026-12-06T10:00:00Z"});
        assert_eq!(app.change_flight(&admin, other, "*", &moved).await.status, 404, "{other}");
        assert_eq!(app.cancel_flight(&admin, other).await.status, 404, "{other}");
    }
}

#[tokio::test]
async fn the_same_key_opens_one_flight_even_at_once_and_after_it_was_cancelled() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = flight(&app, &admin).await;
    let answers = join_all((0..8).map(|_| app.open_flight(&admin, "k", &body))).await;
    let first = answers[0].body.clone();
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body), (201, &first), "{}", answer.text);
    }
    assert_eq!(answers.iter().filter(|a| a.header("idempotency-replayed") == "true").count(), 7);
    assert_eq!(app.events().await, 1);
    let dearer = with(&body, "price", json!({"amount": 1, "currency": "EUR"}));
    assert_eq!(app.open_flight(&admin, "k", &dearer).await.code(), "idempotency_key_reused");
    let later = with(&with(&body, "departs_at", json!("2026-12-05T10:00:00Z")), "number", json!("HF9"));
    assert_eq!(app.open_flight(&admin, "k", &later).await.code(), "idempotency_key_reused");
    app.cancel_flight(&admin, &id(&first)).await.ok(200);
    let again = app.open_flight(&admin, "k", &body).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first), "the first answer again");
    assert_eq!((app.events().await, app.claims().await), (2, vec![]));
}

/// Without the claim all of them would be opened: each stream is another's.
#[tokio::test]
async fn of_many_flights_of_one_number_on_one_day_exactly_one_is_opened() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = flight(&app, &admin).await;
    let keys: Vec<_> = (0..12).map(|n| format!("k{n}")).collect();
    let answers = join_all(keys.iter().map(|key| app.open_flight(&admin, key, &body))).await;
    let opened = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.code() == "flight_exists").count();
    assert_eq!((opened, refused, app.events().await), (1, 11, 1));
    // 23:30 in Berlin; an hour later it is another day there, though not by UTC.
    let next_day = with(&body, "departs_at", json!("2026-12-06T23:30:00Z"));
    app.open_flight(&admin, "next day", &next_day).await.ok(201);
    let other_number = with(&body, "number", json!("HF1208"));
    app.open_flight(&admin, "other number", &other_number).await.ok(201);
    assert_eq!(app.events().await, 3);
}

/// The server, or its connection, dies between claim and event. The same key goes on where it ended; another has the
/// number after a minute, because until then the event might be on its way.
#[tokio::test]
async fn a_claim_without_its_event_is_found_by_its_own_request_and_void_after_a_minute() {
    let (app, proxy) = App::behind_proxy().await;
    let admin = app.admin().await;
    let body = flight(&app, &admin).await;
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO flight_claims"));
    let lost = app.open_flight(&admin, "k", &body).await;
    assert_eq!((lost.code(), proxy.losses(), app.events().await), ("store_unavailable", 1, 0));
    assert_eq!(app.days().await, ["2026-12-06"], "it is claimed, and there is no flight");
    assert_eq!(app.open_flight(&admin, "other", &body).await.code(), "flight_exists");
    app.clock.advance(TimeDelta::seconds(59));
    assert_eq!(app.open_flight(&admin, "other", &body).await.code(), "flight_exists");
    app.clock.advance(TimeDelta::seconds(1));
    let other = app.open_flight(&admin, "other", &body).await.ok(201);
    assert_eq!(app.open_flight(&admin, "k", &body).await.code(), "flight_exists", "it is another's now");
    assert_eq!((app.events().await, app.days().await), (1, vec!["2026-12-06".to_owned()]));
    // A claim whose flight has it is not void, however old it is.
    app.clock.advance(TimeDelta::minutes(30));
    assert_eq!(app.open_flight(&admin, "third", &body).await.code(), "flight_exists");
    assert_eq!(app.flight(&id(&other)).await.status, 200);

    let next = with(&body, "number", json!("HF1208"));
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO flight_claims"));
    assert_eq!(app.open_flight(&admin, "again", &next).await.code(), "store_unavailable");
    app.open_flight(&admin, "again", &next).await.ok(201);
    assert_eq!(app.events().await, 2, "one flight, from its own claim");
}

#[tokio::test]
async fn later_bookings_pay_the_changed_price_and_earlier_ones_keep_theirs() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let flight = id(&app.open_flight(&admin, "k", &flight(&app, &admin).await).await.ok(201));
    let first = app.booking(&ada, &flight, 2).await;
    let dearer = json!({"price": {"amount": 30_000, "currency": "EUR"}});
    let changed = app.change_flight(&admin, &flight, "\"1\"", &dearer).await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"3\""), "{}", changed.text);
    assert_eq!(changed.body["price"]["amount"], 30_000);
    let second = app.booking(&ada, &flight, 2).await;
    assert_eq!((&first["total"]["amount"], &second["total"]["amount"]), (&json!(49_800), &json!(60_000)));
    let first = app.get(&format!("/v1/bookings/{}", id(&first))).by(&ada).send().await.ok(200);
    assert_eq!(first["total"]["amount"], 49_800);
    app.project().await;
    let list = app.get("/v1/bookings").by(&ada).send().await.ok(200);
    let totals: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|b| b["total"]["amount"].clone()).collect();
    assert_eq!((totals.contains(&json!(49_800)), totals.contains(&json!(60_000))), (true, true));
    assert_eq!(app.flight(&flight).await.body["price"]["amount"], 30_000, "from the read model");
    let yen = json!({"price": {"amount": 1, "currency": "JPY"}});
    assert_eq!(app.change_flight(&admin, &flight, "*", &yen).await.pointers(), ["/price/currency"]);
}

#[tokio::test]
async fn a_change_needs_the_version_it_changes_and_is_done_whole_or_not_at_all() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let flight = id(&app.open_flight(&admin, "k", &flight(&app, &admin).await).await.ok(201));
    let path = format!("/v1/flights/{flight}");
    let change = json!({"gate": "C1"});
    let without = app.ask(Method::PATCH, &path).by(&admin).json(&change).send().await;
    assert_eq!((without.status.as_u16(), without.code()), (428, "precondition_required"));
    // Seats that are sold do not make another version: whoever edits a flight that sells gets through.
    app.booking(&ada, &flight, 1).await;
    app.change_flight(&admin, &flight, "\"1\"", &change).await.ok(200);
    let late = app.change_flight(&admin, &flight, "\"1\"", &json!({"gate": null})).await;
    assert_eq!((late.status.as_u16(), late.code()), (412, "version_mismatch"));
    let both = app.change_flight(&admin, &flight, "\"1\", \"3\"", &json!({"gate": null})).await.ok(200);
    assert_eq!(both["gate"], Value::Null);
    let before = (app.flight(&flight).await.body, app.events().await, app.claims().await);
    for (wrong, pointer) in [
        (
            json!({"price": {"amount": 1, "currency": "EUR"}, "arrives_at": "2026-12-06T22:00:00Z"}),
            "/arrives_at",
        ),
        (json!({"gate": "A1", "departs_at": "2026-05-01T12:00:00Z"}), "/departs_at"),
        (json!({"departs_at": "2026-12-08T10:00:00Z", "gate": "A1"}), "/arrives_at"),
        (json!({"price": null}), "/price"),
        (json!({"departs_at": null}), "/departs_at"),
        (json!({"gate": "A1", "number": "HF1"}), "/number"),
        (json!({"id": NOTHING}), "/id"),
    ] {
        let answer = app.change_flight(&admin, &flight, "*", &wrong).await;
        assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec![pointer]), "{wrong}");
    }
    assert_eq!((app.flight(&flight).await.body, app.events().await, app.claims().await), before);
    let nothing = app.change_flight(&admin, &flight, "\"1\"", &json!({})).await;
    assert_eq!((nothing.status.as_u16(), app.events().await), (200, before.1), "it is so already");
}

#[tokio::test]
async fn a_flight_that_moves_to_another_day_takes_its_number_there() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = flight(&app, &admin).await;
    let first = id(&app.open_flight(&admin, "1", &body).await.ok(201));
    let next_day = json!({"departs_at": "2026-12-07T22:30:00Z", "arrives_at": "2026-12-08T07:30:00Z"});
    let moved = app.change_flight(&admin, &first, "\"1\"", &next_day).await.ok(200);
    assert_eq!(
        (&moved["departure_day"], app.days().await),
        (&json!("2026-12-07"), vec!["2026-12-07".to_owned()])
    );
    let second = id(&app.open_flight(&admin, "2", &body).await.ok(201));
    let taken = app.change_flight(&admin, &second, "*", &next_day).await;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, "flight_exists"), "{}", taken.text);
    // A move that is refused takes nothing: the day it was for is free.
    let wrong = json!({"departs_at": "2026-12-09T22:30:00Z"});
    assert_eq!(app.change_flight(&admin, &second, "*", &wrong).await.pointers(), ["/arrives_at"]);
    let third_day = with(
        &with(&body, "departs_at", json!("2026-12-09T22:30:00Z")),
        "arrives_at",
        json!("2026-12-10T07:30:00Z"),
    );
    app.open_flight(&admin, "3", &third_day).await.ok(201);
    assert_eq!(app.days().await, ["2026-12-06", "2026-12-07", "2026-12-09"]);
}

/// The day it left is given up after the event. Should that not happen, whoever wants it gets it all the same.
#[tokio::test]
async fn a_day_that_a_flight_has_left_is_free_even_if_it_was_not_given_up() {
    let (app, proxy) = App::behind_proxy().await;
    let admin = app.admin().await;
    let body = flight(&app, &admin).await;
    let first = id(&app.open_flight(&admin, "1", &body).await.ok(201));
    let next_day = json!({"departs_at": "2026-12-07T22:30:00Z", "arrives_at": "2026-12-08T07:30:00Z"});
    proxy.lose_next_answer(|sql| sql.contains("DELETE FROM flight_claims"));
    sqlx::query("CREATE RULE kept AS ON DELETE TO flight_claims DO INSTEAD NOTHING")
        .execute(&app.pool)
        .await
        .unwrap();
    app.change_flight(&admin, &first, "*", &next_day).await.ok(200);
    assert_eq!(app.days().await, ["2026-12-06", "2026-12-07"], "it was not given up");
    app.clock.advance(TimeDelta::minutes(1));
    app.open_flight(&admin, "2", &body).await.ok(201);
    assert_eq!(app.days().await, ["2026-12-06", "2026-12-07"]);
}

#[tokio::test]
async fn a_cancelled_flight_ends_its_bookings_sells_nothing_and_frees_its_number() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let body = flight(&app, &admin).await;
    let flight = id(&app.open_flight(&admin, "k", &body).await.ok(201));
    let (held, sold) = (app.booking(&ada, &flight, 1).await, app.booking(&ada, &flight, 2).await);
    app.post(&format!("/v1/bookings/{}/confirm", id(&sold))).by(&ada).send().await.ok(200);
    let cancelled = app.cancel_flight(&admin, &flight).await.ok(200);
    let seats = &cancelled["availability"];
    assert_eq!(
        (&seats["sales"], &seats["level"], &seats["held"], &seats["confirmed"]),
        (&json!("cancelled"), &json!("cancelled"), &json!(0), &json!(0))
    );
    for booking in [&held, &sold] {
        let booking = app.get(&format!("/v1/bookings/{}", id(booking))).by(&ada).send().await.ok(200);
        assert_eq!(
            (&booking["status"], &booking["reason"]),
            (&json!("cancelled"), &json!("flight_cancelled"))
        );
        assert_eq!(booking["available_actions"], json!([]));
    }
    app.project().await;
    let history = app.get("/v1/bookings?status=cancelled").by(&ada).send().await.ok(200);
    assert_eq!(history["data"].as_array().unwrap().len(), 2);
    assert_eq!(app.flight(&flight).await.body["availability"]["level"], "cancelled", "from the read model");

    assert_eq!(app.reserve(&ada, &flight, 1, "late").send().await.code(), "flight_cancelled");
    let change = json!({"price": {"amount": 1, "currency": "EUR"}});
    assert_eq!(app.change_flight(&admin, &flight, "*", &change).await.code(), "flight_cancelled");
    let moved = json!({"departs_at": "2026-12-08T06:30:00Z", "arrives_at": "2026-12-08T07:30:00Z"});
    assert_eq!(app.change_flight(&admin, &flight, "*", &moved).await.code(), "flight_cancelled");
    let reopen = app.post(&format!("/v1/inventories/{flight}/reopen-sales")).by(&admin).send().await;
    assert_eq!((reopen.status.as_u16(), reopen.code()), (409, "flight_cancelled"));
    let events = app.events().await;
    app.cancel_flight(&admin, &flight).await.ok(200);
    assert_eq!((app.events().await, app.claims().await), (events, vec![]), "twice is once");
    app.open_flight(&admin, "another", &body).await.ok(201);
}

#[tokio::test]
async fn bookings_of_a_cancelled_flight_end_however_many_there_are() {
    let app = App::new().await;
    let (admin, agent) = (app.admin().await, app.someone("agent", holdfast_api::users::Role::Agent).await);
    let many = with(&flight(&app, &admin).await, "capacity", json!(600));
    let many = with(&many, "policy", json!({"live_bookings_per_user": 0, "seats_per_user": 0}));
    let flight = id(&app.open_flight(&admin, "k", &many).await.ok(201));
    let keys: Vec<_> = (0..600).map(|n| format!("b{n}")).collect();
    let sold = join_all(keys.iter().map(|key| app.reserve(&agent, &flight, 1, key).send())).await;
    assert!(sold.iter().all(|answer| answer.status == 201));
    app.cancel_flight(&admin, &flight).await.ok(200);
    eventually(PATIENCE, "the rest ends by itself", async || {
        app.flight(&flight).await.body["availability"]["held"] == 0
    })
    .await;
    assert_eq!(app.events().await, 1 + 600 + 1 + 600);
}

#[tokio::test]
async fn a_customer_neither_books_nor_confirms_nor_cancels_what_has_left() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let departs_at = noon() + TimeDelta::minutes(10);
    let body = with(&flight(&app, &admin).await, "departs_at", json!(departs_at));
    let flight = id(&app.open_flight(&admin, "k", &body).await.ok(201));
    let held = app.booking(&ada, &flight, 1).await;
    app.clock.advance(TimeDelta::minutes(10));
    let late = app.reserve(&ada, &flight, 1, "late").send().await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "departed"), "{}", late.text);
    assert_eq!(late.body["departed_at"], json!(departs_at));
    for action in ["confirm", "cancel"] {
        let late = app.post(&format!("/v1/bookings/{}/{action}", id(&held))).by(&ada).send().await;
        assert_eq!((late.status.as_u16(), late.code()), (409, "departed"), "{}", late.text);
    }
    app.post(&format!("/v1/bookings/{}/cancel", id(&held))).by(&admin).send().await.ok(200);
}

#[tokio::test]
async fn what_a_flight_depends_on_is_not_deleted() {
    let app = App::new().await;
    let admin = app.admin().await;
    let body = flight(&app, &admin).await;
    let flight = id(&app.open_flight(&admin, "k", &body).await.ok(201));
    let things = [
        ("airplanes", "airplane_id"),
        ("airports", "departure_airport_id"),
        ("airports", "arrival_airport_id"),
    ];
    let delete = |(kind, field): (&str, &str)| {
        app.ask(Method::DELETE, &format!("/v1/{kind}/{}", body[field].as_str().unwrap())).by(&admin).send()
    };
    for thing in things {
        let refused = delete(thing).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["used_by"]),
            (409, &json!("flights")),
            "{}",
            refused.text
        );
    }
    app.cancel_flight(&admin, &flight).await.ok(200);
    for thing in things {
        assert_eq!(delete(thing).await.status, 204);
    }
}
