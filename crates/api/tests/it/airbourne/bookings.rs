//! Bookings.

use super::{Client, airbourne, flight, seats_left};
use axum::http::Method;
use futures::future::join_all;
use serde_json::{Value, json};

#[tokio::test]
async fn a_booking_is_answered_with_200_in_its_envelope_and_is_its_owners_natively() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    let answer = ada.book(&app, id, 2).await.ok(200);
    let number = answer["data"]["id"].as_i64().unwrap();
    let at = "2026-05-01T12:00:00.000Z";
    let data = json!({
        "id": number, "flightId": id, "userId": ada.id, "status": "Booked", "NoOfSeats": 2, "totalCost": 10_000,
        "createdAt": at, "updatedAt": at
    });
    let message = "Successfully completed  booking";
    assert_eq!(answer, json!({"data": data, "success": true, "err": {}, "message": message}));
    let second = ada.book(&app, id, 1).await.ok(200);
    assert_ne!(second["data"]["id"].as_i64().unwrap(), number);
    app.project().await;
    let history = ada.ask(&app, Method::GET, "/v1/bookings").send().await.ok(200);
    let statuses: Vec<_> = history["data"].as_array().unwrap().iter().map(|b| b["status"].clone()).collect();
    assert_eq!(statuses, ["confirmed", "confirmed"]);
}

#[tokio::test]
async fn asked_again_with_a_key_it_is_the_same_booking_and_without_one_another() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    let ask = async |key: &str, seats: i64| {
        let body = json!({"flightId": id, "userId": ada.id, "NoOfSeats": seats});
        let asked = ada.ask(&app, Method::POST, "/bookingservice/api/v1/bookings").key(key);
        asked.json(&body).send().await
    };
    let first = ask("k", 2).await.ok(200);
    assert_eq!(ask("k", 2).await.ok(200), first);
    assert_eq!(ask("k", 3).await.status, 422);
    assert_eq!(seats_left(&app, id).await, 8);
}

/// What the rules say of a field has the name that the client gave it.
#[tokio::test]
async fn more_seats_than_a_flight_sells_in_one_booking_are_refused_by_their_name() {
    let app = airbourne().await;
    let (ada, admin) = (Client::new(&app, "ada").await, app.admin().await);
    let native = crate::flights::flight(&app, &admin).await;
    app.open_flight(&admin, "k", &native).await.ok(201);
    let refused = ada.book(&app, 1, 11).await;
    assert_eq!(refused.ok(422)["err"], "Original error: NoOfSeats must be 1 to 10");
}

/// 200 one-seat requests at once on 20 seats. Airbourne sold 48 to 52 of them.
#[tokio::test]
async fn two_hundred_at_once_on_twenty_seats_sell_twenty_fifty_times_over() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    for round in 0..50 {
        let id = flight(&app, 20).await;
        let answers = join_all((0..200).map(|_| ada.book(&app, id, 1))).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(200), count(409)), (20, 180), "round {round}");
        assert_eq!(seats_left(&app, id).await, 0, "round {round}");
    }
}

/// Its load script 2 in small: sold and left are the capacity, on every flight.
#[tokio::test]
async fn what_was_sold_and_what_is_left_is_the_capacity() {
    let app = airbourne().await;
    let flights = [flight(&app, 1000).await, flight(&app, 1000).await];
    let ada = Client::new(&app, "ada").await;
    let answers = join_all((0..120).map(async |n: i64| {
        let flight = usize::try_from(n % 2).unwrap();
        (flight, ada.book(&app, flights[flight], 1 + n % 5).await.ok(200))
    }));
    let mut sold = [0; 2];
    for (flight, booked) in answers.await {
        sold[flight] += booked["data"]["NoOfSeats"].as_i64().unwrap();
    }
    for (flight, sold) in flights.into_iter().zip(sold) {
        assert_eq!(sold + seats_left(&app, flight).await, 1000);
    }
}

/// A show of booking_monitor's has a number, too.
#[tokio::test]
async fn what_is_no_flight_cannot_be_booked_as_one() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    let event = app.post("/api/v1/events").json(&json!({"name": "Sale", "total_tickets": 5})).send().await;
    let event = event.ok(201)["id"].as_i64().unwrap();
    assert_eq!(ada.book(&app, event, 1).await.status, 404);
    assert_eq!(app.get(&format!("/api/v1/flights/{event}")).send().await.ok(200)["data"], Value::Null);
}
