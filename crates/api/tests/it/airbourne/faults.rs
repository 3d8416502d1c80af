//! Airbourne's faults that a client can bring about, each under its number in the analysis of it, with the right behaviour.

use super::{Client, airbourne, flight, flight_of, made, seats_left};
use crate::app::{Answer, App, PATIENCE};
use axum::http::Method;
use futures::future::join_all;
use holdfast_testkit::{Proxy, eventually};
use serde_json::{Value, json};

/// An error in an envelope of its own, with nothing from inside.
fn assert_refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    assert!(answer.body.is_object(), "{what} is no JSON: {}", answer.text);
    let inside = ["SELECT", "INSERT", "sqlx", "argon2", "$2b$", ".rs", "panicked", "relation", "\n    at "];
    for word in inside {
        assert!(!answer.text.contains(word), "{what} tells {word}: {}", answer.text);
    }
}

/// It read the seats, and wrote back an absolute number: updates were lost, and more was sold than there was.
#[tokio::test]
async fn fault_1_seats_are_neither_lost_nor_sold_twice() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 30).await, Client::new(&app, "ada").await);
    let answers = join_all((0..60).map(|_| ada.book(&app, id, 1))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 30);
    assert_eq!(seats_left(&app, id).await, 0);
}

/// Airbourne with a proxy before its Postgres, a flight of 20 seats, and somebody who books.
async fn behind_proxy() -> (App, Proxy, i64, Client) {
    let (app, proxy) = App::behind_proxy_with(|config| config.catalogue_is_open = true).await;
    let (id, ada) = (flight(&app, 20).await, Client::new(&app, "ada").await);
    (app, proxy, id, ada)
}

/// Books until it is answered with a booking; before, a store that is gone is all that is told.
async fn booked_at_last(app: &App, ada: &Client, flight: i64, key: &str) -> Value {
    let body = json!({"flightId": flight, "NoOfSeats": 2});
    let mut booked = Value::Null;
    eventually(PATIENCE, "it is booked", async || {
        let asked = ada.ask(app, Method::POST, "/bookingservice/api/v1/bookings").key(key).json(&body);
        let answer = asked.send().await;
        assert!(matches!(answer.status.as_u16(), 200 | 503), "{} {}", answer.status, answer.text);
        booked = answer.body;
        answer.status == 200
    })
    .await;
    booked["data"].clone()
}

/// The seats were taken before the booking was kept: what failed in between took seats that nobody had booked.
#[tokio::test]
async fn fault_2_a_booking_that_is_not_kept_takes_no_seat() {
    let (app, proxy, id, ada) = behind_proxy().await;
    proxy.lose_requests(|sql| sql.contains("INSERT INTO events"));
    assert_refused(&ada.book(&app, id, 2).await, 503, "an append that never arrives");
    proxy.pass();
    assert!(proxy.losses() > 0);
    let first = booked_at_last(&app, &ada, id, "a").await;
    // Kept, and its answer lost: the same key is answered with the booking that there is.
    proxy.lose_next_answer(|sql| sql.contains("INSERT INTO events"));
    let second = booked_at_last(&app, &ada, id, "b").await;
    assert_ne!(first["id"], second["id"]);
    let sold: i64 = sqlx::query_scalar("SELECT count(*) * 2 FROM events WHERE event_type = 'SeatsReserved'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(
        (sold, seats_left(&app, id).await),
        (4, 16),
        "what is sold and what is left are all the seats"
    );
}

/// A service that hung ended the one that asked it, with all requests in flight; five such requests stopped all bookings.
#[tokio::test]
async fn fault_12_and_13_a_store_that_hangs_is_not_waited_for_and_ends_nothing() {
    let (app, proxy, id, ada) = behind_proxy().await;
    ada.book(&app, id, 1).await.ok(200);
    proxy.stall();
    for answer in join_all((0..10).map(|_| ada.book(&app, id, 1))).await {
        assert_refused(&answer, 503, "a booking while the store hangs");
        assert_eq!(answer.header("retry-after"), "1");
    }
    proxy.pass();
    booked_at_last(&app, &ada, id, "after").await;
    let sold: i64 = sqlx::query_scalar(
        "SELECT sum((payload->>'quantity')::bigint)::bigint FROM events WHERE event_type = 'SeatsReserved'",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(sold + seats_left(&app, id).await, 20);
}

/// The client set the booking's id, status and cost.
#[tokio::test]
async fn fault_3_what_a_client_sends_beyond_the_contract_sets_nothing() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    let body = json!({
        "flightId": id, "userId": ada.id, "NoOfSeats": 1, "id": 777, "status": "Cancelled", "totalCost": 1,
        "createdAt": "2001-01-01T00:00:00Z"
    });
    let booked = ada.send(&app, &body).await.ok(200)["data"].clone();
    assert_ne!(booked["id"], 777);
    assert_eq!((&booked["status"], &booked["totalCost"]), (&json!("Booked"), &json!(5000)));
    assert_eq!(booked["createdAt"], "2026-05-01T12:00:00.000Z");
}

