//! Keeps the queue in order: replays are queued, what is old is swept, a queue that grew too long takes no more until it
//! has drained, and how much waits is told.
//!
//! Every notifier does it; each step is bounded, and two of them do each other no harm. The three go on beside each other,
//! and one that fails keeps no other from its work.

use crate::{
    failure_log::FailureLog,
    outgoing::{QUEUES, Queue},
    records::{Stopped, stop},
    replays::queue_replays,
};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_domain::Timestamp;
use sqlx::{PgPool, Row};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tracing::{info, warn};
use uuid::Uuid;

/// How long attempts, and deliveries that have ended, are kept.
const KEPT: TimeDelta = TimeDelta::days(30);
/// How long a deleted endpoint is remembered: until nothing can be queued for it any more.
const DELETED_KEPT: TimeDelta = TimeDelta::hours(1);
/// Rows that one statement of a sweep deletes: bounds how long its locks are held.
const SWEEP_ROWS_MAX: u32 = 5_000;
/// Between two statements of a sweep that has more to do: others get their turn.
const SWEEP_PAUSE: Duration = Duration::from_millis(50);
/// Between two looks for a replay.
const REPLAYS_EVERY: Duration = Duration::from_millis(500);
/// Between two sweeps, and between two counts.
const UPKEEP_EVERY: Duration = Duration::from_secs(15);

/// What is swept, how long it is kept, and how: of what is older than `$1`, `$2` rows at most. The outer statement repeats
/// the age: a row that was old when it was found may have been made pending again while its lock was waited for.
const SWEEPS: [(&str, TimeDelta, &str); 6] = [
    (
        "sweeping old attempts",
        KEPT,
        "DELETE FROM webhook_attempts WHERE attempted_at < $1 AND ctid = ANY (ARRAY(
             SELECT ctid FROM webhook_attempts WHERE attempted_at < $1 ORDER BY attempted_at LIMIT $2))",
    ),
    (
        "sweeping old deliveries",
        KEPT,
        "DELETE FROM webhook_deliveries WHERE ended_at < $1 AND ctid = ANY (ARRAY(
             SELECT ctid FROM webhook_deliveries WHERE ended_at < $1 ORDER BY ended_at LIMIT $2))",
    ),
    (
        "sweeping deliveries of deleted endpoints",
        KEPT,
        "DELETE FROM webhook_deliveries WHERE $1::timestamptz IS NOT NULL AND ctid = ANY (ARRAY(
             SELECT d.ctid FROM webhook_endpoints w JOIN webhook_deliveries d USING (endpoint_id)
             WHERE w.state = 'deleted' LIMIT $2))",
    ),
    (
        "sweeping old mails",
        KEPT,
        "DELETE FROM mails WHERE ended_at < $1 AND ctid = ANY (ARRAY(
             SELECT ctid FROM mails WHERE ended_at < $1 ORDER BY ended_at LIMIT $2))",
    ),
    (
        "sweeping old reminders",
        KEPT,
        "DELETE FROM reminders WHERE ended_at < $1 AND ctid = ANY (ARRAY(
             SELECT ctid FROM reminders WHERE ended_at < $1 ORDER BY ended_at LIMIT $2))",
    ),
    (
        // What was being queued when an endpoint was deleted came long before this.
        "sweeping deleted endpoints",
        DELETED_KEPT,
        "DELETE FROM webhook_endpoints WHERE endpoint_id = ANY (ARRAY(
             SELECT endpoint_id FROM webhook_endpoints w WHERE state = 'deleted' AND stopped_at < $1
             AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = w.endpoint_id) LIMIT $2))",
    ),
];

/// What one look at the queue found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Deliveries that are owed.
    pub pending: i64,
    /// Seconds for which the oldest of them that is sent has been due.
    pub oldest_pending_seconds: i64,
    /// Endpoints that nothing more is queued for, because too much waits for them.
    pub filled: usize,
    /// Endpoints that are queued for again, because that has drained.
    pub drained: u64,
    /// Mails about bookings.
    pub mails: MailsWaiting,
    /// Reminders.
    pub reminders: MailsWaiting,
}

/// What is owed by mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailsWaiting {
    /// Due, or tried and to be tried again.
    pub waiting: i64,
    /// Given up within the last 30 days.
    pub failed: i64,
}

