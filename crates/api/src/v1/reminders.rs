//! Reminders: what somebody wants to be told by e-mail, and when.
//!
//! Who may send where: a customer to its own account's address, an agent or admin to any. Sending is the notifier's work,
//! which may run elsewhere.

mod create;
mod delete;
mod list;
mod retry;

pub(crate) use create::{__path_create_reminder, create_reminder};
pub(crate) use delete::{__path_delete_reminder, delete_reminder};
pub(crate) use list::{__path_list_reminders, list_reminders};
pub(crate) use retry::{__path_retry_reminder, retry_reminder};

use crate::{
    auth::Principal,
    form::{Line, Text},
    problem::{Code, Problem, StoreError},
    state::Api,
    users,
};
use chrono::{DateTime, Utc};
use holdfast_notifier::{Reminder, ReminderError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest subject, in characters: a line of a mail.
const SUBJECT_CHARS_MAX: usize = 200;
/// Longest text of a reminder, in characters.
const CONTENT_CHARS_MAX: usize = 2_000;

pub(crate) type SubjectText = Line<1, SUBJECT_CHARS_MAX>;
pub(crate) type Content = Text<1, CONTENT_CHARS_MAX>;

/// A reminder. No `Debug`: it must not get into a log.
#[derive(Serialize, ToSchema)]
#[schema(as = Reminder)]
pub(crate) struct ReminderView {
    /// Names it.
    id: Uuid,
    /// Its subject.
    #[schema(example = "Check in")]
    subject: String,
    /// What it says.
    #[schema(example = "Check-in for LH123 is open.")]
    content: String,
    /// Where it is sent to; null: to the account's address at that time.
    recipient: Option<String>,
    /// When it is due.
    remind_at: DateTime<Utc>,
    /// `pending`, `sent` or `failed` (given up).
    #[schema(example = "pending")]
    status: &'static str,
    /// Attempts since it was last asked for.
    attempts_made: u32,
    /// When it is tried next; null: it is not.
    next_attempt_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed: `smtp_` and the server's code, with its enhanced status code if it gave one
    /// (`smtp_550 5.1.1`), `connection`, `timeout`, `tls`, `unsupported`, `folder`, `no_address` or `unwritten`.
    failure: Option<String>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// When it was sent or given up.
    ended_at: Option<DateTime<Utc>>,
}

impl From<Reminder> for ReminderView {
    fn from(reminder: Reminder) -> Self {
        Self {
            id: reminder.reminder_id,
            subject: reminder.subject,
            content: reminder.content,
            recipient: reminder.recipient,
            remind_at: reminder.remind_at,
            status: reminder.state.as_str(),
            attempts_made: reminder.attempts,
            next_attempt_at: reminder.next_attempt_at,
            failure: reminder.failure,
            created_at: reminder.created_at,
            ended_at: reminder.ended_at,
        }
    }
}

impl From<ReminderError> for Problem {
    fn from(error: ReminderError) -> Self {
        let detail = error.to_string();
        match error {
            ReminderError::Unknown => Self::not_found(),
            ReminderError::Differs => Self::new(Code::IdempotencyKeyReused, detail),
            ReminderError::TooMany => Self::new(Code::TooManyReminders, detail),
            ReminderError::NotPending | ReminderError::NotFailed => Self::new(Code::ReminderState, detail),
            ReminderError::Database(error) => StoreError::Database(error).into(),
        }
    }
}

/// Where a reminder goes that `caller` wants sent to `address`; none: to the caller's account. Else anybody with an account
/// could write to anybody through us.
pub(crate) async fn recipient_for(
    api: &Api,
    caller: &Principal,
    address: Option<String>,
) -> Result<Option<String>, Problem> {
    let Some(address) = address else { return Ok(None) };
    if caller.is_staff() {
        // As accounts keep theirs, so that it is found when its account is deleted.
        return Ok(Some(users::kept_email(&address)));
    }
    let account = users::find_by_id(&api.pool, caller.user_id).await?;
    match account.is_some_and(|account| account.email == users::kept_email(&address)) {
        true => Ok(None),
        false => Err(Problem::new(Code::Forbidden, "a customer is reminded at its own account's address")),
    }
}
