//! Who sends what: claiming what is due, and recording what came of it.
//!
//! Shape: a claim locks the endpoints that have something due, then takes up to five of each. An endpoint that another
//! notifier is claiming from is passed over: its turn comes with the next look.
//!
//! Correctness: the lock is taken in its own statement, because a statement that waits, or runs beside the other's, counts
//! what is under way in an old snapshot; with two of them an endpoint would get ten at once. A claim ends by itself, so a
//! notifier that died leaves nothing behind; one that was only slow records into a claim that is not its own any more, and
//! changes nothing but the log of attempts.

use crate::{body::Owed, deliverer::IN_FLIGHT_PER_ENDPOINT_MAX, notices::Notices, sender::Outcome};
use chrono::TimeDelta;
use holdfast_domain::Timestamp;
use holdfast_event_log::LogPosition;
use holdfast_projector::Projection;
use sqlx::{PgExecutor, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// After so long without a success an endpoint is paused.
pub(crate) const FAILING_MAX: TimeDelta = TimeDelta::days(3);

const LOCK_ENDPOINTS: &str = "
    SELECT w.endpoint_id FROM webhook_endpoints w
    WHERE w.state IN ('active', 'full') AND w.endpoint_id <> ALL ($2) AND EXISTS (
        SELECT FROM webhook_deliveries d
        WHERE d.endpoint_id = w.endpoint_id AND d.state = 'pending' AND d.next_attempt_at <= $1
          AND (d.claimed_until IS NULL OR d.claimed_until <= $1))
    ORDER BY w.endpoint_id FOR NO KEY UPDATE SKIP LOCKED";

const CLAIM: &str = "
    UPDATE webhook_deliveries d SET claim_id = $3, claimed_until = $4
    FROM webhook_endpoints w CROSS JOIN LATERAL (
        SELECT q.delivery_id FROM webhook_deliveries q
        WHERE q.endpoint_id = w.endpoint_id AND q.state = 'pending' AND q.next_attempt_at <= $1
          AND (q.claimed_until IS NULL OR q.claimed_until <= $1)
        ORDER BY q.next_attempt_at
        LIMIT greatest(0, $5 - (
            SELECT count(*) FROM webhook_deliveries f
            WHERE f.endpoint_id = w.endpoint_id AND f.claimed_until > $1))) due
    WHERE w.endpoint_id = ANY ($2) AND d.delivery_id = due.delivery_id
    RETURNING d.delivery_id, d.endpoint_id, d.event_id, d.event_type, d.log_partition, d.position, d.recorded_at,
              d.attempts, w.url, w.secret_generation, w.secret_rotations, w.key_id";

const RECORD: &str = "
    WITH logged AS (
        INSERT INTO webhook_attempts (delivery_id, attempted_at, claim_id, status, error, milliseconds)
        VALUES ($1, $3, $2, $4, $5, $6)
    )
    UPDATE webhook_deliveries
    SET state = $7, attempts = attempts + $10, next_attempt_at = coalesce($8, next_attempt_at), claim_id = NULL,
        claimed_until = NULL, ended_at = CASE WHEN $7 = 'pending' THEN NULL ELSE $9 END
    WHERE delivery_id = $1 AND claim_id = $2";

/// Something to send, and all that is needed for it.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) delivery_id: Uuid,
    pub(crate) claim_id: Uuid,
    pub(crate) owed: Owed,
    /// Attempts that were made before.
    pub(crate) attempts: u32,
    pub(crate) url: String,
    pub(crate) secret_generation: i32,
    /// When secrets were replaced lately, the last one first.
    pub(crate) secret_rotations: Vec<Timestamp>,
    pub(crate) key_id: Uuid,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Again, then.
    Again(Timestamp),
    /// Again then, and not counted: it was our fault that nothing was sent.
    NotSent(Timestamp),
    /// Given up.
    Dead,
    /// The receiver wants nothing any more: it waits until somebody enables the endpoint.
    Gone,
}

impl Verdict {
    /// The word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Again(_) => "again",
            Self::NotSent(_) => "not_sent",
            Self::Dead => "dead",
            Self::Gone => "gone",
        }
    }
}

/// Claims what is due, up to five of each endpoint that is not among `busy`.
pub(crate) async fn claim(
    pool: &PgPool,
    claim_id: Uuid,
    now: Timestamp,
    until: Timestamp,
    busy: &[Uuid],
) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let endpoints: Vec<Uuid> =
        sqlx::query_scalar(LOCK_ENDPOINTS).bind(now).bind(busy).fetch_all(&mut *tx).await?;
    if endpoints.is_empty() {
        return Ok(vec![]);
    }
    let claimed = sqlx::query(CLAIM)
        .bind(now)
        .bind(endpoints)
        .bind(claim_id)
        .bind(until)
        .bind(i64::try_from(IN_FLIGHT_PER_ENDPOINT_MAX).unwrap_or(1))
        .try_map(|row: PgRow| claimed(&row, claim_id))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(claimed)
}

