//! Airbourne's contract, as its clients and its load scripts know it.

mod accounts;
mod bookings;
mod catalogue;
mod faults;
mod flights;
mod gateway;
mod table;
mod tickets;

use crate::app::{Answer, App, Ask};
use axum::http::Method;
use serde_json::{Value, json};

/// As on loopback: anybody may change the catalogue.
async fn airbourne() -> App {
    App::with(|config| {
        config.compat = true;
        config.catalogue_is_open = true;
    })
    .await
}

/// Somebody who signed up and in by its routes.
struct Client {
    token: String,
    id: i64,
}

impl Client {
    async fn new(app: &App, name: &str) -> Self {
        let account = json!({"email": format!("{name}@test.com"), "password": "password123"});
        app.post("/auth/api/v1/signup").json(&account).send().await.ok(201);
        let session = app.post("/auth/api/v1/signin").json(&account).send().await.ok(200);
        let token = session["data"]["token"].as_str().unwrap().to_owned();
        Self { token, id: session["data"]["id"].as_i64().unwrap() }
    }

    fn ask<'a>(&self, app: &'a App, method: Method, path: &str) -> Ask<'a> {
        app.ask(method, path).header("x-access-token", &self.token)
    }

    async fn book(&self, app: &App, flight: i64, seats: i64) -> Answer {
        self.send(app, &json!({"flightId": flight, "userId": self.id, "NoOfSeats": seats})).await
    }

    async fn send(&self, app: &App, body: &Value) -> Answer {
        self.ask(app, Method::POST, "/bookingservice/api/v1/bookings").json(body).send().await
    }
}

/// The id in the answer to a POST that makes something.
async fn made(app: &App, path: &str, body: &Value) -> i64 {
    app.post(path).json(body).send().await.ok(201)["data"]["id"].as_i64().unwrap()
}

/// Two airports, in two cities.
async fn two_airports(app: &App) -> (i64, i64) {
    let mut airports = Vec::new();
    for name in ["A", "B"] {
        let city = format!("City {name} {}", app.events().await);
        let city = made(app, "/api/v1/city", &json!({"name": city})).await;
        airports.push(made(app, "/api/v1/airports", &json!({"name": name, "cityId": city})).await);
    }
    (airports[0], airports[1])
}

/// A body that makes a flight of so many seats.
async fn flight_of(app: &App, seats: i64) -> Value {
    let (from, to) = two_airports(app).await;
    let airplane = made(app, "/api/v1/airplane", &json!({"modelNumber": "A320", "capacity": seats})).await;
    json!({
        "flightNumber": format!("FN_{airplane}"), "airplaneId": airplane, "departureAirportID": from, "arrivalAirportId": to,
        "departureTime": "2025-10-10T10:00:00Z", "arrivalTime": "2025-10-10T12:00:00Z", "price": 5000,
        "boardingGate": "Gate_7",
    })
}

/// A flight of so many seats at 5000 each, which left long ago, as those of its load scripts.
async fn flight(app: &App, seats: i64) -> i64 {
    made(app, "/api/v1/flights", &flight_of(app, seats).await).await
}

async fn seats_left(app: &App, flight: i64) -> i64 {
    let flight = app.get(&format!("/api/v1/flights/{flight}")).send().await.ok(200);
    flight["data"]["totalSeats"].as_i64().unwrap()
}
