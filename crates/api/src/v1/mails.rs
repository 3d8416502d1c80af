//! Mails about bookings that were given up. For admins only. No address is here.

mod list;
mod retry;

pub(crate) use list::{__path_list_failed_mails, list_failed_mails};
pub(crate) use retry::{__path_retry_mail, retry_mail};

use chrono::{DateTime, Utc};
use holdfast_notifier::FailedMail;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A mail that was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FailedMail)]
pub(crate) struct MailView {
    /// Names it.
    id: Uuid,
    /// Where the event it tells of stands in the log.
    #[schema(example = "7-1234")]
    position: String,
    /// The booking it is about, where the event is its flight's.
    booking_id: Option<Uuid>,
    /// When that happened.
    recorded_at: DateTime<Utc>,
    /// Attempts since it was last asked for.
    attempts_made: u32,
    /// Why the last one failed, as a reminder's `failure`; `not_in_the_log`, `not_understood` and `about_no_booking` too.
    #[schema(example = "smtp_550 5.1.1")]
    failure: Option<String>,
    /// When it was given up.
    ended_at: Option<DateTime<Utc>>,
}

impl From<FailedMail> for MailView {
    fn from(mail: FailedMail) -> Self {
        Self {
            id: mail.mail_id,
            position: mail.at.to_string(),
            booking_id: mail.booking_id,
            recorded_at: mail.recorded_at,
            attempts_made: mail.attempts,
            failure: mail.failure,
            ended_at: mail.ended_at,
        }
    }
}
