//! Which notifier sends which webhooks: claiming what is due, many rows in a statement.
//!
//! Shape: a claim locks the endpoints that have something due, then takes some of each. An endpoint that another notifier is
//! claiming from is passed over: its turn comes with the next look.
//!
//! Over all notifiers an endpoint has five attempts under way. A notifier that alone has claims of it may claim more than it
//! sends at a time, because it knows what it sends; while others have claims too, all of them together have five.
//!
//! Correctness: the lock is taken in its own statement, because a statement that waits, or runs beside the other's, counts
//! what is claimed in an old snapshot; with two of them an endpoint would get ten at once. A claim ends by itself, so a
//! notifier that died leaves nothing behind; one that was only slow records into a claim that is not its own any more, and
//! changes nothing but the log of attempts.

use crate::{body::Owed, deliverer::IN_FLIGHT_PER_ENDPOINT_MAX};
use holdfast_domain::Timestamp;
use holdfast_event_log::LogPosition;
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

const LOCK_ENDPOINTS: &str = "
    SELECT w.endpoint_id FROM webhook_endpoints w
    WHERE w.state IN ('active', 'full') AND w.endpoint_id <> ALL ($2) AND EXISTS (
        SELECT FROM webhook_deliveries d
        WHERE d.endpoint_id = w.endpoint_id AND d.state = 'pending' AND d.next_attempt_at <= $1
          AND (d.claimed_until IS NULL OR d.claimed_until <= $1))
    ORDER BY w.endpoint_id FOR NO KEY UPDATE SKIP LOCKED";

const CLAIM: &str = "
    WITH due AS (
        SELECT q.delivery_id FROM webhook_endpoints w
        LEFT JOIN unnest($5::uuid[], $6::bigint[], $7::bigint[]) AS mine (endpoint_id, claimed, claims_max)
             ON mine.endpoint_id = w.endpoint_id
        CROSS JOIN LATERAL (
            SELECT count(*) AS claimed FROM webhook_deliveries f
            WHERE f.endpoint_id = w.endpoint_id AND f.claimed_until > $1 AND f.claim_id <> ALL ($8)) others
        CROSS JOIN LATERAL (
            SELECT delivery_id FROM webhook_deliveries q
            WHERE q.endpoint_id = w.endpoint_id AND q.state = 'pending' AND q.next_attempt_at <= $1
              AND (q.claimed_until IS NULL OR q.claimed_until <= $1)
            ORDER BY q.next_attempt_at
            LIMIT greatest(0, CASE others.claimed WHEN 0 THEN coalesce(mine.claims_max, $9) ELSE $9 - others.claimed END
                              - coalesce(mine.claimed, 0))) q
        WHERE w.endpoint_id = ANY ($2))
    UPDATE webhook_deliveries d SET claim_id = $3, claimed_until = $4
    FROM webhook_endpoints w
    WHERE d.delivery_id = ANY (ARRAY(SELECT delivery_id FROM due)) AND w.endpoint_id = d.endpoint_id
    RETURNING d.delivery_id, d.endpoint_id, d.event_id, d.event_type, d.log_partition, d.position, d.recorded_at,
              d.attempts, w.url, w.secret_generation, w.secret_rotations, w.key_id";

const RELEASE: &str = "
    UPDATE webhook_deliveries d SET claim_id = NULL, claimed_until = NULL
    FROM unnest($1::uuid[], $2::uuid[]) AS o (delivery_id, claim_id)
    WHERE d.delivery_id = o.delivery_id AND d.claim_id = o.claim_id";

/// What a notifier has of the endpoints already, for its next claim.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// Claims that stand.
    pub(crate) claim_ids: Vec<Uuid>,
    /// Endpoints that may have more.
    pub(crate) endpoints: Vec<Uuid>,
    /// How many deliveries of each are claimed.
    pub(crate) claimed: Vec<i64>,
    /// How many of each may be, while no other notifier has any.
    pub(crate) claims_max: Vec<i64>,
    /// Endpoints that may not.
    pub(crate) busy: Vec<Uuid>,
}

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

/// Claims what is due of each endpoint that may have more: five, unless `held` says otherwise.
pub(crate) async fn claim(
    pool: &PgPool,
    claim_id: Uuid,
    (now, until): (Timestamp, Timestamp),
    held: &Holdings,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let endpoints: Vec<Uuid> =
        sqlx::query_scalar(LOCK_ENDPOINTS).bind(now).bind(&held.busy).fetch_all(&mut *tx).await?;
    if endpoints.is_empty() {
        return Ok(vec![]);
    }
    let claimed = sqlx::query(CLAIM)
        .bind(now)
        .bind(endpoints)
        .bind(claim_id)
        .bind(until)
        .bind(&held.endpoints)
        .bind(&held.claimed)
        .bind(&held.claims_max)
        .bind(&held.claim_ids)
        .bind(i64::try_from(IN_FLIGHT_PER_ENDPOINT_MAX).unwrap_or(1))
        .try_map(|row: PgRow| claimed(&row, claim_id))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(claimed)
}

/// Gives back what was claimed and not begun.
pub(crate) async fn release(pool: &PgPool, unbegun: &[Claimed]) -> Result<(), sqlx::Error> {
    let (deliveries, claims): (Vec<_>, Vec<_>) =
        unbegun.iter().map(|claimed| (claimed.delivery_id, claimed.claim_id)).unzip();
    sqlx::query(RELEASE).bind(deliveries).bind(claims).execute(pool).await.map(|_| ())
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
