//! Search, as a client sees it: what is found by which words, page by page, and what it is told when it asks wrongly.

use crate::{
    app::{App, PATIENCE, Someone},
    questions::watch,
};
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_testkit::eventually;
use serde_json::{Value, json};

/// Two cities, the first with two airports, and flights between them.
struct Network {
    app: App,
    admin: Someone,
    berlin: String,
    tegel: String,
    airplane: String,
}

impl Network {
    async fn new(app: App) -> Self {
        let admin = app.admin().await;
        let berlin = app.made(&admin, "/v1/cities", &json!({"name": "Berlin"})).await;
        let york = app.made(&admin, "/v1/cities", &json!({"name": "New York"})).await;
        let airplane = app.airplane(&admin, 20).await;
        let mut network = Self { app, admin, berlin, tegel: String::new(), airplane };
        let berlin = network.berlin.clone();
        network.airport("BER", &berlin, "Europe/Berlin").await;
        network.tegel = network.airport("TXL", &berlin, "Europe/Berlin").await;
        network.airport("JFK", &york, "America/New_York").await;
        network
    }

    async fn airport(&self, code: &str, city: &str, zone: &str) -> String {
        let body = json!({"code": code, "name": format!("Airport {code}"), "city_id": city, "zone": zone});
        self.app.made(&self.admin, "/v1/airports", &body).await
    }

