//! The smallest read model: how many events each inventory has. Applying one twice shows.

use crate::{IN_MOVED, PgQuery, Projection, Table};
use holdfast_domain::InventoryId;
use holdfast_event_log::{LogPosition, Recorded};
use std::collections::BTreeMap;

/// Counts events: `tally_of_events.tally (inventory_id, events, log_partition, position)`.
#[derive(Debug)]
pub struct Tally;

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
