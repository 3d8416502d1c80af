//! What is owed and what became of it, for those who look, and sending it once more.

use crate::{
    claims::place,
    endpoints::{EndpointError, endpoint},
    kind::PING,
};
use holdfast_domain::Timestamp;
use holdfast_event_log::LogPosition;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;

/// Most deliveries of one page.
pub const DELIVERIES_LIMIT_MAX: u32 = 200;
/// Attempts that are told of one delivery, the latest: one that was never asked for again has no more than twelve.
const ATTEMPTS_TOLD_MAX: i64 = 12;

const COLUMNS: &str =
    "delivery_id, event_id, event_type, log_partition, position, recorded_at, state, attempts,
                       next_attempt_at, ended_at";

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is owed.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Dead,
}

/// One event owed to one endpoint.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Names it.
    pub delivery_id: Uuid,
    /// The event's id, and the webhook's.
    pub event_id: Uuid,
    /// What happened.
    pub event_type: String,
    /// Where the event stands; none: a ping.
    pub at: Option<LogPosition>,
    /// When it happened.
    pub recorded_at: Timestamp,
    /// Where it is.
    pub state: DeliveryState,
    /// Attempts since it was last asked for.
    pub attempts: u32,
    /// When it is tried next; none: it is not.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub ended_at: Option<Timestamp>,
    /// Its latest attempts, the oldest first.
    pub log: Vec<Attempt>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub attempted_at: Timestamp,
    /// The answer's status; none: there was no answer.
    pub status: Option<u16>,
    /// Why there was none, as a word.
    pub error: Option<String>,
    /// How long it took.
    pub milliseconds: u32,
}

/// An endpoint's deliveries, the latest event first: a page of at most [`DELIVERIES_LIMIT_MAX`] after a place.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn deliveries(
    pool: &PgPool,
    endpoint_id: Uuid,
    state: Option<DeliveryState>,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Result<Vec<Delivery>, EndpointError> {
    endpoint(pool, endpoint_id).await?;
    // The state is a literal: only then can the index of those that are not delivered serve it.
    let state = state.map_or(String::new(), |state| format!("AND state = '{}'", state.as_str()));
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_deliveries
         WHERE endpoint_id = $1 AND (recorded_at, delivery_id) < (coalesce($2, 'infinity'), $3) {state}
         ORDER BY recorded_at DESC, delivery_id DESC LIMIT $4"
    );
    let rows = sqlx::query(&sql)
        .bind(endpoint_id)
        .bind(after.map(|(at, _)| at))
        .bind(after.map_or(Uuid::max(), |(_, id)| id))
        .bind(i64::from(limit.min(DELIVERIES_LIMIT_MAX)))
        .try_map(|row: PgRow| from_row(&row))
        .fetch_all(pool)
        .await?;
    Ok(with_log(pool, rows).await?)
}

/// One delivery.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn delivery(
    pool: &PgPool,
    endpoint_id: Uuid,
    delivery_id: Uuid,
) -> Result<Delivery, EndpointError> {
    let sql = format!("SELECT {COLUMNS} FROM webhook_deliveries WHERE endpoint_id = $1 AND delivery_id = $2");
    let row = sqlx::query(&sql).bind(endpoint_id).bind(delivery_id).try_map(|row: PgRow| from_row(&row));
    let found = row.fetch_optional(pool).await?.ok_or(EndpointError::Unknown)?;
    with_log(pool, vec![found]).await?.pop().ok_or(EndpointError::Unknown)
}

/// Sends a delivery once more, from the bottom of the ladder: the same id, the same bytes. One that is pending is tried now.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn redeliver(
    pool: &PgPool,
    endpoint_id: Uuid,
    delivery_id: Uuid,
    now: Timestamp,
) -> Result<Delivery, EndpointError> {
    let sql = "UPDATE webhook_deliveries
               SET state = 'pending', attempts = 0, next_attempt_at = $3, ended_at = NULL
               WHERE endpoint_id = $1 AND delivery_id = $2
                 AND EXISTS (SELECT FROM webhook_endpoints WHERE endpoint_id = $1 AND state <> 'deleted')";
    let done = sqlx::query(sql).bind(endpoint_id).bind(delivery_id).bind(now).execute(pool).await?;
    if done.rows_affected() == 0 {
        return Err(EndpointError::Unknown);
    }
    delivery(pool, endpoint_id, delivery_id).await
}

/// Queues a ping: a webhook that says nothing, to see that it arrives.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn ping(
    pool: &PgPool,
    endpoint_id: Uuid,
    event_id: Uuid,
    now: Timestamp,
) -> Result<Delivery, EndpointError> {
    let sql = format!(
        "INSERT INTO webhook_deliveries (endpoint_id, event_id, event_type, recorded_at, next_attempt_at)
         SELECT endpoint_id, $2, $3, $4, $4 FROM webhook_endpoints WHERE endpoint_id = $1 AND state <> 'deleted'
         RETURNING {COLUMNS}"
    );
    let row = sqlx::query(&sql).bind(endpoint_id).bind(event_id).bind(PING).bind(now);
    let queued = row.try_map(|row: PgRow| from_row(&row)).fetch_optional(pool).await?;
    queued.ok_or(EndpointError::Unknown)
}

async fn with_log(pool: &PgPool, mut deliveries: Vec<Delivery>) -> Result<Vec<Delivery>, sqlx::Error> {
    let ids: Vec<_> = deliveries.iter().map(|delivery| delivery.delivery_id).collect();
    let sql = "SELECT a.* FROM unnest($1::uuid[]) AS d (delivery_id) CROSS JOIN LATERAL (
                   SELECT delivery_id, attempted_at, status, error, milliseconds FROM webhook_attempts
                   WHERE webhook_attempts.delivery_id = d.delivery_id
                   ORDER BY attempted_at DESC LIMIT $2) a
               ORDER BY a.attempted_at";
    let rows = sqlx::query(sql).bind(ids).bind(ATTEMPTS_TOLD_MAX).fetch_all(pool).await?;
    let mut logs: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for row in rows {
        logs.entry(row.try_get("delivery_id")?).or_default().push(Attempt {
            attempted_at: row.try_get("attempted_at")?,
            status: row.try_get::<Option<i16>, _>("status")?.map(i16::cast_unsigned),
            error: row.try_get("error")?,
            milliseconds: row.try_get::<i32, _>("milliseconds")?.unsigned_abs(),
        });
    }
    for delivery in &mut deliveries {
        delivery.log = logs.remove(&delivery.delivery_id).unwrap_or_default();
    }
    Ok(deliveries)
}

fn from_row(row: &PgRow) -> Result<Delivery, sqlx::Error> {
    let state = match row.try_get::<&str, _>("state")? {
        "pending" => DeliveryState::Pending,
        "delivered" => DeliveryState::Delivered,
        _ => DeliveryState::Dead,
    };
    let next_attempt_at: Timestamp = row.try_get("next_attempt_at")?;
    Ok(Delivery {
        delivery_id: row.try_get("delivery_id")?,
        event_id: row.try_get("event_id")?,
        event_type: row.try_get("event_type")?,
        at: place(row)?,
        recorded_at: row.try_get("recorded_at")?,
        state,
        attempts: row.try_get::<i32, _>("attempts")?.unsigned_abs(),
        next_attempt_at: (state == DeliveryState::Pending).then_some(next_attempt_at),
        ended_at: row.try_get("ended_at")?,
        log: vec![],
    })
}

impl DeliveryState {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The word used in the table and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}
