//! Search: what it finds, against a plain look through all rows; and which index serves it, among 100,000 flights.

use chrono::{Days, NaiveDate};
use holdfast_availability::{
    Availability, FlightOrder, FlightPlace, FlightSearch, FlightsFilter, InventoryRow, RouteSearch, flights,
    search_flights, search_routes,
};
use holdfast_domain::{AirportId, Currency, Flight, InventoryId, SalesState, Timestamp};
use holdfast_projector::{
    LogSource,
    testing::{TestLog, drain, pages_looked_at, plan},
};
use holdfast_testkit::{TestDatabase, database};
use sqlx::{PgConnection, PgPool, types::Uuid};
use std::{env, fs, path::Path, sync::Arc};

/// The plans that Postgres must find; written anew with `HOLDFAST_WRITE_PLANS=1`.
const GOLDEN: &str = "tests/it/search_plans.txt";
const WRITE: &str = "HOLDFAST_WRITE_PLANS";
/// Of the tests that look at plans.
const FLIGHTS: u32 = 100_000;
/// An airport, as SQL writes it.
const AIRPORT: &str = "'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaa1'";
const ORDERS: [FlightOrder; 3] = [FlightOrder::Departure, FlightOrder::Price, FlightOrder::Duration];

/// One in ten has left at [`now`]; every fiftieth is cancelled and every other fiftieth closed. Departures lie at all
/// hours in zones far from each other, so days differ from those of UTC.
async fn filled(flights: u32, airports: u32) -> (TestDatabase, PgPool) {
    let db = database().await;
    let pool = db.pool();
    TestLog::create(&pool, 4).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    let fill = format!(
        "INSERT INTO availability.inventories (
             inventory_id, kind, number, airplane_id, departure_airport_id, arrival_airport_id, departure_zone,
             arrival_zone, departs_at, arrives_at, departure_day, capacity, overbooking_allowance, held, confirmed,
             blocked, sales, price_amount, currency, seats_per_booking, live_bookings_per_user, hold_seconds, seats_per_user, holds_per_user,
             version, terms_version, opened_at, log_partition, position)
         SELECT lpad(to_hex(n * 7919 % 1000003), 32, '0')::uuid, 'flight', 'HF' || n % 1000, lpad('1', 32, '0')::uuid,
                airport(n % {airports}), airport((n % {airports} + 1 + n / {airports} % 5) % {airports}),
                zone, 'UTC', departs_at, departs_at + (40 + n * 13 % 600) * interval '1 minute',
                (departs_at AT TIME ZONE zone)::date, 20, 0, n % 3, n % 19, 0,
                CASE n % 50 WHEN 0 THEN 'cancelled' WHEN 1 THEN 'closed' ELSE 'open' END,
                100 * (n * 37 % 500), CASE n % 4 WHEN 0 THEN 'USD' ELSE 'EUR' END, 5 + n % 7, 0, 0, 0, 0, 1, 1, now(), n % 4, n
         FROM generate_series(1, {flights}) n,
              LATERAL (SELECT '2026-06-01T00:00Z'::timestamptz + (n::bigint * 7907 % 86400 - 8640) * interval '1 minute',
                              (ARRAY['UTC', 'Pacific/Auckland', 'America/Los_Angeles'])[1 + n % {airports} % 3])
                  AS of_it (departs_at, zone)"
    );
    let airport = "CREATE FUNCTION airport(number integer) RETURNS uuid IMMUTABLE LANGUAGE sql
                   RETURN lpad(to_hex(number), 32, 'a')::uuid";
    sqlx::query(airport).execute(&pool).await.unwrap();
    sqlx::query(&fill).execute(&pool).await.unwrap();
    sqlx::query("VACUUM (ANALYZE) availability.inventories").execute(&pool).await.unwrap();
    (db, pool)
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn airport(number: u32) -> AirportId {
    AirportId(Uuid::parse_str(&format!("{number:a>32x}")).unwrap())
}

/// An airport alone.
fn one(number: u32) -> Option<Arc<[AirportId]>> {
    Some([airport(number)].into())
}

