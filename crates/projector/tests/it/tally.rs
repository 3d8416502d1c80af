//! The smallest read model: how many events each inventory has. Applying one twice shows.

use holdfast_domain::{InventoryId, SalesClosed, Timestamp};
use holdfast_event_log::{LogPosition, Recorded};
use holdfast_projector::{
    IN_MOVED, LogSource, PgQuery, Positions, Projection, Projector, Table,
    testing::{Happened, TestLog},
};
use sqlx::PgPool;
use std::collections::BTreeMap;
use uuid::Uuid;

pub(crate) struct Tally;

impl Projection for Tally {
    const NAME: &'static str = "tally-of-events";
    const TABLES: &'static [Table] = &[Table { name: "tally", key: &["inventory_id"] }];
    type Changes = BTreeMap<InventoryId, (i64, LogPosition)>;

    fn tables_sql(schema: &str) -> String {
        format!(
            "CREATE TABLE {schema}.tally (inventory_id uuid PRIMARY KEY, events bigint NOT NULL,
                 log_partition smallint NOT NULL, position bigint NOT NULL)"
        )
    }

    fn indexes_sql(schema: &str) -> String {
        format!("CREATE INDEX tally_events ON {schema}.tally (events)")
    }

    fn fold(events: &[Recorded]) -> Self::Changes {
        let mut changes = Self::Changes::new();
        for e in events {
            let change = changes.entry(e.inventory_id).or_insert((0, e.at));
            *change = (change.0 + 1, e.at);
        }
        changes
    }

    fn write_sql(schema: &str) -> String {
        format!(
            "counted AS (
                 INSERT INTO {schema}.tally AS t (inventory_id, events, log_partition, position)
                 SELECT * FROM unnest($4::uuid[], $5::bigint[], $6::smallint[], $7::bigint[])
                     AS n (inventory_id, events, log_partition, position)
                 WHERE n.log_partition {IN_MOVED}
                 ON CONFLICT (inventory_id) DO UPDATE
                 SET events = t.events + excluded.events, position = excluded.position)"
        )
    }

    fn bind<'q>(query: PgQuery<'q>, changes: &'q Self::Changes) -> PgQuery<'q> {
        query
            .bind(changes.keys().map(|id| id.0).collect::<Vec<_>>())
            .bind(changes.values().map(|(events, _)| *events).collect::<Vec<_>>())
            .bind(changes.values().map(|(_, at)| at.log_partition.cast_signed()).collect::<Vec<_>>())
            .bind(changes.values().map(|(_, at)| at.position).collect::<Vec<_>>())
    }
}

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
