//! History on request: events from a position on, queued for one endpoint with the ids they always had.
//!
//! Shape: a request writes one row for each log partition, with where it begins and where the log ended; the notifier takes
//! a row, reads one page of the log, queues what fits, and moves the row on, in one transaction. So a replay of millions is
//! bounded work in every step, goes on after a crash where it was, and waits while much is pending for its endpoint.
//!
//! Correctness: a delivery that is there already is made pending again; one that is pending stays as it is.

use crate::{
    endpoints::{EndpointError, endpoint},
    kind::EventKind,
};
use holdfast_domain::Timestamp;
use holdfast_event_log::{LogPosition, heads, read_raw_after};
use sqlx::{PgPool, Row, postgres::PgRow};
use tracing::warn;
use uuid::Uuid;

/// Events of the log that one step looks at: bounds its memory and its transaction.
const PAGE_EVENTS_MAX: i64 = 1_000;
/// While more is pending than this, a replay waits.
const PENDING_MAX: i64 = 5_000;

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The endpoint cannot have one.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// One is running.
    #[error("a replay of this endpoint is being queued; ask again when it is done")]
    Running,
    /// It begins outside of the log.
    #[error(
        "{at} is not in the log, whose partitions are 0 to {last_partition}; that partition ends at {head}"
    )]
    Position {
        /// What was asked for.
        at: LogPosition,
        /// The last partition.
        last_partition: usize,
        /// Where the partition ends; 0 where there is none.
        head: i64,
    },
}