    async fn id_of(&self, code: &str) -> String {
        let page = self.app.get(&format!("/v1/airports?code={code}")).send().await.ok(200);
        page["data"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Opens a flight that flies so many hours.
    async fn flight(
        &self,
        number: &str,
        route: [&str; 2],
        departs_at: &str,
        hours: i64,
        price: i64,
    ) -> String {
        let arrives_at: chrono::DateTime<chrono::Utc> = departs_at.parse().unwrap();
        let flight = json!({
            "number": number, "airplane_id": self.airplane, "departure_airport_id": self.id_of(route[0]).await,
            "arrival_airport_id": self.id_of(route[1]).await, "departs_at": departs_at,
            "arrives_at": arrives_at + TimeDelta::hours(hours), "price": {"amount": price, "currency": "EUR"},
            "policy": {"hold_seconds": 900}
        });
        let opened = self.app.open_flight(&self.admin, number, &flight).await.ok(201);
        opened["id"].as_str().unwrap().to_owned()
    }

    /// Five flights: four to New York from two airports on two days, and one back.
    async fn with_flights() -> Self {
        Self::with_flights_in(App::new().await).await
    }

    async fn with_flights_in(app: App) -> Self {
        let network = Self::new(app).await;
        for (number, route, departs_at, hours, price) in [
            ("HF1", ["BER", "JFK"], "2026-06-01T08:00:00Z", 9, 300),
            ("HF2", ["TXL", "JFK"], "2026-06-01T21:59:00Z", 8, 100),
            // Midnight in Berlin, and still the day before by UTC.
            ("HF3", ["BER", "JFK"], "2026-06-01T22:00:00Z", 7, 200),
            ("HF4", ["BER", "JFK"], "2026-06-02T08:00:00Z", 9, 300),
            ("HF5", ["JFK", "TXL"], "2026-06-02T03:30:00Z", 9, 50),
        ] {
            network.flight(number, route, departs_at, hours, price).await;
        }
        network.app.project().await;
        network
    }

    async fn page(&self, query: &str) -> Value {
        self.app.get(&format!("/v1/flights?{query}")).send().await.ok(200)
    }

    /// Numbers of the flights found.
    async fn found(&self, query: &str) -> Vec<String> {
        numbers(&self.page(query).await)
    }
}

fn numbers(page: &Value) -> Vec<String> {
    let flights = page["data"].as_array().unwrap().iter();
    flights.map(|flight| flight["number"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_place_is_an_airport_or_a_city_by_code_id_or_name() {
    let network = Network::with_flights().await;
    let Network { tegel, berlin, .. } = &network;
    for (query, expected) in [
        (String::new(), vec!["HF1", "HF2", "HF3", "HF5", "HF4"]),
        ("from=BER".to_owned(), vec!["HF1", "HF3", "HF4"]),
        ("from=TXL&to=JFK".to_owned(), vec!["HF2"]),
        ("from=txl&to=%20Jfk".to_owned(), vec!["HF2"]),
        (format!("from={tegel}"), vec!["HF2"]),
        (format!("from={berlin}"), vec!["HF1", "HF2", "HF3", "HF4"]),
        ("from=Berlin".to_owned(), vec!["HF1", "HF2", "HF3", "HF4"]),
        ("from=%20berlin&to=new%20%20york".to_owned(), vec!["HF1", "HF2", "HF3", "HF4"]),
        ("to=BERLIN".to_owned(), vec!["HF5"]),
        ("from=BER&to=TXL".to_owned(), vec![]),
    ] {
        assert_eq!(network.found(&query).await, expected, "{query}");
    }
    network.app.made(&network.admin, "/v1/cities", &json!({"name": "Bonn"})).await;
    assert_eq!(network.found("from=Bonn").await, Vec::<String>::new(), "a city without airports");
}

#[tokio::test]
async fn a_day_is_one_by_the_clocks_of_the_departure_airport() {
    let network = Network::with_flights().await;
    assert_eq!(network.found("date=2026-06-01").await, ["HF1", "HF2", "HF5"], "HF5: 23:30 in New York");
    assert_eq!(network.found("date=2026-06-02").await, ["HF3", "HF4"]);
    assert_eq!(network.found("from=Berlin&to=JFK&date=2026-06-02").await, ["HF3", "HF4"]);
    for nothing in ["0001-01-01", "2026-05-31", "9999-12-31"] {
        assert_eq!(network.found(&format!("date={nothing}")).await, Vec::<String>::new(), "{nothing}");
    }
}

#[tokio::test]
async fn flights_are_sorted_by_departure_price_or_duration_and_filtered_by_price() {
    let network = Network::with_flights().await;
    assert_eq!(network.found("sort=price&currency=EUR").await, ["HF5", "HF2", "HF3", "HF1", "HF4"]);
    assert_eq!(network.found("sort=duration").await, ["HF3", "HF2", "HF1", "HF5", "HF4"]);
    assert_eq!(network.found("min_price=100&max_price=200&currency=EUR").await, ["HF2", "HF3"]);
    assert_eq!(network.found("currency=EUR&max_price=50").await, ["HF5"]);
    assert_eq!(network.found("currency=USD").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_flight_is_found_as_it_is_told_by_itself_and_by_the_seats_that_are_left_now() {
    let network = Network::with_flights().await;
    let (app, ada) = (&network.app, network.app.customer("ada").await);
    let page = network.page("from=BER").await;
    for flight in page["data"].as_array().unwrap() {
        let path = format!("/v1/flights/{}", flight["id"].as_str().unwrap());
        assert_eq!(app.get(&path).send().await.ok(200), *flight);
    }
    let first = page["data"][0]["id"].as_str().unwrap();
    assert_eq!(network.found("from=BER&seats=10").await, ["HF1", "HF3", "HF4"]);
    assert_eq!(network.found("from=BER&seats=11").await, Vec::<String>::new(), "one booking may have ten");
    for quantity in [9, 9] {
        app.booking(&ada, first, quantity).await;
    }
    app.project().await;
    assert_eq!(network.found("from=BER&seats=3").await, ["HF3", "HF4"]);
    assert_eq!(network.found("from=BER&seats=2").await, ["HF1", "HF3", "HF4"]);
    let flight = &network.page("from=BER").await["data"][0];
    let seats = &flight["availability"];
    assert_eq!(
        (&seats["available"], &seats["held"], &seats["level"]),
        (&json!(2), &json!(18), &json!("low"))
    );
    app.post(&format!("/v1/inventories/{first}/close-sales")).by(&network.admin).send().await.ok(200);
    app.project().await;
    assert_eq!(
        network.found("from=BER&seats=1").await,
        ["HF3", "HF4"],
        "there are seats, and nobody gets them"
    );
    let flight = &network.page("from=BER").await["data"][0];
    assert_eq!((&flight["number"], &flight["availability"]["level"]), (&json!("HF1"), &json!("closed")));
}

#[tokio::test]
async fn cancelled_flights_and_those_that_have_left_are_not_found() {
    let network = Network::with_flights().await;
    let page = network.page("from=TXL").await;
    let cancel = format!("/v1/flights/{}/cancel", page["data"][0]["id"].as_str().unwrap());
    network.app.post(&cancel).by(&network.admin).json(&json!({"reason": "weather"})).send().await.ok(200);
    network.app.project().await;
    assert_eq!(network.found("from=Berlin").await, ["HF1", "HF3", "HF4"]);
    let departure: chrono::DateTime<chrono::Utc> = "2026-06-01T08:00:00Z".parse().unwrap();
    network.app.clock.advance(departure - crate::app::noon() - TimeDelta::microseconds(1));
    assert_eq!(network.found("from=Berlin").await, ["HF1", "HF3", "HF4"]);
    network.app.clock.advance(TimeDelta::microseconds(1));
    assert_eq!(network.found("from=Berlin").await, ["HF3", "HF4"]);
}

#[tokio::test]
async fn pages_do_not_shift_when_flights_are_opened_and_cancelled_before_them() {
    let network = Network::with_flights().await;
    for sort in ["departure", "price&currency=EUR", "duration"] {
        let whole = network.found(&format!("sort={sort}")).await;
        let first = network.page(&format!("sort={sort}&limit=2")).await;
        // It comes first in every order.
        let early =
            network.flight(&format!("HF9{}", sort.len()), ["BER", "JFK"], "2026-05-20T08:00:00Z", 1, 1).await;
        network.app.project().await;
        let next = first["meta"]["next_cursor"].as_str().unwrap();
        let second = network.page(&format!("sort={sort}&limit=2&cursor={next}")).await;
        let next = second["meta"]["next_cursor"].as_str().unwrap();
        let last = network.page(&format!("sort={sort}&limit=2&cursor={next}")).await;
        assert_eq!([numbers(&first), numbers(&second), numbers(&last)].concat(), whole, "{sort}");
        assert_eq!(last["meta"]["next_cursor"], Value::Null);
        let cancel = network.app.post(&format!("/v1/flights/{early}/cancel")).by(&network.admin);
        cancel.json(&json!({"reason": "weather"})).send().await.ok(200);
        network.app.project().await;
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_search_only() {
    let network = Network::with_flights().await;
    let cursor = |page: &Value| page["meta"]["next_cursor"].as_str().unwrap().to_owned();
    let of_berlin = cursor(&network.page("from=BER&limit=1").await);
    let shows = "eyJ2IjoxLCJxIjoic2hvd3MiLCJ0IjowLCJpIjoiMDE5M2E2YjQtM2QwMC03YzNlLTlhNTQtMmYxZDZhMGI3YzExIn0";
    for query in [
        format!("cursor={of_berlin}"),
        format!("from=TXL&cursor={of_berlin}"),
        format!("from=BER&sort=price&currency=EUR&cursor={of_berlin}"),
        format!("from=BER&seats=1&cursor={of_berlin}"),
        format!("cursor={shows}"),
        "cursor=made-up".to_owned(),
        format!("cursor={}", "A".repeat(5_000)),
    ] {
        let refused = network.app.get(&format!("/v1/flights?{query}")).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "invalid_cursor"), "{query}");
    }
    assert_eq!(network.found(&format!("from=BER&limit=9&cursor={of_berlin}")).await, ["HF3", "HF4"]);
}

#[tokio::test]
async fn every_wrong_parameter_is_named() {
    let network = Network::with_flights().await;
    let long = "x".repeat(201);
    for (name, values) in [
        ("from", vec!["", "%20", "XXX", "Atlantis", "a%0Ab", "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11", &long]),
        ("to", vec!["null", "1", "-1", "../airplane/1", "%00", "'%20OR%20true"]),
        (
            "date",
            vec![
                "",
                "2026-02-30",
                "2026-6-1",
                "01.06.2026",
                "2026-06-01T00:00:00Z",
                "+12026-06-01",
                "0000-01-01",
                "2026-%206-%201",
                "today",
            ],
        ),
        ("seats", vec!["", "0", "-1", "1.5", "two", "1e99", "101", "null"]),
        ("min_price", vec!["-1", "1.5", "1e3", "9007199254740993", "1000000000001", "x"]),
        ("max_price", vec!["-1", "99999999999999999999", ""]),
        ("currency", vec!["eur", "XQQ", "XXX", "XAU", "EURO", ""]),
        ("sort", vec!["", "Price", "-price", "seats", "price,departure"]),
        ("limit", vec!["0", "201", "-1", "x", "1.0"]),
        ("page", vec!["2"]),
        ("offset", vec!["0"]),
    ] {
        for value in values {
            let refused = network.app.get(&format!("/v1/flights?{name}={value}")).send().await;
            let expected = (422, vec![format!("/{name}")]);
            let pointers = refused.pointers().into_iter().map(str::to_owned).collect();
            assert_eq!((refused.status.as_u16(), pointers), expected, "{value}: {}", refused.text);
        }
    }
    for (query, pointers) in [
        ("from=XXX&to=YYY", vec!["/from", "/to"]),
        ("min_price=2&max_price=1&currency=EUR", vec!["/max_price"]),
        // Amounts of different currencies do not compare.
        ("sort=price", vec!["/currency"]),
        ("min_price=1", vec!["/currency"]),
        ("max_price=1", vec!["/currency"]),
        ("min_price=2&max_price=1", vec!["/max_price", "/currency"]),
        ("sort=price&currency=eur", vec!["/currency"]),
        ("from=BER&from=TXL", vec!["/from"]),
        ("sort=x&limit=0&seats=0&date=x", vec!["/date", "/seats", "/sort", "/limit"]),
    ] {
        let refused = network.app.get(&format!("/v1/flights?{query}")).send().await;
        assert_eq!((refused.status.as_u16(), refused.pointers()), (422, pointers), "{query}");
    }
    let unreadable = network.app.get("/v1/flights?from=%FF%FE").send().await;
    assert_eq!(unreadable.status, 422, "{}", unreadable.text);
}

/// A city with more airports than a search looks for is not searched in part.
#[tokio::test]
async fn a_city_with_too_many_airports_is_refused_and_its_airports_are_not() {
    let network = Network::with_flights().await;
    for number in 0..63_u8 {
        let code: String =
            ['Z', char::from(b'A' + number / 26), char::from(b'A' + number % 26)].iter().collect();
        network.airport(&code, &network.berlin, "Europe/Berlin").await;
    }
    let refused = network.app.get("/v1/flights?from=Berlin").send().await;
    assert_eq!((refused.status.as_u16(), refused.pointers()), (422, vec!["/from"]), "{}", refused.text);
    assert_eq!(network.found("from=TXL").await, ["HF2"]);
}

/// What a client has just done is in its search, if it says what that was; and a search never waits long for it.
#[tokio::test]
async fn a_search_waits_for_what_its_client_has_seen_and_else_says_that_it_is_stale() {
    let network = Network::with_flights().await;
    let (app, ada) = (&network.app, network.app.customer("ada").await);
    let flight = network.page("from=TXL").await["data"][0]["id"].as_str().unwrap().to_owned();
    let token = app.reserve(&ada, &flight, 9, "k").send().await.header("consistency-token").to_owned();
    let search =
        async || app.get("/v1/flights?from=TXL").header("consistency-token", &token).send().await.ok(200);
    let stale = search().await;
    assert_eq!(
        (&stale["meta"]["stale"], &stale["data"][0]["availability"]["stale"]),
        (&json!(true), &json!(true))
    );
    let (fresh, ()) = tokio::join!(search(), app.project());
    let seats = &fresh["data"][0]["availability"];
    assert_eq!((&fresh["meta"]["as_of"], &seats["position"]), (&json!(token), &json!(token)));
    assert_eq!((&fresh["meta"]["stale"], &seats["available"]), (&json!(false), &json!(11)));
}

/// Searches for a route and a day, all at once.
async fn at_once(network: &Network, searches: usize) -> Vec<Vec<String>> {
    let routes = ["from=BER&to=JFK&date=2026-06-01", "from=BER&to=JFK&date=2026-06-02&limit=1"];
    join_all((0..searches).map(|nth| network.found(routes[nth % 2]))).await
}

#[tokio::test]
async fn searches_for_a_route_and_a_day_that_are_made_at_once_share_a_statement() {
    let (app, proxy) = App::behind_proxy().await;
    let network = Network::with_flights_in(app).await;
    at_once(&network, 2).await; // the places are known from now on
    let seen = watch(&proxy);
    for (nth, found) in at_once(&network, 60).await.into_iter().enumerate() {
        assert_eq!(found, [["HF1"], ["HF3"]][nth % 2], "{nth}");
    }
    let statements = seen.lock().unwrap().len();
    assert!(statements <= 3, "{statements}");
}

/// A search that takes too long is told so, and Postgres goes on with it no longer than its client waits.
#[tokio::test]
async fn a_statement_that_nobody_waits_for_any_more_is_ended() {
    let network = Network::with_flights().await;
    at_once(&network, 1).await; // the places are known from now on
    let mut held = network.app.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE availability.inventories").execute(&mut *held).await.unwrap();
    let route = "from=BER&to=JFK&date=2026-06-01";
    let asked = ["sort=price&currency=EUR", "sort=duration", route, route].map(|query| {
        let path = format!("/v1/flights?{query}");
        async { network.app.get(&{ path }).send().await }
    });
    for refused in join_all(asked).await {
        assert_eq!((refused.status.as_u16(), refused.code()), (503, "store_unavailable"));
        assert_eq!(refused.header("retry-after"), "1");
    }
    eventually(PATIENCE, "no statement waits", async || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'availability.inventories'::regclass";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *held).await.unwrap() == 0
    })
    .await;
    held.rollback().await.unwrap();
    assert_eq!(network.found(route).await, ["HF1"]);
}

/// What breaks a shared statement is nobody's but the one's that broke it.
#[tokio::test]
async fn a_shared_statement_that_is_lost_is_asked_again_by_each_for_itself() {
    let (app, proxy) = App::behind_proxy().await;
    let network = Network::with_flights_in(app).await;
    at_once(&network, 2).await;
    proxy.lose_requests(|sql| sql.contains("WITH ORDINALITY"));
    for (nth, found) in at_once(&network, 6).await.into_iter().enumerate() {
        assert_eq!(found, [["HF1"], ["HF3"]][nth % 2], "{nth}");
    }
    assert!(proxy.losses() > 0);
}