/// Counts what waits. An endpoint for which `pending_max` deliveries wait is queued no more, until half of them do.
///
/// # Errors
/// Whatever Postgres says; the next one tries again.
pub async fn upkeep(pool: &PgPool, now: Timestamp, pending_max: i64) -> Result<Upkeep, sqlx::Error> {
    let full = "SELECT endpoint_id FROM webhook_endpoints w WHERE state = 'active' AND EXISTS (
                    SELECT FROM webhook_deliveries d
                    WHERE d.endpoint_id = w.endpoint_id AND d.state = 'pending' OFFSET $1)";
    let full: Vec<Uuid> = sqlx::query_scalar(full).bind(pending_max).fetch_all(pool).await?;
    let filled = if full.is_empty() { vec![] } else { stop(pool, &full, now, Stopped::QueueFull).await? };
    for endpoint_id in &filled {
        warn!(endpoint.id = %endpoint_id, "too much waits for a webhook endpoint; it is sent, and nothing more is queued");
    }
    let drained = "UPDATE webhook_endpoints w SET state = 'active' WHERE state = 'full' AND NOT EXISTS (
                       SELECT FROM webhook_deliveries d
                       WHERE d.endpoint_id = w.endpoint_id AND d.state = 'pending' OFFSET $1)";
    let drained = sqlx::query(drained).bind(pending_max / 2).execute(pool).await?.rows_affected();
    if drained > 0 {
        info!(endpoints = drained, "what waited for a webhook endpoint has drained; it is queued for again");
    }
    let row = sqlx::query(
        "SELECT count(*) AS pending,
                min(next_attempt_at) FILTER (WHERE endpoint_id = ANY (ARRAY(
                    SELECT endpoint_id FROM webhook_endpoints WHERE state IN ('active', 'full')))) AS oldest
         FROM webhook_deliveries WHERE state = 'pending'",
    )
    .fetch_one(pool)
    .await?;
    let (pending, oldest): (i64, Option<Timestamp>) = (row.try_get("pending")?, row.try_get("oldest")?);
    let oldest_pending_seconds = oldest.map_or(0, |at| (now - at).num_seconds().max(0));
    metrics::gauge!("holdfast_webhook_pending").set(count(pending));
    metrics::gauge!("holdfast_webhook_oldest_pending_seconds").set(count(oldest_pending_seconds));
    let mut waiting = [MailsWaiting::default(); 2];
    for (waiting, queue) in waiting.iter_mut().zip(QUEUES) {
        *waiting = mails_waiting(pool, queue, now).await?;
    }
    let [mails, reminders] = waiting;
    Ok(Upkeep { pending, oldest_pending_seconds, filled: filled.len(), drained, mails, reminders })
}

/// Counts what is due by mail and not sent yet, and what was given up. A reminder whose time has not come is not waited for.
async fn mails_waiting(pool: &PgPool, queue: Queue, now: Timestamp) -> Result<MailsWaiting, sqlx::Error> {
    let table = queue.table;
    let sql = format!(
        "SELECT count(*) FILTER (WHERE state = 'pending') AS waiting, count(*) FILTER (WHERE state = 'dead') AS failed
         FROM {table} WHERE state = 'dead' OR state = 'pending' AND (next_attempt_at <= $1 OR attempts > 0 OR claim_id IS NOT NULL)"
    );
    let row = sqlx::query(&sql).bind(now).fetch_one(pool).await?;
    let waiting = MailsWaiting { waiting: row.try_get("waiting")?, failed: row.try_get("failed")? };
    metrics::gauge!("holdfast_mails_waiting", "kind" => table).set(count(waiting.waiting));
    metrics::gauge!("holdfast_mails_failed", "kind" => table).set(count(waiting.failed));
    Ok(waiting)
}

/// Deletes what is too old, all of it. Says how many rows, or why not, for each thing that is swept.
pub async fn sweep(pool: &PgPool, now: Timestamp) -> Vec<(&'static str, Result<u64, sqlx::Error>)> {
    let mut swept = vec![];
    for (work, kept, sql) in SWEEPS {
        swept.push((work, sweep_with(pool, sql, now - kept).await));
    }
    swept
}

async fn sweep_with(pool: &PgPool, sql: &'static str, before: Timestamp) -> Result<u64, sqlx::Error> {
    let mut rows = 0;
    loop {
        let gone = sqlx::query(sql).bind(before).bind(i64::from(SWEEP_ROWS_MAX)).execute(pool).await?;
        rows += gone.rows_affected();
        if gone.rows_affected() < SWEEP_ROWS_MAX.into() {
            return Ok(rows);
        }
        sleep(SWEEP_PAUSE).await;
    }
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and no count of ours reaches 2^53")]
fn count(number: i64) -> f64 {
    number as f64
}

/// Keeps the queue in order for ever.
pub(crate) async fn keep_up(pool: PgPool, ambient: Arc<dyn Ambient>, pending_max: i64) {
    let sweeps = async {
        let mut failures = FailureLog::default();
        loop {
            // At the start, too: others have more urgent things to do then.
            sleep(REPLAYS_EVERY).await;
            for (work, swept) in sweep(&pool, ambient.now()).await {
                failures.note(work, swept);
            }
            sleep(UPKEEP_EVERY).await;
        }
    };
    let looks = async {
        let mut failures = FailureLog::default();
        loop {
            sleep(REPLAYS_EVERY).await;
            failures.note("counting what waits", upkeep(&pool, ambient.now(), pending_max).await);
            sleep(UPKEEP_EVERY).await;
        }
    };
    let replays = async {
        let (mut failures, mut pause) = (FailureLog::default(), REPLAYS_EVERY);
        loop {
            sleep(pause).await;
            let more = failures.note("queueing replays", queue_replays(&pool, ambient.now()).await);
            pause = if more == Some(true) { Duration::ZERO } else { REPLAYS_EVERY };
        }
    };
    tokio::join!(sweeps, looks, replays);
}
