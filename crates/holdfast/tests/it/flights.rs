//! A flight with thousands of bookings is cancelled, and the server is killed while they end.

use crate::booked::connection;
use crate::server::{Place, rand_key};
use holdfast_cluster::Cluster;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const BOOKINGS: i64 = 2_000;
/// Bookings that are asked for at once.
const AT_ONCE: i64 = 100;
const PATIENCE: Duration = Duration::from_secs(60);

impl Place {
    async fn made(&self, token: &str, path: &str, body: &Value) -> String {
        let request = self.http.post(self.url(path)).bearer_auth(token).header("Idempotency-Key", rand_key());
        let answer = request.json(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{path}");
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }

    async fn open_flight(&self, token: &str, capacity: i64) -> String {
        let city = self.made(token, "/v1/cities", &json!({"name": "Berlin"})).await;
        let airport =
            |code: &str| json!({"code": code, "name": code, "city_id": city, "zone": "Europe/Berlin"});
        let from = self.made(token, "/v1/airports", &airport("BER")).await;
        let to = self.made(token, "/v1/airports", &airport("TXL")).await;
        let airplane =
            self.made(token, "/v1/airplanes", &json!({"model": "A380", "capacity": capacity})).await;
        let flight = json!({
            "number": "HF1207", "airplane_id": airplane, "departure_airport_id": from, "arrival_airport_id": to,
            "departs_at": "2099-12-06T22:30:00Z", "arrives_at": "2099-12-07T07:30:00Z",
            "price": {"amount": 24_900, "currency": "EUR"}, "policy": {"hold_seconds": 0, "live_bookings_per_user": 0, "seats_per_user": 0},
        });
        self.made(token, "/v1/flights", &flight).await
    }

    async fn confirmed(&self, flight: &str) -> i64 {
        let answer = self.http.get(self.url(&format!("/v1/flights/{flight}"))).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["availability"]["confirmed"].as_i64().unwrap()
    }
}

/// Who takes the log over knows nothing of the flight: the sweep finds it in the read model and wakes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_cancelled_flight_loses_its_bookings_it_ends_the_rest_each_once() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let flight = place.open_flight(&admin, BOOKINGS).await;
    for _ in 0..BOOKINGS / AT_ONCE {
        futures::future::join_all((0..AT_ONCE).map(|_| place.sell_one(&admin, &flight))).await;
    }
    let cancel = place.http.post(place.url(&format!("/v1/flights/{flight}/cancel"))).bearer_auth(&admin);
    let cancelled = cancel.json(&json!({"reason": "weather"})).send().await.unwrap();
    assert_eq!(cancelled.status(), StatusCode::OK);
    server.kill().await;
    let server = place.up().await;
    holdfast_testkit::eventually(PATIENCE, "the rest ends by itself", async || {
        place.confirmed(&flight).await == 0
    })
    .await;
    assert_eq!(server.terminate().await, Some(0));
    let cluster = Cluster::start(&place.data(), &holdfast_cluster::Options::default()).await.unwrap();
    let ended: (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(DISTINCT payload ->> 'booking_id') FROM events WHERE event_type = 'BookingCancelled'",
    )
    .fetch_one(&mut connection(&cluster).await)
    .await
    .unwrap();
    cluster.stop().await.unwrap();
    assert_eq!(ended, (BOOKINGS, BOOKINGS), "each of them once");
    let (code, verified) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{verified}");
}