/// Minus five seats gave the flight five.
#[tokio::test]
async fn fault_4_a_number_of_seats_is_a_whole_number_from_one() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    for seats in
        [json!(-5), json!(0), json!(1.5), json!("2"), Value::Null, json!(101), json!(1e99), json!([1])]
    {
        let body = json!({"flightId": id, "userId": ada.id, "NoOfSeats": seats});
        assert_refused(&ada.send(&app, &body).await, 422, &body.to_string());
    }
    let refused = ada.send(&app, &json!({"flightId": id, "userId": ada.id})).await;
    assert_eq!(
        (&refused.body["message"], &refused.body["sucess"], &refused.body["data"]),
        (&json!("Unable to create booking"), &json!(false), &json!({}))
    );
    assert!(
        refused.body["err"].as_str().unwrap().starts_with("Original error: NoOfSeats "),
        "{}",
        refused.text
    );
    assert_eq!(seats_left(&app, id).await, 10);
}

/// Any token booked for any user, also for one who did not exist.
#[tokio::test]
async fn fault_5_who_books_is_whom_the_token_names() {
    let app = airbourne().await;
    let id = flight(&app, 10).await;
    let (ada, bob) = (Client::new(&app, "ada").await, Client::new(&app, "bob").await);
    for user in [bob.id, 31_337, -1] {
        let body = json!({"flightId": id, "userId": user, "NoOfSeats": 1});
        assert_refused(&ada.send(&app, &body).await, 403, &body.to_string());
    }
    assert_refused(
        &ada.send(&app, &json!({"flightId": id, "userId": "x", "NoOfSeats": 1})).await,
        422,
        "text",
    );
    let own = ada.send(&app, &json!({"flightId": id, "NoOfSeats": 1})).await.ok(200);
    assert_eq!(own["data"]["userId"], ada.id);
    let past_the_gateway = app.post("/api/v1/bookings").json(&json!({"flightId": id, "NoOfSeats": 1}));
    assert_refused(&past_the_gateway.send().await, 401, "without a token");
}

/// Everything was 500, so that nobody could tell sold out from an outage.
#[tokio::test]
async fn fault_6_a_refusal_says_what_it_is_by_its_status() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 2).await, Client::new(&app, "ada").await);
    assert_refused(&ada.book(&app, id, 3).await, 409, "sold out");
    assert_refused(&ada.book(&app, 999_999, 1).await, 404, "unknown flight");
    app.ask(Method::DELETE, &format!("/api/v1/flights/{id}")).send().await.ok(200);
    assert_refused(&ada.book(&app, id, 1).await, 409, "cancelled");
}

/// There was no way back: no cancellation, no history.
#[tokio::test]
async fn fault_7_a_booking_can_be_cancelled_and_gives_its_seats_back() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    ada.book(&app, id, 4).await.ok(200);
    app.project().await;
    let history = ada.ask(&app, Method::GET, "/v1/bookings").send().await.ok(200);
    let booking = history["data"][0]["id"].as_str().unwrap();
    let cancel = format!("/v1/bookings/{booking}/cancel");
    let departed = ada.ask(&app, Method::POST, &cancel).send().await;
    assert_eq!((departed.status.as_u16(), departed.code()), (409, "departed"), "it left in 2025");
    let later = json!({"departureTime": "2027-10-10T10:00:00Z", "arrivalTime": "2027-10-10T12:00:00Z"});
    ada.ask(&app, Method::PATCH, &format!("/flights/api/v1/flights/{id}")).json(&later).send().await.ok(200);
    ada.ask(&app, Method::POST, &cancel).send().await.ok(200);
    assert_eq!(seats_left(&app, id).await, 10);
}

/// Anybody set any column of a flight, its primary key among them.
#[tokio::test]
async fn fault_8_a_flight_keeps_its_id_and_its_seats_whatever_is_sent() {
    let app = airbourne().await;
    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    let path = format!("/flights/api/v1/flights/{id}");
    let change = async |body: Value| ada.ask(&app, Method::PATCH, &path).json(&body).send().await;
    for body in [
        json!({"totalSeats": -40}),
        json!({"totalSeats": 10}),
        json!({"price": -1}),
        json!({"price": "cheap"}),
        json!({"flightNumber": "other"}),
        json!({"airplaneId": 999}),
        json!({"departureTime": "2025-10-10T13:00:00Z"}),
    ] {
        assert_refused(&change(body.clone()).await, 422, &body.to_string());
    }
    change(json!({"id": 500, "createdAt": "2001-01-01T00:00:00Z"})).await.ok(200);
    assert_eq!(seats_left(&app, id).await, 10);
    assert_eq!(app.get("/api/v1/flights/500").send().await.ok(200)["data"], Value::Null);
    let unknown = ada.ask(&app, Method::PATCH, "/flights/api/v1/flights/500").json(&json!({"price": 1}));
    assert_refused(&unknown.send().await, 404, "an unknown flight");
}

