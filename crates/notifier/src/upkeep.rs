//! Keeps the queue in order: replays are queued, what is old is swept, a queue that grew too long is stopped, and how much
//! waits is told.
//!
//! Every notifier does it; each step is bounded, and two of them do each other no harm.

use crate::{
    claims::{Stopped, stop},
    replays::queue_replays,
};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_domain::Timestamp;
use sqlx::{PgPool, Row};
use std::{error::Error, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};
use uuid::Uuid;

/// How long attempts, and deliveries that have ended, are kept.
const KEPT: TimeDelta = TimeDelta::days(30);
/// How long a deleted endpoint is remembered: until nothing can be queued for it any more.
const DELETED_KEPT: TimeDelta = TimeDelta::hours(1);
/// Rows that one sweep deletes of each table.
const SWEEP_ROWS_MAX: i64 = 5_000;
/// Deliveries that may wait for one endpoint: a receiver that is slower than what happens would let the queue grow for ever.
const PENDING_MAX: i64 = 1_000_000;
/// Between two looks for a replay.
const REPLAYS_EVERY: Duration = Duration::from_millis(500);
/// Between two sweeps and counts.
const SWEEP_EVERY: Duration = Duration::from_secs(15);

/// What one upkeep found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Deliveries that are owed.
    pub pending: i64,
    /// Seconds for which the oldest of them that is sent has been due.
    pub oldest_pending_seconds: i64,
    /// Rows that were swept.
    pub swept: u64,
    /// Endpoints that were paused, because too much waited for them.
    pub paused: usize,
}

/// Sweeps and counts, once.
///
/// # Errors
/// Whatever Postgres says; the next one tries again.
pub async fn upkeep(pool: &PgPool, now: Timestamp) -> Result<Upkeep, sqlx::Error> {
    let mut swept = 0;
    for sql in [
        "DELETE FROM webhook_attempts WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM webhook_attempts WHERE attempted_at < $1 ORDER BY attempted_at LIMIT $2))",
        "DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM webhook_deliveries WHERE ended_at < $1 ORDER BY ended_at LIMIT $2))",
        "DELETE FROM webhook_deliveries WHERE $1::timestamptz IS NOT NULL AND ctid = ANY (ARRAY(
             SELECT d.ctid FROM webhook_endpoints w JOIN webhook_deliveries d USING (endpoint_id)
             WHERE w.state = 'deleted' LIMIT $2))",
        "DELETE FROM mails WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM mails WHERE ended_at < $1 ORDER BY ended_at LIMIT $2))",
    ] {
        let gone = sqlx::query(sql).bind(now - KEPT).bind(SWEEP_ROWS_MAX).execute(pool).await?;
        swept += gone.rows_affected();
    }
    // What was being queued when an endpoint was deleted came long before this.
    let deleted = "DELETE FROM webhook_endpoints w WHERE state = 'deleted' AND stopped_at < $1
                   AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = w.endpoint_id)";
    swept += sqlx::query(deleted).bind(now - DELETED_KEPT).execute(pool).await?.rows_affected();
    let full = "SELECT endpoint_id FROM webhook_endpoints w WHERE state = 'active' AND EXISTS (
                    SELECT FROM webhook_deliveries d
                    WHERE d.endpoint_id = w.endpoint_id AND d.state = 'pending' OFFSET $1)";
    let mut paused = 0;
    for endpoint_id in sqlx::query_scalar::<_, Uuid>(full).bind(PENDING_MAX).fetch_all(pool).await? {
        if stop(pool, endpoint_id, now, Stopped::QueueFull).await? {
            warn!(endpoint.id = %endpoint_id, "too much waits for a webhook endpoint, and it is paused");
            paused += 1;
        }
    }
    let row = sqlx::query(
        "SELECT count(*) AS pending,
                min(next_attempt_at) FILTER (WHERE endpoint_id = ANY (ARRAY(
                    SELECT endpoint_id FROM webhook_endpoints WHERE state = 'active'))) AS oldest
         FROM webhook_deliveries WHERE state = 'pending'",
    )
    .fetch_one(pool)
    .await?;
    let (pending, oldest): (i64, Option<Timestamp>) = (row.try_get("pending")?, row.try_get("oldest")?);
    let oldest_pending_seconds = oldest.map_or(0, |at| (now - at).num_seconds().max(0));
    metrics::gauge!("holdfast_webhook_pending").set(count(pending));
    metrics::gauge!("holdfast_webhook_oldest_pending_seconds").set(count(oldest_pending_seconds));
    Ok(Upkeep { pending, oldest_pending_seconds, swept, paused })
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and no count of ours reaches 2^53")]
fn count(number: i64) -> f64 {
    number as f64
}

/// Keeps the queue in order for ever.
pub(crate) async fn keep_up(pool: PgPool, ambient: std::sync::Arc<dyn Ambient>) {
    let (mut swept_at, mut pause): (Option<Instant>, _) = (None, REPLAYS_EVERY);
    loop {
        // At the start, too: others have more urgent things to do then.
        sleep(pause).await;
        if swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            swept_at = Some(Instant::now());
            if let Err(error) = upkeep(&pool, ambient.now()).await {
                debug!(error = &error as &dyn Error, "no upkeep; the next one tries again");
            }
        }
        pause = match queue_replays(&pool, ambient.now()).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => REPLAYS_EVERY,
            Err(error) => {
                debug!(error = &error as &dyn Error, "no replay; the next look tries again");
                REPLAYS_EVERY
            }
        };
    }
}