fn day(number: u64) -> NaiveDate {
    now().date_naive() + Days::new(number)
}

fn anything(order: FlightOrder) -> FlightSearch {
    FlightSearch {
        from: None,
        to: None,
        day: None,
        seats: None,
        min_price: None,
        max_price: None,
        currency: None,
        order,
        after: None,
        limit: 50,
    }
}

/// Searches that differ in all that can be asked, by their numbers.
fn nth(number: u64, order: FlightOrder) -> FlightSearch {
    let asked = |every: u64| number.is_multiple_of(every);
    let place = |first: u32, of: u64| -> Option<Arc<[AirportId]>> {
        (of > 0).then(|| (first..first + u32::try_from(of).unwrap()).map(airport).collect())
    };
    FlightSearch {
        from: place(1, number % 3),
        to: place(2, number / 3 % 4),
        day: asked(4).then(|| day(number % 11)),
        seats: asked(3).then_some(u32::try_from(1 + number % 13).unwrap()),
        min_price: asked(5).then_some(10_000),
        max_price: asked(7).then_some(30_000),
        currency: asked(6).then(|| Currency::from_code("USD").unwrap()),
        limit: 1 + u32::try_from(number % 9).unwrap(),
        ..anything(order)
    }
}

/// The rule in its plainest form.
fn is_found(row: &InventoryRow, search: &FlightSearch) -> bool {
    let FlightSearch { from, to, day, seats, min_price, max_price, currency, .. } = search;
    let flight: &Flight = row.subject.flight().unwrap();
    let is_open = row.counts.sales == SalesState::Open;
    row.counts.sales != SalesState::Cancelled
        && flight.departs_at > now()
        && from.as_ref().is_none_or(|from| from.contains(&flight.departure_airport_id))
        && to.as_ref().is_none_or(|to| to.contains(&flight.arrival_airport_id))
        && day.is_none_or(|day| flight.departure_day() == day)
        && seats.is_none_or(|seats| {
            is_open && row.counts.available() >= seats && row.policy.seats_per_booking >= seats
        })
        && min_price.is_none_or(|price| row.price.amount >= price)
        && max_price.is_none_or(|price| row.price.amount <= price)
        && currency.is_none_or(|currency| row.price.currency == currency)
}

/// All pages, one after the other.
async fn all_pages(pool: &PgPool, search: &FlightSearch) -> Vec<InventoryRow> {
    let (mut search, mut all) = (search.clone(), vec![]);
    loop {
        let page = search_flights(pool, &search, now()).await.unwrap();
        assert!(page.len() <= search.limit as usize);
        let Some(last) = page.last() else { return all };
        search.after = search.order.place(last);
        all.extend(page);
    }
}

#[tokio::test]
async fn every_search_finds_what_a_look_through_all_rows_finds_in_its_order_page_by_page() {
    let (_db, pool) = filled(3_000, 6).await;
    let whole = flights(&pool, FlightsFilter::default(), None, 3_000).await.unwrap();
    assert!(whole.len() > 2_900);
    let mut found = 0;
    for order in ORDERS {
        for number in 0..84 {
            let search = nth(number, order);
            let mut expected: Vec<_> = whole.iter().filter(|row| is_found(row, &search)).collect();
            expected.sort_by_key(|row| {
                let place = order.place(row).unwrap();
                (place.key, place.departs_at, place.inventory_id)
            });
            let pages = all_pages(&pool, &search).await;
            assert_eq!(pages.iter().collect::<Vec<_>>(), expected, "{search:?}");
            found += pages.len();
        }
    }
    assert!(found > 10_000, "{found}");
}