/// Deleting left bookings and flights behind that led nowhere.
#[tokio::test]
async fn fault_9_nothing_is_left_dangling() {
    let app = airbourne().await;
    let city = made(&app, "/api/v1/city", &json!({"name": "Pune"})).await;
    let airport = made(&app, "/api/v1/airports", &json!({"name": "PNQ", "cityId": city})).await;
    let delete = async |path: String| app.ask(Method::DELETE, &path).send().await;
    assert_refused(&delete(format!("/api/v1/city/{city}")).await, 409, "a city with an airport");
    assert_eq!(delete(format!("/api/v1/airports/{airport}")).await.ok(200)["data"], 1);
    assert_eq!(delete(format!("/api/v1/city/{city}")).await.ok(200)["data"], true);

    let (id, ada) = (flight(&app, 10).await, Client::new(&app, "ada").await);
    ada.book(&app, id, 2).await.ok(200);
    for _ in 0..2 {
        assert_eq!(delete(format!("/api/v1/flights/{id}")).await.ok(200)["data"], true);
    }
    assert_eq!(app.get(&format!("/api/v1/flights/{id}")).send().await.ok(200)["data"], Value::Null);
    app.project().await;
    let history = ada.ask(&app, Method::GET, "/v1/bookings").send().await.ok(200);
    assert_eq!(history["data"][0]["status"], "cancelled");
    assert_eq!(app.get("/api/v1/flights").send().await.ok(200)["data"], json!([]));
}

/// The flight's id was put into a URL, and `../airplane/1` led elsewhere.
#[tokio::test]
async fn fault_10_an_id_is_a_number() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    for id in
        [json!("../airplane/1"), json!("1"), json!(1e99), json!(1.5), Value::Null, json!({}), json!([1])]
    {
        let body = json!({"flightId": id, "userId": ada.id, "NoOfSeats": 1});
        assert_refused(&ada.send(&app, &body).await, 422, &body.to_string());
    }
    for id in [0, -1, i64::MAX, i64::MIN] {
        assert_refused(&ada.book(&app, id, 1).await, 404, &id.to_string());
    }
}

/// One of these requests ended the process, for everybody.
#[tokio::test]
async fn fault_11_a_bad_request_ends_nothing_but_itself() {
    let app = airbourne().await;
    made(&app, "/api/v1/city", &json!({"name": "Pune"})).await;
    let other = made(&app, "/api/v1/city", &json!({"name": "Paris"})).await;
    let airplane = made(&app, "/api/v1/airplane", &json!({"modelNumber": "A320"})).await;
    for (method, path, body, status) in [
        (Method::POST, "/api/v1/airplane".to_owned(), json!({}), 422),
        (Method::POST, "/api/v1/airplane".to_owned(), json!({"modelNumber": "A", "capacity": -1}), 422),
        (Method::POST, "/api/v1/airplane".to_owned(), json!({"modelNumber": "A", "capacity": "many"}), 422),
        (Method::POST, "/api/v1/airplane".to_owned(), json!({"modelNumber": "A", "capacity": 1.5}), 422),
        (Method::POST, "/api/v1/airplane".to_owned(), json!({"modelNumber": "a\u{0}b"}), 422),
        (Method::PATCH, format!("/api/v1/airplane/{airplane}"), json!({"capacity": "many"}), 422),
        (Method::PATCH, "/api/v1/city/999".to_owned(), json!({"name": "Rome"}), 404),
        (Method::PATCH, format!("/api/v1/city/{other}"), json!({"name": "pune"}), 409),
        (Method::POST, "/api/v1/city".to_owned(), json!({"name": "Pune"}), 409),
        (Method::POST, "/api/v1/city".to_owned(), json!({}), 422),
        (Method::POST, "/api/v1/airports".to_owned(), json!({"name": "X"}), 422),
        (Method::POST, "/api/v1/airports".to_owned(), json!({"name": "X", "cityId": 999}), 422),
    ] {
        let answer = app.ask(method.clone(), &path).json(&body).send().await;
        assert_refused(&answer, status, &format!("{method} {path} {body}"));
    }
    app.get("/api/v1/city").send().await.ok(200);
}

/// One salt for a process: equal passwords had equal hashes.
#[tokio::test]
async fn fault_21_equal_passwords_have_different_hashes() {
    let app = airbourne().await;
    Client::new(&app, "ada").await;
    Client::new(&app, "bob").await;
    let hashes = sqlx::query_scalar("SELECT count(DISTINCT password_hash) FROM users");
    let hashes: i64 = hashes.fetch_one(&app.pool).await.unwrap();
    assert_eq!(hashes, 2);
}

