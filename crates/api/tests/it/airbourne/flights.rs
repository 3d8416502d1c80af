//! Flights and their seats.

use super::{Client, airbourne, flight, flight_of, made, seats_left};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_flight_is_made_of_its_airplanes_seats_and_shown_as_it_is_now() {
    let app = airbourne().await;
    let body = flight_of(&app, 180).await;
    let answer = app.post("/flights/api/v1/flights");
    let ada = Client::new(&app, "ada").await;
    let answer = answer.header("x-access-token", &ada.token).json(&body).send().await.ok(201);
    let id = answer["data"]["id"].as_i64().unwrap();
    let at = "2026-05-01T12:00:00.000Z";
    let mut data = body.clone();
    for (name, value) in [
        ("id", json!(id)),
        ("totalSeats", json!(180)),
        ("departureTime", json!("2025-10-10T10:00:00.000Z")),
        ("arrivalTime", json!("2025-10-10T12:00:00.000Z")),
        ("updatedAt", json!(at)),
        ("createdAt", json!(at)),
    ] {
        data[name] = value;
    }
    assert_eq!(
        answer,
        json!({"data": data, "success": true, "err": {}, "message": "Successfully created a flight"})
    );
    ada.book(&app, id, 3).await.ok(200);
    assert_eq!(seats_left(&app, id).await, 177, "its own write is read");
    assert_eq!(app.get("/api/v1/flights/99999").send().await.ok(200)["data"], Value::Null);
}

#[tokio::test]
async fn the_times_of_its_load_scripts_make_flights_and_what_is_no_time_does_not() {
    let app = airbourne().await;
    let mut body = flight_of(&app, 5).await;
    for (n, (leaves, lands, status)) in [
        ("2025-10-10T0:00:00Z", "2025-10-10T2:00:00Z", 201),
        ("2025-10-10T23:00:00Z", "2025-10-10T25:00:00Z", 201),
        ("2025-10-10T25:00:00Z", "2025-10-11T0:30:00Z", 422),
        ("2025-10-10T10:00:00Z", "2025-10-10T10:00:00Z", 422),
        ("soon", "later", 422),
        ("2025-02-30T10:00:00Z", "2025-03-03T10:00:00Z", 422),
    ]
    .into_iter()
    .enumerate()
    {
        body["flightNumber"] = json!(format!("FN_{n}"));
        body["departureTime"] = json!(leaves);
        body["arrivalTime"] = json!(lands);
        let answer = app.post("/api/v1/flights").json(&body).send().await;
        assert_eq!(answer.status, status, "{leaves} {lands}: {}", answer.text);
    }
    let before = app.events().await;
    for (name, value, status) in [
        ("price", json!(0), 400),
        ("price", json!(-1), 422),
        ("price", json!(9_007_199_254_740_993_i64), 422),
        ("price", json!("5000"), 422),
        ("flightNumber", Value::Null, 400),
        ("flightNumber", json!("x".repeat(21)), 422),
        ("airplaneId", json!(999_999), 422),
        ("airplaneId", json!("../airplane/1"), 422),
        ("departureAirportID", json!(999_999), 422),
        ("arrivalAirportId", json!(1e99), 422),
        ("arrivalAirportId", body["departureAirportID"].clone(), 422),
    ] {
        let mut wrong = body.clone();
        wrong["departureTime"] = json!("2025-10-10T10:00:00Z");
        wrong["arrivalTime"] = json!("2025-10-10T12:00:00Z");
        wrong[name] = value;
        let answer = app.post("/api/v1/flights").json(&wrong).send().await;
        assert_eq!(answer.status, status, "{name} {}: {}", wrong[name], answer.text);
        assert_eq!((&answer.body["sucess"], &answer.body["data"]), (&json!(false), &json!({})));
    }
    assert_eq!(
        (app.events().await, app.claims().await.len() as i64),
        (before, before),
        "nothing half-made is left"
    );
    let id = flight(&app, 5).await;
    let (before, claims) = (app.events().await, app.claims().await);
    for (name, value) in [
        ("price", json!(-1)),
        ("price", json!(9_007_199_254_740_993_i64)),
        ("price", json!("5000")),
        ("departureTime", json!("2025-02-30T10:00:00Z")),
        ("departureTime", json!("2035-10-12T10:00:00Z")), // after it lands
        ("arrivalTime", json!("2025-10-09T10:00:00Z")),
        ("boardingGate", json!(7)),
    ] {
        let path = format!("/api/v1/flights/{id}");
        let answer = app.ask(Method::PATCH, &path).json(&json!({name: value})).send().await;
        assert_eq!(answer.status, 422, "{name} {value}: {}", answer.text);
    }
    assert_eq!((app.events().await, app.claims().await), (before, claims), "and it is as it was");
}

