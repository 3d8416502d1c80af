//! A writer on a database of its own, and words to ask it in.

use chrono::{DateTime, Utc};
use holdfast_ambient::{Ambient, Machine, StoppedClock};
use holdfast_domain::{
    AirplaneId, AirportId, BookingId, ConfirmBooking, Currency, Flight, InventoryCommand, InventoryId, Money,
    OpenInventory, Policy, ReserveSeats, Subject, UserId,
};
use holdfast_event_log as log;
use holdfast_testkit::{TestDatabase, database};
use holdfast_writer::{Accepted, Ask, ExecuteError, Writer, WriterConfig};
use sqlx::{PgPool, postgres::PgConnectOptions};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Patience of the tests: a slow machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Of the rig's log.
pub(crate) const PARTITIONS: u16 = 4;

pub(crate) struct Rig {
    pub(crate) db: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) clock: StoppedClock,
    pub(crate) writer: Writer,
}

pub(crate) fn noon() -> DateTime<Utc> {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn config() -> WriterConfig {
    WriterConfig {
        answer_within: PATIENCE,
        force: true,
        ..WriterConfig::new(Machine.new_id(), "127.0.0.1:1".to_owned())
    }
}

pub(crate) async fn writer_on(
    pool: &PgPool,
    connect: PgConnectOptions,
    clock: &StoppedClock,
    config: WriterConfig,
) -> Writer {
    Writer::start(pool.clone(), connect, Arc::new(clock.clone()), config).await.unwrap()
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: WriterConfig) -> Self {
        let db = database().await;
        let pool = db.pool();
        log::initialize(&mut pool.acquire().await.unwrap(), Some(PARTITIONS)).await.unwrap();
        let clock = StoppedClock::at(noon());
        let writer = writer_on(&pool, db.connect_options(), &clock, config).await;
        Self { db, pool, clock, writer }
    }

    /// Another writer on the same log, as after a restart.
    pub(crate) async fn restarted(&self) -> Writer {
        self.writer.shutdown().await;
        writer_on(&self.pool, self.db.connect_options(), &self.clock, config()).await
    }

    pub(crate) async fn events(&self) -> i64 {
        events(&self.pool).await
    }
}

pub(crate) async fn events(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(pool).await.unwrap()
}

pub(crate) fn policy(hold_seconds: u32) -> Policy {
    Policy {
        seats_per_booking: 10,
        live_bookings_per_user: 0,
        hold_seconds,
        overbooking_allowance: 0,
        seats_per_user: 0,
        holds_per_user: 0,
    }
}

pub(crate) fn ask(inventory_id: InventoryId, command_id: Uuid, command: InventoryCommand) -> Ask {
    Ask {
        command_id,
        fingerprint: Uuid::nil(),
        keyed: true,
        inventory_id,
        command,
        metadata: "{}".to_owned(),
    }
}

pub(crate) async fn open(writer: &Writer, capacity: u32, policy: Policy) -> InventoryId {
    let id = Machine.new_id();
    let command = InventoryCommand::OpenInventory(OpenInventory {
        subject: Subject::Show { name: "Sale".to_owned(), starts_at: None, zone: None, sales_end_at: None },
        capacity,
        price: Money { amount: 2_000, currency: Currency::from_code("EUR").unwrap() },
        policy,
        accept_departed: false,
    });
    writer.execute(ask(InventoryId(id), id, command)).await.expect("it opens");
    InventoryId(id)
}

pub(crate) fn reserve(inventory_id: InventoryId, command_id: Uuid, quantity: u32) -> Ask {
    let command = InventoryCommand::ReserveSeats(ReserveSeats {
        booking_id: BookingId(command_id),
        user_id: UserId(Uuid::from_u128(7)),
        quantity,
        accept_departed: false,
    });
    ask(inventory_id, command_id, command)
}

pub(crate) fn confirm(inventory_id: InventoryId, booking_id: Uuid) -> Ask {
    let command = InventoryCommand::ConfirmBooking(ConfirmBooking {
        booking_id: BookingId(booking_id),
        owner: None,
        accept_departed: false,
    });
    ask(inventory_id, Machine.new_id(), command)
}

/// Opens so many inventories, no two of them in one of the rig's four partitions.
pub(crate) async fn open_apart(writer: &Writer, inventories: usize, capacity: u32) -> Vec<InventoryId> {
    let mut apart: Vec<InventoryId> = vec![];
    while apart.len() < inventories {
        let id = open(writer, capacity, policy(0)).await;
        if apart.iter().all(|other| other.log_partition(PARTITIONS) != id.log_partition(PARTITIONS)) {
            apart.push(id);
        }
    }
    apart
}

/// Reserves one seat under a fresh id.
pub(crate) async fn reserve_one(writer: &Writer, id: InventoryId) -> Result<Accepted, ExecuteError> {
    writer.execute(reserve(id, Machine.new_id(), 1)).await
}

/// Opens a flight that leaves tomorrow.
pub(crate) async fn open_flight(writer: &Writer, capacity: u32, policy: Policy) -> InventoryId {
    let id = Machine.new_id();
    let departs_at = noon() + chrono::TimeDelta::days(1);
    let command = InventoryCommand::OpenInventory(OpenInventory {
        subject: Subject::Flight(Box::new(Flight {
            number: "HF1207".to_owned(),
            airplane_id: AirplaneId::from_number(1).unwrap(),
            departure_airport_id: AirportId::from_number(1).unwrap(),
            arrival_airport_id: AirportId::from_number(2).unwrap(),
            departure_zone: "Europe/Berlin".to_owned(),
            arrival_zone: "Europe/Paris".to_owned(),
            departs_at,
            arrives_at: departs_at + chrono::TimeDelta::hours(2),
            gate: None,
        })),
        capacity,
        price: Money { amount: 2_000, currency: Currency::from_code("EUR").unwrap() },
        policy,
        accept_departed: false,
    });
    writer.execute(ask(InventoryId(id), id, command)).await.expect("it opens");
    InventoryId(id)
}