#[tokio::test]
async fn fault_22_a_sign_up_is_not_answered_with_a_hash() {
    let app = airbourne().await;
    let account = json!({"email": "ada@test.com", "password": "password123"});
    let made = app.post("/api/v1/signup").json(&account).send().await;
    assert!(made.body["data"].get("password").is_none() && !made.text.contains('$'), "{}", made.text);
}

#[tokio::test]
async fn fault_23_what_is_no_address_is_a_422_and_no_outage() {
    let app = airbourne().await;
    let account = json!({"email": "no address", "password": "password123"});
    assert_refused(&app.post("/api/v1/signup").json(&account).send().await, 422, "no address");
}

/// Body and time told who has an account, and guesses had no limit.
#[tokio::test]
async fn fault_24_nobody_learns_who_has_an_account_and_guessing_is_slowed() {
    let app = airbourne().await;
    Client::new(&app, "ada").await;
    let guess = async |email: &str| {
        let credentials = json!({"email": email, "password": "wrong password"});
        app.post("/auth/api/v1/signin").json(&credentials).send().await
    };
    let (wrong, unknown) = (guess("ada@test.com").await, guess("nobody@test.com").await);
    assert_refused(&wrong, 401, "a wrong password");
    assert_eq!((wrong.status, wrong.text), (unknown.status, unknown.text));
    for _ in 0..49 {
        guess("ada@test.com").await;
    }
    let slowed = guess("ada@test.com").await;
    assert_refused(&slowed, 429, "a guess too many");
    assert!(slowed.header("retry-after").parse::<u32>().unwrap() <= 60);
}

/// Nothing was ever authorised: any customer changed flights and cities.
#[tokio::test]
async fn fault_25_only_an_admin_changes_what_is_sold_beyond_loopback() {
    let app = App::with(|config| config.compat = true).await;
    let ada = Client::new(&app, "ada").await;
    for (method, path) in [
        (Method::POST, "/flights/api/v1/city"),
        (Method::PATCH, "/flights/api/v1/flights/1"),
        (Method::DELETE, "/flights/api/v1/flights/1"),
    ] {
        let answer = ada.ask(&app, method, path).json(&json!({"name": "x", "price": 1})).send().await;
        assert_refused(&answer, 403, path);
    }
    assert_refused(&app.get("/api/v1/isAdmin").json(&json!({"id": 1})).send().await, 401, "isAdmin");
}

/// SQL and parameters stood in answers, and stack traces with paths where JSON was malformed.
#[tokio::test]
async fn fault_27_an_error_tells_nothing_from_inside_and_is_json() {
    let app = airbourne().await;
    let ada = Client::new(&app, "ada").await;
    let body = flight_of(&app, 5).await;
    made(&app, "/api/v1/city", &json!({"name": "Pune"})).await;
    assert_refused(&app.post("/api/v1/city").json(&json!({"name": "Pune"})).send().await, 409, "a duplicate");
    for path in ["/api/v1/city", "/api/v1/signup", "/api/v1/signin", "/api/v1/flights", "/api/v1/airports"] {
        for malformed in ["{", "[1]", "\"x\"", "{\"a\":}"] {
            let answer = app.post(path).raw("application/json", malformed).send().await;
            assert_refused(&answer, 400, &format!("{path} {malformed}"));
        }
        let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
        assert_refused(&app.post(path).raw("application/json", large).send().await, 413, path);
    }
    let malformed =
        ada.ask(&app, Method::POST, "/bookingservice/api/v1/bookings").raw("application/json", "{");
    assert_refused(&malformed.send().await, 400, "a booking");
    for path in ["/api/v1/nothing", "/flights/api/v1/nothing", "/nothing"] {
        let asked = ada.ask(&app, Method::GET, path);
        assert_refused(&asked.send().await, 404, path);
    }
    assert!(body.is_object());
}

/// Its store refused a null character, and the answer was 500.
#[tokio::test]
async fn a_null_character_finds_no_city_and_no_account_and_makes_no_flight() {
    let app = airbourne().await;
    let cities = app.get("/api/v1/city?name=%00").send().await.ok(200);
    assert_eq!(cities["data"], json!([]));
    let account = json!({"email": "ada\u{0}@test.com", "password": "password123"});
    assert_refused(&app.post("/api/v1/signin").json(&account).send().await, 401, "sign-in");
    assert_refused(&app.post("/api/v1/signup").json(&account).send().await, 422, "sign-up");
    let mut body = flight_of(&app, 20).await;
    body["flightNumber"] = json!("FN\u{0}1");
    assert_refused(&app.post("/api/v1/flights").json(&body).send().await, 422, "a flight");
}