/// Sharing a statement changes nothing for anybody.
#[tokio::test]
async fn searches_of_routes_that_share_a_statement_find_what_each_finds_alone() {
    let (_db, pool) = filled(3_000, 6).await;
    let route = |number: u32| FlightSearch {
        from: Some([airport(number % 6)].into()),
        to: Some([airport((number + 1 + number / 6) % 6)].into()),
        day: Some(day(u64::from(number % 7))),
        ..nth(u64::from(number), FlightOrder::Departure)
    };
    let alone: Vec<_> = (0..130).map(route).collect();
    let shared: Vec<_> = alone.iter().map(|search| RouteSearch::of(search).unwrap()).collect();
    let shared = search_routes(&pool, &shared, now()).await.unwrap();
    for (search, shared) in alone.iter().zip(&shared) {
        assert_eq!(*shared, search_flights(&pool, search, now()).await.unwrap(), "{search:?}");
    }
    assert!(shared.concat().len() > 100, "{}", shared.concat().len());
    let first = alone.iter().find(|search| search.limit > 1).unwrap();
    let place = FlightOrder::Departure.place(&shared.concat()[0]);
    for other in [
        FlightSearch { to: None, ..first.clone() },
        FlightSearch { from: Some([airport(1), airport(2)].into()), ..first.clone() },
        FlightSearch { day: None, ..first.clone() },
        FlightSearch { order: FlightOrder::Price, ..first.clone() },
        FlightSearch { after: place, ..first.clone() },
    ] {
        assert_eq!(RouteSearch::of(&other), None, "{other:?}");
    }
}

#[tokio::test]
async fn a_page_is_never_longer_than_the_longest_and_a_day_at_the_end_of_time_has_no_flights() {
    let (_db, pool) = filled(1_000, 2).await;
    let all = FlightSearch { limit: 900, ..anything(FlightOrder::Departure) };
    assert_eq!(search_flights(&pool, &all, now()).await.unwrap().len(), 200);
    for (year, month, last) in [(1, 1, 1), (9999, 12, 31)] {
        let day = NaiveDate::from_ymd_opt(year, month, last);
        let never = FlightSearch { day, ..anything(FlightOrder::Departure) };
        assert_eq!(search_flights(&pool, &never, now()).await.unwrap(), []);
    }
}

