//! The words the tests share: a log of a test's own, and appends of the plainest kind.
//!
//! A command here makes one event, in a stream that is named like the command. So where a command's
//! event stands, and whether it stands there once, can be read from the log by the command's id.

use holdfast_domain::{InventoryEvent, InventoryId, SalesClosed, Timestamp};
use holdfast_event_log::{
    Append, Claim, Head, LogPosition, NewEvent, Recorded, TakenOver, initialize, read_after, take_over,
};
use holdfast_testkit::{TestDatabase, database, eventually};
use sqlx::{ConnectOptions, PgConnection, PgPool};
use std::time::Duration;
use uuid::Uuid;

/// Longer than anything here takes on a busy machine: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Two processes.
pub(crate) const OLD: Claim<'static> =
    Claim { owner: Uuid::from_u128(0x01d), owner_address: "old:1", force: true };
pub(crate) const NEW: Claim<'static> =
    Claim { owner: Uuid::from_u128(0x2e3), owner_address: "new:1", force: true };

/// A log in a database of its own.
pub(crate) struct Log {
    pub(crate) database: TestDatabase,
    pub(crate) pool: PgPool,
    partitions: u16,
}

pub(crate) async fn log(partitions: u16) -> Log {
    let database = database().await;
    let pool = database.pool();
    initialize(&mut pool.acquire().await.unwrap(), Some(partitions)).await.unwrap();
    Log { database, pool, partitions }
}

impl Log {
    /// A connection of one's own.
    pub(crate) async fn connect(&self) -> PgConnection {
        self.database.connect_options().connect().await.unwrap()
    }

    /// Takes every partition over, in order.
    pub(crate) async fn take_over(&self, claim: Claim<'_>) -> Vec<TakenOver> {
        let all: Vec<_> = (0..self.partitions).map(u16::cast_signed).collect();
        take_over(&mut self.pool.acquire().await.unwrap(), &all, claim).await.unwrap()
    }

    /// The same, if only the heads matter.
    pub(crate) async fn own(&self, claim: Claim<'_>) -> Vec<Head> {
        self.take_over(claim).await.iter().map(|t| t.head).collect()
    }

    /// Every event of a partition; its positions are 1, 2, 3 … or this panics.
    pub(crate) async fn chain(&self, log_partition: u16) -> Vec<Recorded> {
        let start = LogPosition { log_partition, position: 0 };
        let events = read_after(&self.pool, &[start], i64::MAX).await.unwrap();
        for (event, position) in events.iter().zip(1..) {
            assert_eq!(event.at, LogPosition { log_partition, position }, "a gap, or a wrong order");
        }
        events
    }

    /// The commands of a partition, in the order of its events.
    pub(crate) async fn commands(&self, log_partition: u16) -> Vec<Uuid> {
        self.chain(log_partition).await.iter().map(|e| e.inventory_id.0).collect()
    }

    /// Rows of `commands`.
    pub(crate) async fn accepted(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM commands").fetch_one(&self.pool).await.unwrap()
    }

    /// Returns when so many statements in this database wait for a lock.
    pub(crate) async fn until_waiting(&self, statements: i64) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually(PATIENCE, "statements wait for a lock", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&self.pool).await.unwrap() >= statements
        })
        .await;
    }
}

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_timestamp(1_900_000_800, 0).unwrap()
}

/// The id of a command; also of its stream.
pub(crate) fn command(number: u128) -> Uuid {
    Uuid::from_u128(0xc0_0000_0000 + number)
}

/// An append of these commands to these heads.
pub(crate) fn append<'a>(parts: impl IntoIterator<Item = (Head, &'a [Uuid])>) -> Append {
    let mut append = Append::default();
    for (head, commands) in parts {
        append.begin(head, noon());
        for &command_id in commands {
            let at = append.event(event_of(command_id)).unwrap();
            append.command(command_id, fingerprint_of(command_id), at);
        }
    }
    append
}

pub(crate) fn event_of(command_id: Uuid) -> NewEvent {
    let event = InventoryEvent::from(SalesClosed {});
    NewEvent {
        inventory_id: InventoryId(command_id),
        sequence: 1,
        event_type: event.type_name(),
        event_version: event.version(),
        payload: serde_json::to_string(&event).unwrap(),
        metadata: "{}".into(),
        event_id: command_id,
        command_id: Some(command_id),
        recorded_at: noon(),
    }
}

pub(crate) fn fingerprint_of(command_id: Uuid) -> Uuid {
    Uuid::from_u128(!command_id.as_u128())
}
