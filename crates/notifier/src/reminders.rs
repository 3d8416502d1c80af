//! Reminders: what somebody wants to be told, and when. Asked for, listed, taken back, and asked for again when they failed.
//!
//! Guarantee: the same request made twice is one reminder; one that is being sent, or was, is not deleted as if it had not
//! been. Not here: sending (`mails`), and who may have it sent where (`api`).

use holdfast_domain::{Timestamp, UserId};
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// Reminders of one account that may wait: bounds what one account makes us keep and send.
pub const REMINDERS_WAITING_MAX: i64 = 1_000;

const COLUMNS: &str =
    "reminder_id, number, user_id, fingerprint, recipient, subject, content, remind_at, created_at, state,
    attempts, next_attempt_at, failure, ended_at";

/// What becomes of a reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReminderState {
    /// It is sent when its time comes, or is tried again.
    Pending,
    /// It was sent.
    Sent,
    /// It was given up.
    Failed,
}

impl ReminderState {
    /// What a word of the table says.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "delivered" => Self::Sent,
            _ => Self::Failed,
        }
    }

    /// The word used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// A reminder. No `Debug` of it belongs into a log: it holds an address and somebody's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Reminder {
    /// Names it.
    pub reminder_id: Uuid,
    /// Airbourne's id of it.
    pub number: i64,
    /// Whose.
    pub user_id: UserId,
    /// Where it is sent to; none: to the account's address at that time.
    pub recipient: Option<String>,
    /// Its subject.
    pub subject: String,
    /// What it says.
    pub content: String,
    /// When it is due.
    pub remind_at: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// What became of it.
    pub state: ReminderState,
    /// Attempts since it was last asked for.
    pub attempts: u32,
    /// When it is tried next; none: it is not.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last attempt failed, as a word.
    pub failure: Option<String>,
    /// When it was sent or given up.
    pub ended_at: Option<Timestamp>,
}

/// A reminder that is asked for.
pub struct NewReminder {
    /// Names it; the same for the same request.
    pub reminder_id: Uuid,
    /// Tells another request under the same name from this one.
    pub fingerprint: Uuid,
    /// Whose.
    pub user_id: UserId,
    /// Where it is sent to; none: to the account's address at that time.
    pub recipient: Option<String>,
    /// Its subject.
    pub subject: String,
    /// What it says.
    pub content: String,
    /// When it is due; a time that has passed: at once.
    pub remind_at: Timestamp,
}

/// Why nothing was done about a reminder.
#[derive(Debug, thiserror::Error)]
pub enum ReminderError {
    /// There is none of that id, or it is another's.
    #[error("there is no such reminder")]
    Unknown,
    /// Its name belongs to another request.
    #[error("this key made another reminder")]
    Differs,
    /// Too many wait.
    #[error("{REMINDERS_WAITING_MAX} reminders wait already")]
    TooMany,
    /// It is being sent, or was.
    #[error("it is being sent, or was sent or given up")]
    NotPending,
    /// Only what failed is asked for again.
    #[error("it has not failed")]
    NotFailed,
    /// Postgres failed.
    #[error("the reminders could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Keeps a reminder; whether it was there before. Asked twice, it is there once.
///
/// # Errors
/// `Differs`, `TooMany`, `Unknown` (no such account), or what failed.
pub async fn create_reminder(
    pool: &PgPool,
    new: &NewReminder,
    now: Timestamp,
) -> Result<(Reminder, bool), ReminderError> {
    let mut tx = pool.begin().await?;
    // In a statement of its own, so that the count sees what those before us committed.
    let lock = "SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE";
    if sqlx::query(lock).bind(new.user_id.0).fetch_optional(&mut *tx).await?.is_none() {
        return Err(ReminderError::Unknown);
    }
    let found = format!("SELECT {COLUMNS} FROM reminders WHERE reminder_id = $1");
    if let Some(row) = sqlx::query(&found).bind(new.reminder_id).fetch_optional(&mut *tx).await? {
        let same = row.try_get::<Uuid, _>("fingerprint")? == new.fingerprint;
        return if same { Ok((from_row(&row)?, true)) } else { Err(ReminderError::Differs) };
    }
    let insert = format!(
        "INSERT INTO reminders (reminder_id, user_id, fingerprint, recipient, subject, content, remind_at, created_at, next_attempt_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $7
         WHERE (SELECT count(*) FROM reminders WHERE user_id = $2 AND state = 'pending') < $9
         RETURNING {COLUMNS}"
    );
    let row = sqlx::query(&insert)
        .bind(new.reminder_id)
        .bind(new.user_id.0)
        .bind(new.fingerprint)
        .bind(&new.recipient)
        .bind(&new.subject)
        .bind(&new.content)
        .bind(new.remind_at)
        .bind(now)
        .bind(REMINDERS_WAITING_MAX)
        .fetch_optional(&mut *tx)
        .await?;
    let made = from_row(&row.ok_or(ReminderError::TooMany)?)?;
    tx.commit().await?;
    Ok((made, false))
}

/// A user's reminders, the latest asked for first: a page after a place.
///
/// # Errors
/// What failed.
pub async fn reminders(
    pool: &PgPool,
    user_id: UserId,
    after: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Result<Vec<Reminder>, ReminderError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reminders
         WHERE user_id = $1 AND (created_at, reminder_id) < (coalesce($2, 'infinity'), $3)
         ORDER BY created_at DESC, reminder_id DESC LIMIT $4"
    );
    let rows = sqlx::query(&sql)
        .bind(user_id.0)
        .bind(after.map(|(at, _)| at))
        .bind(after.map_or(Uuid::max(), |(_, id)| id))
        .bind(i64::from(limit))
        .try_map(|row: PgRow| from_row(&row));
    Ok(rows.fetch_all(pool).await?)
}

