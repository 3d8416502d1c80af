//! `POST /v1/reminders`: a mail at a time.

use super::{Content, ReminderView, SubjectText, recipient_for};
use crate::{
    command::CommandName,
    extract::{Body, Caller, IdempotencyKey},
    form::{Email, Fields, Form, Instant},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::Made,
};
use axum::extract::State;
use holdfast_notifier::{NewReminder, create_reminder as keep};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/reminders";
/// Asks to be reminded.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"subject": "Check in", "content": "Check-in for LH123 is open.",
    "remind_at": "2027-06-01T07:30:00Z"}))]
pub(crate) struct CreateReminder {
    /// Its subject, in one line.
    #[schema(inline)]
    subject: SubjectText,
    /// What it says, as plain text.
    #[schema(inline)]
    content: Content,
    /// Where it is sent to; left out: to the caller's address. Only an agent or admin may name another.
    #[schema(inline)]
    recipient: Option<Email>,
    /// When; a time that has passed: at once.
    #[schema(inline)]
    remind_at: Instant,
}

impl Form for CreateReminder {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<SubjectText>("subject");
        fields.required::<Content>("content");
        fields.optional::<Email>("recipient");
        fields.required::<Instant>("remind_at");
    }
}

problems! {
    /// Why there is no reminder.
    CreateReminderProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound,
        TooManyReminders, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout,
        StoreUnavailable, OutcomeUnknown,
}

/// Ask to be reminded by e-mail. At most 1,000 of an account wait.
#[utoipa::path(
    post, path = "/v1/reminders", tag = "reminders", request_body = CreateReminder,
    params(("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it makes no second reminder.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The reminder.", body = ReminderView), CreateReminderProblems)
)]
pub(crate) async fn create_reminder(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    Body(request): Body<CreateReminder>,
) -> Result<Made<ReminderView>, Problem> {
    let name = CommandName::keyed(caller.into(), ROUTE, Uuid::nil(), &key, &request);
    let recipient = recipient_for(&api, &caller, request.recipient.map(|email| email.0)).await?;
    let new = NewReminder {
        reminder_id: name.command_id,
        fingerprint: name.fingerprint,
        user_id: caller.user_id,
        recipient,
        subject: request.subject.0,
        content: request.content.0,
        remind_at: request.remind_at.0,
    };
    let (reminder, replayed) = bounded_write(keep(&api.pool, &new, api.ambient.now())).await?;
    let at = format!("/v1/reminders/{}", reminder.reminder_id);
    Ok(Made { at, replayed, body: reminder.into() })
}
