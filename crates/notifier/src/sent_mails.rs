//! Mails about bookings that were given up: which, why, and once more.

use crate::reminders::ReminderState;
use holdfast_domain::{Timestamp, UserId};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

const COLUMNS: &str =
    "event_id, log_partition, position, booking_id, recorded_at, attempts, failure, ended_at";

/// A mail that was given up. No address is here: it is looked up when the mail is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedMail {
    /// Names it.
    pub mail_id: Uuid,
    /// Where the event it tells of stands in the log.
    pub at: holdfast_event_log::LogPosition,
    /// The booking, where the event is its flight's.
    pub booking_id: Option<Uuid>,
    /// When it happened.
    pub recorded_at: Timestamp,
    /// Attempts since it was last asked for.
    pub attempts: u32,
    /// Why the last one failed, as a word.
    pub failure: Option<String>,
    /// When it was given up.
    pub ended_at: Option<Timestamp>,
}

/// Mails that were given up, the latest event first: a page after a place.
///
/// # Errors
/// What failed.
pub async fn failed_mails(
    pool: &PgPool,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Result<Vec<FailedMail>, sqlx::Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM mails
         WHERE state = 'dead' AND (recorded_at, event_id) < (coalesce($1, 'infinity'), $2)
         ORDER BY recorded_at DESC, event_id DESC LIMIT $3"
    );
    let rows = sqlx::query(&sql)
        .bind(after.map(|(at, _)| at))
        .bind(after.map_or(Uuid::max(), |(_, id)| id))
        .bind(i64::from(limit));
    rows.try_map(|row: PgRow| from_row(&row)).fetch_all(pool).await
}

/// Sends a mail that was given up once more, from the bottom of the ladder. None: there is no such mail.
///
/// # Errors
/// What failed.
pub async fn retry_mail(
    pool: &PgPool,
    mail_id: Uuid,
    now: Timestamp,
) -> Result<Option<FailedMail>, sqlx::Error> {
    let sql = format!(
        "UPDATE mails SET state = 'pending', attempts = 0, next_attempt_at = $2, asked_again_at = $2, ended_at = NULL
         WHERE event_id = $1 AND state = 'dead' RETURNING {COLUMNS}"
    );
    let again = sqlx::query(&sql).bind(mail_id).bind(now).try_map(|row: PgRow| from_row(&row));
    again.fetch_optional(pool).await
}

fn from_row(row: &PgRow) -> Result<FailedMail, sqlx::Error> {
    let log_partition: i16 = row.try_get("log_partition")?;
    Ok(FailedMail {
        mail_id: row.try_get("event_id")?,
        at: holdfast_event_log::LogPosition {
            log_partition: log_partition.cast_unsigned(),
            position: row.try_get("position")?,
        },
        booking_id: row.try_get("booking_id")?,
        recorded_at: row.try_get("recorded_at")?,
        attempts: row.try_get::<i32, _>("attempts")?.unsigned_abs(),
        failure: row.try_get("failure")?,
        ended_at: row.try_get("ended_at")?,
    })
}

/// A mail about a booking of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedMail {
    /// Names it.
    pub mail_id: Uuid,
    /// Where the event it tells of stands in the log.
    pub at: holdfast_event_log::LogPosition,
    /// When it happened.
    pub recorded_at: Timestamp,
    /// What became of it.
    pub state: ReminderState,
    /// When it was sent or given up.
    pub ended_at: Option<Timestamp>,
}

/// Mails about an account's bookings, the latest event first: a page after a place.
///
/// # Errors
/// What failed.
pub async fn mails_of(
    pool: &PgPool,
    user_id: UserId,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Result<Vec<OwedMail>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT event_id, log_partition, position, recorded_at, state, ended_at FROM mails
         WHERE user_id = $1 AND (recorded_at, event_id) < (coalesce($2, 'infinity'), $3)
         ORDER BY recorded_at DESC, event_id DESC LIMIT $4",
    )
    .bind(user_id.0)
    .bind(after.map(|(at, _)| at))
    .bind(after.map_or(Uuid::max(), |(_, id)| id))
    .bind(i64::from(limit));
    rows.try_map(|row: PgRow| owed(&row)).fetch_all(pool).await
}

fn owed(row: &PgRow) -> Result<OwedMail, sqlx::Error> {
    let log_partition: i16 = row.try_get("log_partition")?;
    Ok(OwedMail {
        mail_id: row.try_get("event_id")?,
        at: holdfast_event_log::LogPosition {
            log_partition: log_partition.cast_unsigned(),
            position: row.try_get("position")?,
        },
        recorded_at: row.try_get("recorded_at")?,
        state: ReminderState::of(row.try_get("state")?),
        ended_at: row.try_get("ended_at")?,
    })
}