/// Takes back a reminder that waits. `owner`: only if it is theirs.
///
/// # Errors
/// `Unknown`, `NotPending`, or what failed.
pub async fn delete_reminder(
    pool: &PgPool,
    reminder_id: Uuid,
    owner: Option<UserId>,
) -> Result<(), ReminderError> {
    let sql = "DELETE FROM reminders WHERE reminder_id = $1 AND ($2::uuid IS NULL OR user_id = $2)
                   AND state = 'pending' AND claim_id IS NULL";
    let owner = owner.map(|user| user.0);
    if sqlx::query(sql).bind(reminder_id).bind(owner).execute(pool).await?.rows_affected() > 0 {
        return Ok(());
    }
    Err(one(pool, reminder_id, owner).await.map_or_else(|error| error, |_| ReminderError::NotPending))
}

/// Sends a reminder that failed once more, from the bottom of the ladder.
///
/// # Errors
/// `Unknown`, `NotFailed`, or what failed.
pub async fn retry_reminder(
    pool: &PgPool,
    reminder_id: Uuid,
    owner: Option<UserId>,
    now: Timestamp,
) -> Result<Reminder, ReminderError> {
    let sql = format!(
        "UPDATE reminders SET state = 'pending', attempts = 0, next_attempt_at = $3, asked_again_at = $3, ended_at = NULL
         WHERE reminder_id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND state = 'dead' RETURNING {COLUMNS}"
    );
    let owner = owner.map(|user| user.0);
    let again = sqlx::query(&sql).bind(reminder_id).bind(owner).bind(now);
    match again.try_map(|row: PgRow| from_row(&row)).fetch_optional(pool).await? {
        Some(reminder) => Ok(reminder),
        None => one(pool, reminder_id, owner).await.and(Err(ReminderError::NotFailed)),
    }
}

async fn one(pool: &PgPool, reminder_id: Uuid, owner: Option<Uuid>) -> Result<Reminder, ReminderError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reminders WHERE reminder_id = $1 AND ($2::uuid IS NULL OR user_id = $2)"
    );
    let row = sqlx::query(&sql).bind(reminder_id).bind(owner).try_map(|row: PgRow| from_row(&row));
    row.fetch_optional(pool).await?.ok_or(ReminderError::Unknown)
}

fn from_row(row: &PgRow) -> Result<Reminder, sqlx::Error> {
    let state = ReminderState::of(row.try_get("state")?);
    let next: Timestamp = row.try_get("next_attempt_at")?;
    Ok(Reminder {
        reminder_id: row.try_get("reminder_id")?,
        number: row.try_get("number")?,
        user_id: UserId(row.try_get("user_id")?),
        recipient: row.try_get("recipient")?,
        subject: row.try_get("subject")?,
        content: row.try_get("content")?,
        remind_at: row.try_get("remind_at")?,
        created_at: row.try_get("created_at")?,
        state,
        attempts: row.try_get::<i32, _>("attempts")?.unsigned_abs(),
        next_attempt_at: (state == ReminderState::Pending).then_some(next),
        failure: row.try_get("failure")?,
        ended_at: row.try_get("ended_at")?,
    })
}
