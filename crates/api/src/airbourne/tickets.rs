//! `POST /api/v1/tickets`: a mail at a time, Airbourne's word for a reminder.
//!
//! Whoever was signed in could have it write to anybody. Here a customer is written to at its own account's address, and only
//! an agent or admin names another. Nothing was checked, and what could not be kept was answered like what could.

use super::{
    answer::Envelope,
    refusal::Refusal,
    request::{Lenient, Sent},
    says::{Says, Wrong},
    time::{self, written},
};
use crate::{
    command::CommandName,
    extract::{IdempotencyKey, Known, authenticate},
    form::Email,
    problem::Problem,
    state::{Api, ApiState},
    store::bounded_write,
    v1::reminders::{Content, SubjectText, recipient_for},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use holdfast_notifier::{NewReminder, Reminder, ReminderState, create_reminder};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

const ROUTE: &str = "POST /api/v1/tickets";

const SAYS: Says = Says {
    envelope: Envelope::REMINDERS,
    wrong: Wrong::Object,
    status: StatusCode::CREATED,
    done: "successfully registerd an email reminder",
    failed: "unable to register an email reminder",
};

/// A reminder. No `Debug`: it must not get into a log.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TicketView {
    id: i64,
    subject: String,
    content: String,
    recepient_email: String,
    status: &'static str,
    notification_time: String,
    updated_at: String,
    created_at: String,
}

/// Be reminded by e-mail: `{subject, content, recepientEmail, notificationTime}`.
#[utoipa::path(
    post, path = "/api/v1/tickets", tag = "airbourne", request_body(content = Object, example = json!({"subject": "Check in", "content": "Check-in is open.", "recepientEmail": "ada@example.org",
        "notificationTime": "2027-06-01T07:30:00Z"})),
    responses((status = 201, description = "The reminder."),
        (status = "4XX", description = "401: no good token; 403: another's address; 409: too many wait; 422: a value that is none."),
        (status = "5XX", description = "Come again."))
)]
pub(crate) async fn create_ticket(
    State(api): State<ApiState>,
    headers: HeaderMap,
    key: Result<Option<IdempotencyKey>, Problem>,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let created = async {
        let known = authenticate(&headers, &api).await?;
        keep(&api, &known, key?, &sent?).await
    };
    SAYS.answer(created.await)
}

async fn keep(
    api: &Api,
    known: &Known,
    key: Option<IdempotencyKey>,
    sent: &Sent,
) -> Result<TicketView, Refusal> {
    let subject = sent.required::<SubjectText>("subject")?.0;
    let content = sent.required::<Content>("content")?.0;
    let address = sent.required::<Email>("recepientEmail")?.0;
    let at = sent.text("notificationTime")?.and_then(time::lenient);
    let remind_at = at.ok_or_else(|| Refusal::field("notificationTime", time::MUST_BE))?;
    let caller = known.principal;
    let request = json!([subject, content, address, remind_at]);
    let name = CommandName::of(api, caller.into(), ROUTE, Uuid::nil(), key.as_ref(), &request);
    let new = NewReminder {
        reminder_id: name.command_id,
        fingerprint: name.fingerprint,
        user_id: caller.user_id,
        recipient: recipient_for(api, &caller, Some(address.clone())).await?,
        subject,
        content,
        remind_at,
    };
    let kept = bounded_write(create_reminder(&api.pool, &new, api.ambient.now()));
    Ok(view(kept.await?.0, address))
}

fn view(reminder: Reminder, recepient_email: String) -> TicketView {
    let changed_at = reminder.ended_at.unwrap_or(reminder.created_at);
    TicketView {
        id: reminder.number,
        subject: reminder.subject,
        content: reminder.content,
        recepient_email,
        status: match reminder.state {
            ReminderState::Pending => "PENDING",
            ReminderState::Sent => "SUCCESS",
            ReminderState::Failed => "FAILED",
        },
        notification_time: written(reminder.remind_at),
        updated_at: written(changed_at),
        created_at: written(reminder.created_at),
    }
}
