//! What is parked and what was skipped, for those who ask.

use super::{existing, place, streams_in, streams_sql};
use crate::projection::schema_of;
use holdfast_domain::Timestamp;
use holdfast_event_log::LogPosition;
use sqlx::{PgPool, Row as _, postgres::PgRow};

/// A stream that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedStream {
    /// The stream: an inventory's id.
    pub stream: String,
    /// Its first event that was not applied.
    pub at: LogPosition,
    /// Why that one cannot be applied. None: nothing is wrong with it (any more), and `retry` applies it.
    pub reason: Option<String>,
    /// Events that wait, the first one included.
    pub events: i64,
    /// Since when.
    pub parked_at: Timestamp,
}

/// An event that is left out for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedEvent {
    /// Which.
    pub at: LogPosition,
    /// Of which stream.
    pub stream: String,
    /// Why, in the words of whoever decided it.
    pub reason: String,
    /// Since when.
    pub skipped_at: Timestamp,
}

/// The streams that wait at the follower `name`, the longest first, at most `limit`. A follower that is not there has none.
///
/// # Errors
/// Whatever Postgres says.
pub async fn parked(pool: &PgPool, name: &str, limit: u32) -> Result<Vec<ParkedStream>, sqlx::Error> {
    let Some(schema) = existing(pool, name).await? else { return Ok(vec![]) };
    let sql = format!(
        "SELECT first.*, (SELECT count(*) FROM {schema}.parked p WHERE p.stream = first.stream) AS events
         FROM ({}) s CROSS JOIN LATERAL (
             SELECT stream, log_partition, position, reason, parked_at
             FROM {schema}.parked p WHERE p.stream = s.stream ORDER BY position LIMIT 1) first
         ORDER BY parked_at, stream LIMIT $1",
        streams_sql(&schema)
    );
    let stream = |row: PgRow| {
        Ok(ParkedStream {
            stream: row.try_get("stream")?,
            at: place(&row)?,
            reason: row.try_get("reason")?,
            events: row.try_get("events")?,
            parked_at: row.try_get("parked_at")?,
        })
    };
    sqlx::query(&sql).bind(i64::from(limit)).try_map(stream).fetch_all(pool).await
}

/// How many streams wait at the follower `name`.
///
/// # Errors
/// Whatever Postgres says.
pub async fn parked_streams(pool: &PgPool, name: &str) -> Result<i64, sqlx::Error> {
    streams_in(&mut *pool.acquire().await?, &schema_of(name)).await
}

/// The events that the follower `name` leaves out, the latest decision first, at most `limit`.
///
/// # Errors
/// Whatever Postgres says.
pub async fn skipped(pool: &PgPool, name: &str, limit: u32) -> Result<Vec<SkippedEvent>, sqlx::Error> {
    let event = |row: PgRow| {
        Ok(SkippedEvent {
            at: place(&row)?,
            stream: row.try_get("stream")?,
            reason: row.try_get("reason")?,
            skipped_at: row.try_get("skipped_at")?,
        })
    };
    let sql = "SELECT log_partition, position, stream, reason, skipped_at FROM skipped_events
               WHERE follower = $1 ORDER BY skipped_at DESC, log_partition, position LIMIT $2";
    sqlx::query(sql).bind(name).bind(i64::from(limit)).try_map(event).fetch_all(pool).await
}