/// Asks for the events at and after each of `from` (partitions that are not named are not replayed; none named: all, from
/// the first event on), of these types, up to where the log ends now. Returns how many events will be looked at.
///
/// # Errors
/// `Running`, `Position`, or what failed.
pub async fn replay(
    pool: &PgPool,
    endpoint_id: Uuid,
    from: &[LogPosition],
    event_types: Option<&[EventKind]>,
) -> Result<i64, ReplayError> {
    let endpoint = endpoint(pool, endpoint_id).await?;
    let heads: Vec<i64> =
        heads(pool).await.map_err(EndpointError::from)?.into_iter().map(|head| head.position).collect();
    let all: Vec<_> =
        (0u16..).zip(&heads).map(|(log_partition, _)| LogPosition { log_partition, position: 1 }).collect();
    let (mut partitions, mut after, mut until) = (vec![], vec![], vec![]);
    for at in if from.is_empty() { &all } else { from } {
        let head = heads.get(usize::from(at.log_partition)).copied();
        let (Some(head), 1..) = (head.filter(|head| at.position <= head + 1), at.position) else {
            let last_partition = heads.len().saturating_sub(1);
            return Err(ReplayError::Position { at: *at, last_partition, head: head.unwrap_or(0) });
        };
        partitions.push(at.log_partition.cast_signed());
        after.push(at.position - 1);
        until.push(head);
    }
    let words = match event_types {
        Some(kinds) => kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
        None => endpoint.event_types,
    };
    let looked_at = until.iter().zip(&after).map(|(until, after)| until - after).sum();
    let sql = "INSERT INTO webhook_replays (endpoint_id, log_partition, event_types, position, until_position)
               SELECT $1, n.log_partition, $2, n.position, n.until_position
               FROM unnest($3::smallint[], $4::bigint[], $5::bigint[]) AS n (log_partition, position, until_position)
               WHERE NOT EXISTS (SELECT FROM webhook_replays WHERE endpoint_id = $1)";
    // It fills the gap if it begins early enough in every partition. Of one that is stopped the gap goes on behind it.
    let fills = "UPDATE webhook_endpoints w SET stopped_after = CASE state WHEN 'active' THEN NULL ELSE $5::bigint[] END
                 WHERE endpoint_id = $1 AND event_types <@ $2 AND NOT EXISTS (
                     SELECT FROM unnest(w.stopped_after, $5::bigint[]) WITH ORDINALITY AS gap (last, head, n)
                     LEFT JOIN unnest($3::smallint[], $4::bigint[]) AS r (log_partition, position)
                          ON r.log_partition = gap.n - 1 AND r.position <= gap.last
                     WHERE r.position IS NULL AND gap.last < gap.head)";
    let begin = async {
        let mut tx = pool.begin().await?;
        let begun = sqlx::query(sql)
            .bind(endpoint_id)
            .bind(&words)
            .bind(&partitions)
            .bind(&after)
            .bind(&until)
            .execute(&mut *tx)
            .await?;
        if begun.rows_affected() > 0 {
            let fills = sqlx::query(fills).bind(endpoint_id).bind(&words).bind(&partitions).bind(&after);
            fills.bind(&heads).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(begun)
    };
    let begun = begin.await;
    match begun {
        Ok(begun) if begun.rows_affected() > 0 => Ok(looked_at),
        Ok(_) => Err(ReplayError::Running),
        // Two at the same moment, or a partition that is named twice.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(ReplayError::Running),
        Err(error) => Err(EndpointError::from(error).into()),
    }
}

/// Queues one page of a replay; false: there is none, or all of them wait.
///
/// # Errors
/// Whatever Postgres says: nothing is queued then.
pub async fn queue_replays(pool: &PgPool, now: Timestamp) -> Result<bool, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let sql =
        "SELECT endpoint_id, log_partition, event_types, position, until_position FROM webhook_replays r
               WHERE NOT EXISTS (
                   SELECT FROM webhook_deliveries d
                   WHERE d.endpoint_id = r.endpoint_id AND d.state = 'pending' OFFSET $1)
               ORDER BY endpoint_id, log_partition LIMIT 1 FOR UPDATE SKIP LOCKED";
    let row = sqlx::query(sql).bind(PENDING_MAX).fetch_optional(&mut *tx).await?;
    let Some(row) = row else { return Ok(false) };
    let page = Page::from_row(&row)?;
    let limit = PAGE_EVENTS_MAX.min(page.until - page.after.position);
    let events = read_raw_after(&mut *tx, page.after, limit).await?;
    let (mut ids, mut words, mut positions, mut times) = (vec![], vec![], vec![], vec![]);
    for raw in &events {
        match raw.decode() {
            Ok(event) => {
                let word = EventKind::of(&event.event).as_str();
                if page.event_types.iter().any(|wanted| wanted == word) {
                    ids.push(raw.event_id);
                    words.push(word);
                    positions.push(raw.at.position);
                    times.push(raw.recorded_at);
                }
            }
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "a replay leaves out what is not understood");
            }
        }
    }
    let sql = "INSERT INTO webhook_deliveries AS d
                   (endpoint_id, event_id, event_type, log_partition, position, recorded_at, next_attempt_at)
               SELECT w.endpoint_id, n.event_id, n.event_type, $2, n.position, n.recorded_at, $3
               FROM unnest($4::uuid[], $5::text[], $6::bigint[], $7::timestamptz[])
                    AS n (event_id, event_type, position, recorded_at)
               JOIN webhook_endpoints w ON w.endpoint_id = $1 AND w.state <> 'deleted'
               ON CONFLICT (endpoint_id, event_id) DO UPDATE
               SET state = 'pending', attempts = 0, next_attempt_at = excluded.next_attempt_at, ended_at = NULL
               WHERE d.state <> 'pending'";
    sqlx::query(sql)
        .bind(page.endpoint_id)
        .bind(page.after.log_partition.cast_signed())
        .bind(now)
        .bind(ids)
        .bind(words)
        .bind(positions)
        .bind(times)
        .execute(&mut *tx)
        .await?;
    let last = events.last().map_or(page.until, |event| event.at.position);
    sqlx::query("UPDATE webhook_replays SET position = $3 WHERE endpoint_id = $1 AND log_partition = $2")
        .bind(page.endpoint_id)
        .bind(page.after.log_partition.cast_signed())
        .bind(last)
        .execute(&mut *tx)
        .await?;
    let done = "DELETE FROM webhook_replays WHERE endpoint_id = $1 AND log_partition = $2 AND position >= until_position";
    let done = sqlx::query(done).bind(page.endpoint_id).bind(page.after.log_partition.cast_signed());
    done.execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(true)
}

struct Page {
    endpoint_id: Uuid,
    event_types: Vec<String>,
    after: LogPosition,
    until: i64,
}

impl Page {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let log_partition: i16 = row.try_get("log_partition")?;
        let after =
            LogPosition { log_partition: log_partition.cast_unsigned(), position: row.try_get("position")? };
        Ok(Self {
            endpoint_id: row.try_get("endpoint_id")?,
            event_types: row.try_get("event_types")?,
            after,
            until: row.try_get("until_position")?,
        })
    }
}