/// How Postgres runs the search that was just made, once for all values: its nodes, what their indexes are asked, and nothing that differs
/// from one collection of statistics to the next.
async fn shape(conn: &mut PgConnection, arguments: &str) -> String {
    let plan = plan(conn, arguments).await;
    let lines = plan.lines().filter(|line| line.contains("(cost=") || line.contains("Index Cond:"));
    lines.map(|line| line.split("  (cost=").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// Each search begins at its index and ends with its page: no sort of more than a route has, no look at every flight.
#[tokio::test]
async fn an_index_serves_every_search_among_100_000_flights() {
    let (_db, pool) = filled(FLIGHTS, 400).await;
    let conn = &mut *pool.acquire().await.unwrap();
    let mut plans = String::new();
    for (name, search, arguments) in planned_searches() {
        search_flights(&mut *conn, &search, now()).await.unwrap();
        plans += &format!("-- {name}\n{}\n", shape(conn, &arguments).await);
    }
    let shared =
        FlightSearch { from: one(1), to: one(2), day: Some(day(9)), ..anything(FlightOrder::Departure) };
    let shared = RouteSearch::of(&shared).unwrap();
    search_routes(&mut *conn, &[shared; 64], now()).await.unwrap();
    let arguments = format!(
        "now(), ARRAY[{AIRPORT}]::uuid[], ARRAY[{AIRPORT}]::uuid[], '{{2026-06-10}}', '{{1}}', '{{1}}', '{{1}}', '{{EUR}}', \
         '{{50}}'"
    );
    plans += &format!("-- routes and days that share a statement\n{}\n", shape(conn, &arguments).await);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    if env::var_os(WRITE).is_some() {
        fs::write(&golden, &plans).unwrap();
    }
    assert_eq!(plans, fs::read_to_string(&golden).unwrap(), "if these are as good: {WRITE}=1");
    assert!(!plans.contains("Seq Scan on inventories"), "{plans}");
}

/// A search over all flights that none of them meets ends inside the index: it looks at fewer pages than there are flights by
/// far, where one look at each flight's row would be one page each.
#[tokio::test]
async fn nothing_is_found_without_a_look_at_the_flights() {
    let (_db, pool) = filled(FLIGHTS, 400).await;
    let sold_out = "UPDATE availability.inventories SET confirmed = capacity";
    sqlx::query(sold_out).execute(&pool).await.unwrap();
    sqlx::query("VACUUM (ANALYZE) availability.inventories").execute(&pool).await.unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    for order in ORDERS {
        let all = anything(order);
        let cases = [
            ("'CHF', 50", FlightSearch { currency: Currency::from_code("CHF"), ..all.clone() }),
            ("-1, 50", FlightSearch { max_price: Some(-1), ..all.clone() }),
            ("100, 100, 50", FlightSearch { seats: Some(100), ..all.clone() }),
            ("1, 1, 50", FlightSearch { seats: Some(1), ..all }),
        ];
        for (arguments, search) in cases {
            assert_eq!(search_flights(&mut *conn, &search, now()).await.unwrap(), [], "{search:?}");
            let pages = pages_looked_at(conn, &format!("'2026-06-01T00:00Z', {arguments}")).await;
            assert!(pages < u64::from(FLIGHTS) / 20, "{pages} pages: {search:?}");
        }
    }
}

/// What is searched, with literals for the parameters of its statement.
fn planned_searches() -> Vec<(&'static str, FlightSearch, String)> {
    let city = Some([airport(1), airport(2)].into());
    let (by_departure, by_price) = (anything(FlightOrder::Departure), anything(FlightOrder::Price));
    let after = Some(FlightPlace { key: 7, departs_at: now(), inventory_id: InventoryId(airport(1).0) });
    let route = FlightSearch { from: one(1), to: one(2), ..by_departure.clone() };
    let of_a_day = FlightSearch { day: Some(day(9)), ..by_departure.clone() };
    let cheap = FlightSearch { min_price: Some(1_000), max_price: Some(2_000), ..by_price.clone() };
    let of_a_route = "now(), '2026-06-10'";
    vec![
        (
            "a route and a day",
            FlightSearch { day: Some(day(9)), ..route.clone() },
            format!("{AIRPORT}, {AIRPORT}, {of_a_route}, 50"),
        ),
        (
            "a route by price",
            FlightSearch { order: FlightOrder::Price, ..route.clone() },
            format!("{AIRPORT}, {AIRPORT}, {of_a_route}, 50"),
        ),
        ("a route", route.clone(), format!("{AIRPORT}, {AIRPORT}, {of_a_route}, 50")),
        (
            "a route, the next page",
            FlightSearch { after, ..route.clone() },
            format!("{AIRPORT}, {AIRPORT}, {of_a_route}, now(), {AIRPORT}, 50"),
        ),
        (
            "seats on a route and a day",
            FlightSearch { day: Some(day(9)), seats: Some(2), ..route },
            format!("{AIRPORT}, {AIRPORT}, {of_a_route}, 2, 2, 50"),
        ),
        (
            "a city, an airport and a day",
            FlightSearch { from: city, to: one(3), ..of_a_day.clone() },
            format!("ARRAY[{AIRPORT}]::uuid[], {AIRPORT}, {of_a_route}, 50"),
        ),
        (
            "from an airport",
            FlightSearch { from: one(1), ..by_departure.clone() },
            format!("{AIRPORT}, now(), 50"),
        ),
        (
            "from an airport by price",
            FlightSearch { from: one(1), ..by_price.clone() },
            format!("{AIRPORT}, now(), 50"),
        ),
        (
            "to an airport",
            FlightSearch { to: one(1), ..by_departure.clone() },
            format!("{AIRPORT}, now(), 50"),
        ),
        ("a day", of_a_day, format!("{of_a_route}, now(), now(), 50")),
        (
            "by departure, the next page",
            FlightSearch { after, ..by_departure.clone() },
            format!("now(), now(), {AIRPORT}, 50"),
        ),
        ("by departure", by_departure, "now(), 50".to_owned()),
        (
            "by price, the next page",
            FlightSearch { after, ..by_price.clone() },
            format!("now(), 7, now(), {AIRPORT}, 50"),
        ),
        ("by price", by_price, "now(), 50".to_owned()),
        ("by price, within limits", cheap, "now(), 1000, 2000, 50".to_owned()),
        ("by duration", anything(FlightOrder::Duration), "now(), 50".to_owned()),
    ]
}
