//! The smallest read model's projector, and words to fill its log and look at its rows.

use holdfast_domain::{InventoryId, SalesClosed, Timestamp};
pub(crate) use holdfast_projector::testing::Tally;
use holdfast_projector::{
    LogSource, Positions, Projector,
    testing::{Happened, TestLog},
};
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) fn projector(pool: &PgPool) -> Projector<Tally, LogSource> {
    Projector::new(pool, LogSource::new(pool), Positions::of::<Tally>(pool))
}

/// The `nth` inventory; of a log with several partitions it lives in partition `nth` modulo their number.
pub(crate) fn inventory(nth: u64) -> InventoryId {
    InventoryId(Uuid::from_u64_pair(0x0193_0000_0000_7000, nth))
}

/// Appends `events` events to the stream of the `nth` inventory.
pub(crate) async fn append(log: &mut TestLog, nth: u64, events: usize) {
    let happened =
        Happened { inventory_id: inventory(nth), event: SalesClosed {}.into(), at: Timestamp::default() };
    log.append(&vec![happened; events]).await;
}

/// The count of every inventory, in the order of their numbers.
pub(crate) async fn counts(pool: &PgPool) -> Vec<i64> {
    sqlx::query_scalar("SELECT events FROM tally_of_events.tally ORDER BY inventory_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

pub(crate) async fn checkpoints(pool: &PgPool) -> Vec<i64> {
    let sql = "SELECT position FROM tally_of_events.checkpoints ORDER BY log_partition";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

/// Runs a statement as somebody who tampers.
pub(crate) async fn tamper(pool: &PgPool, sql: &str) {
    let done = sqlx::query(sql).execute(pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql} changed nothing");
}