fn claimed(row: &PgRow, claim_id: Uuid) -> Result<Claimed, sqlx::Error> {
    Ok(Claimed {
        delivery_id: row.try_get("delivery_id")?,
        claim_id,
        owed: Owed {
            event_id: row.try_get("event_id")?,
            event_type: row.try_get("event_type")?,
            at: place(row)?,
            recorded_at: row.try_get("recorded_at")?,
            endpoint_id: row.try_get("endpoint_id")?,
        },
        attempts: row.try_get::<i32, _>("attempts")?.unsigned_abs(),
        url: row.try_get("url")?,
        secret_generation: row.try_get("secret_generation")?,
        secret_rotations: row.try_get("secret_rotations")?,
        key_id: row.try_get("key_id")?,
    })
}

/// Where a row's event stands; none: it is a ping.
pub(crate) fn place(row: &PgRow) -> Result<Option<LogPosition>, sqlx::Error> {
    let log_partition: Option<i16> = row.try_get("log_partition")?;
    let position: Option<i64> = row.try_get("position")?;
    Ok(log_partition
        .zip(position)
        .map(|(partition, position)| LogPosition { log_partition: partition.cast_unsigned(), position }))
}

/// Writes down an attempt, and what becomes of the delivery. False: the claim was not ours any more.
pub(crate) async fn record(
    db: impl PgExecutor<'_>,
    claimed: &Claimed,
    (began, ended): (Timestamp, Timestamp),
    took_milliseconds: i32,
    outcome: &Outcome,
    verdict: Verdict,
) -> Result<bool, sqlx::Error> {
    let (status, error) = match outcome {
        Outcome::Answered { status, .. } => (i16::try_from(*status).ok(), None),
        Outcome::Failed(why) => (None, Some(*why)),
    };
    let (state, again) = match verdict {
        Verdict::Delivered => ("delivered", None),
        Verdict::Again(at) | Verdict::NotSent(at) => ("pending", Some(at)),
        Verdict::Gone => ("pending", None),
        Verdict::Dead => ("dead", None),
    };
    let recorded = sqlx::query(RECORD)
        .bind(claimed.delivery_id)
        .bind(claimed.claim_id)
        .bind(began)
        .bind(status)
        .bind(error)
        .bind(took_milliseconds)
        .bind(state)
        .bind(again)
        .bind(ended)
        .bind(i32::from(!matches!(verdict, Verdict::NotSent(_))))
        .execute(db)
        .await?;
    Ok(recorded.rows_affected() == 1)
}

/// Notes that an endpoint answered well.
pub(crate) async fn succeeded(db: impl PgExecutor<'_>, endpoint_id: Uuid) -> Result<(), sqlx::Error> {
    let sql = "UPDATE webhook_endpoints SET failing_since = NULL WHERE endpoint_id = $1 AND failing_since IS NOT NULL";
    sqlx::query(sql).bind(endpoint_id).execute(db).await.map(|_| ())
}

/// Notes that an endpoint failed.
pub(crate) async fn failed(
    db: impl PgExecutor<'_>,
    endpoint_id: Uuid,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let sql =
        "UPDATE webhook_endpoints SET failing_since = $2 WHERE endpoint_id = $1 AND failing_since IS NULL";
    sqlx::query(sql).bind(endpoint_id).bind(now).execute(db).await.map(|_| ())
}

/// Why an endpoint is owed nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It answered 410.
    Gone,
    /// It has failed for three days.
    Failing,
    /// Too much waits for it. That is sent, and then it goes on by itself.
    QueueFull,
}

/// Stops an endpoint, if it is sent to (and, where that is the reason, has been failing for long enough), and keeps with it
/// where its gap begins, if no earlier gap is to be replayed yet. True: it was this call that stopped it.
pub(crate) async fn stop(
    db: impl PgExecutor<'_>,
    endpoint_id: Uuid,
    now: Timestamp,
    why: Stopped,
) -> Result<bool, sqlx::Error> {
    let (state, reason, failing_until) = match why {
        Stopped::Gone => ("disabled", "gone", None),
        Stopped::Failing => ("paused", "failing", Some(now - FAILING_MAX)),
        Stopped::QueueFull => ("full", "queue_full", None),
    };
    let sql = format!(
        "UPDATE webhook_endpoints
         SET state = $2, stopped_reason = $3, stopped_at = $4,
             stopped_after = coalesce(stopped_after, ARRAY(SELECT position FROM {}.checkpoints ORDER BY log_partition))
         WHERE endpoint_id = $1 AND state IN ('active', 'full') AND state <> $2
           AND ($5::timestamptz IS NULL OR failing_since <= $5)",
        Notices::schema()
    );
    let stopped = sqlx::query(&sql)
        .bind(endpoint_id)
        .bind(state)
        .bind(reason)
        .bind(now)
        .bind(failing_until)
        .execute(db)
        .await?;
    Ok(stopped.rows_affected() == 1)
}
