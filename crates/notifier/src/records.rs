//! What came of webhooks: attempts and what becomes of their deliveries, many in a statement, and the endpoints' own state.
//!
//! Rows of several endpoints are locked in the order of their ids: two notifiers that record at the same moment wait for each
//! other and do not deadlock.

use crate::{claims::Claimed, notices::Notices, sender::Outcome};
use chrono::TimeDelta;
use holdfast_domain::Timestamp;
use holdfast_projector::Projection;
use sqlx::PgExecutor;
use uuid::Uuid;

/// After so long without a success an endpoint is paused.
pub(crate) const FAILING_MAX: TimeDelta = TimeDelta::days(3);

const RECORD: &str = "
    WITH o AS (
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::smallint[], $5::text[], $6::integer[],
                             $7::text[], $8::timestamptz[], $9::timestamptz[], $10::integer[])
            AS o (delivery_id, claim_id, began, status, error, milliseconds, state, again, ended, counted)
    ), logged AS (
        INSERT INTO webhook_attempts (delivery_id, attempted_at, claim_id, status, error, milliseconds)
        SELECT delivery_id, began, claim_id, status, error, milliseconds FROM o
    )
    UPDATE webhook_deliveries d
    SET state = o.state, attempts = d.attempts + o.counted, next_attempt_at = coalesce(o.again, d.next_attempt_at),
        claim_id = NULL, claimed_until = NULL, ended_at = CASE o.state WHEN 'pending' THEN NULL ELSE o.ended END
    FROM o WHERE d.delivery_id = o.delivery_id AND d.claim_id = o.claim_id";

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

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) claimed: Claimed,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) milliseconds: i32,
    pub(crate) outcome: Outcome,
    pub(crate) verdict: Verdict,
}

impl Attempted {
    /// The answer's status, or a word for why there was none.
    fn answer(&self) -> (Option<i16>, Option<&'static str>) {
        match self.outcome {
            Outcome::Answered { status, .. } => (i16::try_from(status).ok(), None),
            Outcome::Failed(why) => (None, Some(why)),
        }
    }

    /// The delivery's state from now on, and when it is tried again.
    fn becomes(&self) -> (&'static str, Option<Timestamp>) {
        match self.verdict {
            Verdict::Delivered => ("delivered", None),
            Verdict::Again(at) | Verdict::NotSent(at) => ("pending", Some(at)),
            Verdict::Gone => ("pending", None),
            Verdict::Dead => ("dead", None),
        }
    }
}

/// Writes down attempts, and what becomes of their deliveries. Returns how many of the claims were still ours.
pub(crate) async fn record(db: impl PgExecutor<'_>, batch: &[Attempted]) -> Result<u64, sqlx::Error> {
    fn column<T>(batch: &[Attempted], of: impl FnMut(&Attempted) -> T) -> Vec<T> {
        batch.iter().map(of).collect()
    }
    let recorded = sqlx::query(RECORD)
        .bind(column(batch, |a| a.claimed.delivery_id))
        .bind(column(batch, |a| a.claimed.claim_id))
        .bind(column(batch, |a| a.began))
        .bind(column(batch, |a| a.answer().0))
        .bind(column(batch, |a| a.answer().1))
        .bind(column(batch, |a| a.milliseconds))
        .bind(column(batch, |a| a.becomes().0))
        .bind(column(batch, |a| a.becomes().1))
        .bind(column(batch, |a| a.ended))
        .bind(column(batch, |a| i32::from(!matches!(a.verdict, Verdict::NotSent(_)))))
        .execute(db)
        .await?;
    Ok(recorded.rows_affected())
}

/// Notes that endpoints answered well.
pub(crate) async fn succeeded(db: impl PgExecutor<'_>, endpoints: &[Uuid]) -> Result<(), sqlx::Error> {
    // Locked in one order, whatever other notifiers note at the moment.
    let sql = "UPDATE webhook_endpoints SET failing_since = NULL WHERE endpoint_id = ANY (ARRAY(
                   SELECT endpoint_id FROM webhook_endpoints
                   WHERE endpoint_id = ANY ($1) AND failing_since IS NOT NULL
                   ORDER BY endpoint_id FOR NO KEY UPDATE))";
    sqlx::query(sql).bind(endpoints).execute(db).await.map(|_| ())
}

/// Notes that endpoints failed, each at a time.
pub(crate) async fn failed(
    db: impl PgExecutor<'_>,
    endpoints: &[Uuid],
    times: &[Timestamp],
) -> Result<(), sqlx::Error> {
    let sql = "WITH locked AS (
                   SELECT endpoint_id FROM webhook_endpoints
                   WHERE endpoint_id = ANY ($1) AND failing_since IS NULL
                   ORDER BY endpoint_id FOR NO KEY UPDATE)
               UPDATE webhook_endpoints w SET failing_since = o.failed_at
               FROM unnest($1::uuid[], $2::timestamptz[]) AS o (endpoint_id, failed_at) JOIN locked USING (endpoint_id)
               WHERE w.endpoint_id = o.endpoint_id AND w.failing_since IS NULL";
    sqlx::query(sql).bind(endpoints).bind(times).execute(db).await.map(|_| ())
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

/// Stops endpoints that are sent to (and, where that is the reason, have been failing for long enough), and keeps with each
/// where its gap begins, if no earlier gap is to be replayed yet. Returns those that it was this call that stopped.
pub(crate) async fn stop(
    db: impl PgExecutor<'_>,
    endpoints: &[Uuid],
    now: Timestamp,
    why: Stopped,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let (state, reason, failing_until) = match why {
        Stopped::Gone => ("disabled", "gone", None),
        Stopped::Failing => ("paused", "failing", Some(now - FAILING_MAX)),
        Stopped::QueueFull => ("full", "queue_full", None),
    };
    let sql = format!(
        "WITH locked AS (
             SELECT endpoint_id FROM webhook_endpoints
             WHERE endpoint_id = ANY ($1) AND state IN ('active', 'full') AND state <> $2
               AND ($5::timestamptz IS NULL OR failing_since <= $5)
             ORDER BY endpoint_id FOR NO KEY UPDATE)
         UPDATE webhook_endpoints w
         SET state = $2, stopped_reason = $3, stopped_at = $4,
             stopped_after = coalesce(stopped_after, ARRAY(SELECT position FROM {}.checkpoints ORDER BY log_partition))
         FROM locked WHERE w.endpoint_id = locked.endpoint_id RETURNING w.endpoint_id",
        Notices::schema()
    );
    let stopped = sqlx::query_scalar(&sql).bind(endpoints).bind(state).bind(reason).bind(now);
    stopped.bind(failing_until).fetch_all(db).await
}
