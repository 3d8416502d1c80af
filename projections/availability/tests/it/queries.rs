//! The queries: what they return, that an index serves them, and that a switch does not disturb them.

use holdfast_availability::{Availability, ShowSearch, ending_inventories, find, search_shows};
use holdfast_domain::{
    AirplaneId, AirportId, BookingId, CancelFlight, Currency, ENDINGS_MAX, Flight, Inventory,
    InventoryCommand, InventoryId, Money, OpenInventory, Policy, ReserveSeats, SalesState, Subject,
    Timestamp, UserId,
};
use holdfast_projector::{
    LogSource, rebuild,
    testing::{Happened, Market, TestLog, drain, plan},
};
use holdfast_testkit::database;
use sqlx::{Connection, types::Uuid};

/// Each pooled connection has the statement prepared before the tables change under it.
#[tokio::test]
async fn prepared_queries_go_on_through_a_switch() {
    let db = database().await;
    let pool = db.pool();
    let mut market = Market::new(12, 3);
    let mut log = TestLog::create(&pool, 2).await;
    log.append(&market.history(100)).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    let id = *market.inventories().keys().next().unwrap();
    let mut held = pool.acquire().await.unwrap();
    let (all, now) = (ShowSearch { limit: 10, ..ShowSearch::default() }, Timestamp::UNIX_EPOCH);
    // Past the fifth use Postgres may keep one plan for all parameters.
    for _ in 0..8 {
        find(&mut *held, id).await.unwrap().unwrap();
        search_shows(&mut *held, &all, now).await.unwrap();
    }
    let page_before = search_shows(&mut *held, &all, now).await.unwrap();
    let mut tx = held.begin().await.unwrap();
    let before = find(&mut *tx, id).await.unwrap().unwrap();
    // The switch does not wait for a transaction that reads; dropping the old tables does.
    let switching = tokio::spawn({
        let pool = pool.clone();
        async move { rebuild::<Availability>(&pool, false, |_| ()).await }
    });
    let switched = "SELECT 'availability.inventories'::regclass::oid <> $1::oid";
    let old: i64 = table(&mut tx).await;
    holdfast_testkit::eventually(std::time::Duration::from_secs(20), "the new tables are live", async || {
        sqlx::query_scalar(switched)
            .bind(sqlx::postgres::types::Oid(old as u32))
            .fetch_one(&pool)
            .await
            .unwrap()
    })
    .await;
    assert_eq!(find(&mut *tx, id).await.unwrap().unwrap(), before, "in the middle of a transaction");
    tx.commit().await.unwrap();
    assert!(switching.await.unwrap().unwrap().switched);
    assert_eq!(find(&mut *held, id).await.unwrap().unwrap(), before);
    assert_eq!(search_shows(&mut *held, &all, now).await.unwrap(), page_before);
}

/// A decision ends so many bookings and no more: in between, whoever sweeps must find the flight.
#[tokio::test]
async fn cancelled_flights_are_listed_until_their_last_booking_has_ended() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    let (mut called_off, mut on_sale) = (Flown::new(1), Flown::new(2));
    for flight in [&mut called_off, &mut on_sale] {
        flight.sell(ENDINGS_MAX + 2);
        log.append(&flight.happened()).await;
    }
    called_off.ask(InventoryCommand::CancelFlight(CancelFlight { reason: "weather".to_owned() }));
    log.append(&called_off.happened()).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    assert_eq!(ending_inventories(&pool, 100).await.unwrap(), [called_off.id]);
    called_off.ask(InventoryCommand::EndDueBookings);
    log.append(&called_off.happened()).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    assert_eq!(ending_inventories(&pool, 100).await.unwrap(), []);
    let row = find(&pool, called_off.id).await.unwrap().unwrap();
    assert_eq!((row.counts.confirmed, row.counts.sales), (0, SalesState::Cancelled));
}

/// A flight with what has happened to it since the last look.
struct Flown {
    id: InventoryId,
    state: Inventory,
    now: Timestamp,
    happened: Vec<Happened>,
}

impl Flown {
    fn new(number: i64) -> Self {
        let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        let id = InventoryId::from_number(number).unwrap();
        let mut flown = Self { id, state: Inventory::default(), now, happened: vec![] };
        flown.ask(InventoryCommand::OpenInventory(OpenInventory {
            subject: Subject::Flight(Box::new(Flight {
                number: format!("HF{number}"),
                airplane_id: AirplaneId::from_number(1).unwrap(),
                departure_airport_id: AirportId::from_number(1).unwrap(),
                arrival_airport_id: AirportId::from_number(2).unwrap(),
                departure_zone: "Europe/Berlin".to_owned(),
                arrival_zone: "Europe/Paris".to_owned(),
                departs_at: now + chrono::TimeDelta::days(1),
                arrives_at: now + chrono::TimeDelta::days(2),
                gate: None,
            })),
            capacity: 1_000,
            price: Money { amount: 1, currency: Currency::from_code("EUR").unwrap() },
            policy: Policy {
                seats_per_booking: 1,
                live_bookings_per_user: 0,
                hold_seconds: 0,
                overbooking_allowance: 0,
                seats_per_user: 0,
                holds_per_user: 0,
            },
            accept_departed: false,
        }));
        flown
    }

    fn sell(&mut self, bookings: usize) {
        for nth in 0..bookings as u128 {
            self.ask(InventoryCommand::ReserveSeats(ReserveSeats {
                booking_id: BookingId(Uuid::from_u128(nth)),
                user_id: UserId::default(),
                quantity: 1,
                accept_departed: false,
            }));
        }
    }

    fn ask(&mut self, command: InventoryCommand) {
        for event in self.state.decide(&command, self.now).unwrap() {
            self.state.apply(&event);
            self.happened.push(Happened { inventory_id: self.id, event, at: self.now });
        }
    }

    fn happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }
}

async fn table(conn: &mut sqlx::PgConnection) -> i64 {
    sqlx::query_scalar("SELECT 'availability.inventories'::regclass::oid::int8")
        .fetch_one(conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_index_serves_every_query() {
    let db = database().await;
    let pool = db.pool();
    TestLog::create(&pool, 2).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    sqlx::query(
        "INSERT INTO availability.inventories (
             inventory_id, kind, name, capacity, overbooking_allowance, held, confirmed, blocked, sales,
             price_amount, currency, seats_per_booking, live_bookings_per_user, hold_seconds, seats_per_user, holds_per_user, version, terms_version,
             opened_at, log_partition, position)
         SELECT gen_random_uuid(), 'show', 'x', 10, 0, 0, 0, 0, CASE WHEN n % 9 = 0 THEN 'cancelled' ELSE 'open' END,
                1, 'EUR', 1, 0, 0, 0, 0, 1, 1,
                now() - n * interval '1 second', n % 2, n
         FROM generate_series(1, 100000) n",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("ANALYZE availability.inventories").execute(&pool).await.unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    assert!(find(&mut *conn, InventoryId::default()).await.unwrap().is_none());
    let plan_of_find = plan(conn, "'00000000-0000-0000-0000-000000000000'").await;
    assert!(plan_of_find.contains("Index Scan using inventories_pkey"), "{plan_of_find}");

    ending_inventories(&mut *conn, 10).await.unwrap();
    let ending = plan(conn, "10").await;
    assert!(ending.contains("inventories_ending"), "{ending}");
}