#[tokio::test]
async fn flights_are_found_by_airport_and_price_with_the_seats_that_are_left() {
    let app = airbourne().await;
    let mut body = flight_of(&app, 10).await;
    let mut ids = Vec::new();
    for (n, price) in [5000, 6000, 7000].into_iter().enumerate() {
        body["flightNumber"] = json!(format!("FN_{n}"));
        body["price"] = json!(price);
        ids.push(made(&app, "/api/v1/flights", &body).await);
    }
    let ada = Client::new(&app, "ada").await;
    ada.book(&app, ids[1], 4).await.ok(200);
    app.project().await;
    let (from, to) = (&body["departureAirportID"], &body["arrivalAirportId"]);
    for (query, expected) in [
        (String::new(), vec![(ids[0], 10), (ids[1], 6), (ids[2], 10)]),
        ("?minPrice=6000&maxPrice=6000".to_owned(), vec![(ids[1], 6)]),
        (format!("?departureAirportID={from}&arrivalAirportId={to}&minPrice=6001"), vec![(ids[2], 10)]),
        (format!("?departureAirportID={to}"), vec![]),
        ("?maxPrice=".to_owned(), vec![(ids[0], 10), (ids[1], 6), (ids[2], 10)]),
    ] {
        let list = app.get(&format!("/api/v1/flights{query}")).send().await.ok(200);
        let found: Vec<_> = list["data"].as_array().unwrap().iter().collect();
        let found: Vec<_> =
            found.iter().map(|f| (f["id"].as_i64().unwrap(), f["totalSeats"].as_i64().unwrap())).collect();
        assert_eq!(found, expected, "{query}");
        assert_eq!(list["message"], "Successfully got flights");
    }
    assert_eq!(app.get("/api/v1/flights?minPrice=cheap").send().await.status, 422);
}

#[tokio::test]
async fn a_list_that_would_lack_what_was_booked_is_not_given() {
    let app = airbourne().await;
    assert_eq!(app.get("/api/v1/flights").send().await.ok(200)["data"], json!([]), "nothing was ever sold");
    flight(&app, 10).await;
    let late = app.get("/api/v1/flights").send().await;
    assert_eq!((late.status.as_u16(), late.header("retry-after")), (503, "1"));
    app.project().await;
    assert_eq!(app.get("/api/v1/flights").send().await.ok(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_price_counts_from_then_on() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    assert_eq!(ada.book(&app, id, 2).await.ok(200)["data"]["totalCost"], 10_000);
    let path = format!("/flights/api/v1/flights/{id}");
    let change = json!({"price": 100, "departureTime": "2025-10-10T9:00:00Z", "boardingGate": "B2"});
    let changed = ada.ask(&app, Method::PATCH, &path).json(&change).send().await.ok(200);
    assert_eq!((&changed["data"], &changed["success"]), (&json!(true), &json!(true)));
    assert_eq!(ada.book(&app, id, 2).await.ok(200)["data"]["totalCost"], 200);
    let now = app.get(&format!("/api/v1/flights/{id}")).send().await.ok(200)["data"].clone();
    assert_eq!((&now["price"], &now["boardingGate"]), (&json!(100), &json!("B2")));
    assert_eq!((&now["departureTime"], &now["totalSeats"]), (&json!("2025-10-10T09:00:00.000Z"), &json!(6)));
}

/// The original had one flight a number, for ever; and its answer was 500, with SQL.
#[tokio::test]
async fn a_number_is_one_flights_on_a_day_and_free_again_when_that_is_deleted() {
    let app = airbourne().await;
    let body = flight_of(&app, 5).await;
    let first = app.post("/api/v1/flights").json(&body).send().await.ok(201);
    let twice = app.post("/api/v1/flights").json(&body).send().await;
    assert_eq!(twice.status, 409, "{}", twice.text);
    let mut next_day = body.clone();
    next_day["departureTime"] = json!("2025-10-11T10:00:00Z");
    next_day["arrivalTime"] = json!("2025-10-11T12:00:00Z");
    app.post("/api/v1/flights").json(&next_day).send().await.ok(201);
    let path = format!("/api/v1/flights/{}", first["data"]["id"]);
    let onto_it =
        app.ask(Method::PATCH, &path).json(&json!({"departureTime": "2025-10-11T9:00:00Z"})).send().await;
    assert_eq!(onto_it.status, 409, "{}", onto_it.text);
    app.ask(Method::DELETE, &path).send().await.ok(200);
    app.post("/api/v1/flights").json(&body).send().await.ok(201);
}
