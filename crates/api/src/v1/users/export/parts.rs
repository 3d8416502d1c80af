//! The lists of an export, page by page.

use crate::{
    admin_actions::{AfterAction, Filter, admin_actions, registered_endpoints},
    problem::{Problem, StoreError},
    state::ApiState,
    store::{bounded, bounded_work},
    users::{AfterChange, role_changes},
    v1::{
        admin_actions::AdminActionView, reminders::ReminderView, role_changes::RoleChangeView,
        webhook_endpoints::EndpointView,
    },
    view::{BookingView, is_not_made_yet},
};
use chrono::{DateTime, Utc};
use holdfast_booking_history::After;
use holdfast_domain::{BookingId, UserId};
use holdfast_notifier::{OwedMail, endpoints, mails_of, reminders};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Rows that are read at a time: bounds what an export holds.
const PAGE_ROWS: u32 = 200;

/// A list of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bookings,
    Reminders,
    Mails,
    RoleChanges,
    AdminActions,
    WebhookEndpoints,
}

/// All of them, in the order in which they are written.
pub(super) const PARTS: [(&str, Part); 6] = [
    ("bookings", Part::Bookings),
    ("reminders", Part::Reminders),
    ("mails", Part::Mails),
    ("role_changes", Part::RoleChanges),
    ("admin_actions", Part::AdminActions),
    ("webhook_endpoints", Part::WebhookEndpoints),
];

/// Where a page ends: when its last row was made, and its id.
pub(super) type Place = (DateTime<Utc>, Uuid);

/// Rows as JSON, and where they end if there may be more.
pub(super) type Rows = (Vec<Vec<u8>>, Option<Place>);

/// A mail about a booking. Where it goes is in no table: it is the account's address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExportedMail)]
pub(crate) struct MailView {
    /// Names it.
    id: Uuid,
    /// Where the event it tells of stands in the log.
    #[schema(example = "7-1234")]
    position: String,
    /// When that happened.
    recorded_at: DateTime<Utc>,
    /// `pending`, `sent` or `failed` (given up).
    #[schema(example = "sent")]
    status: &'static str,
    /// When it was sent or given up.
    ended_at: Option<DateTime<Utc>>,
}

impl From<OwedMail> for MailView {
    fn from(mail: OwedMail) -> Self {
        let OwedMail { mail_id, at, recorded_at, state, ended_at } = mail;
        Self { id: mail_id, position: at.to_string(), recorded_at, status: state.as_str(), ended_at }
    }
}

/// A page of a part.
pub(super) async fn page(
    api: &ApiState,
    user: UserId,
    part: Part,
    after: Option<Place>,
) -> Result<Rows, Problem> {
    let pool = &api.pool;
    match part {
        Part::Bookings => {
            let after = after.map(|(reserved_at, id)| After { reserved_at, booking_id: BookingId(id) });
            let read = holdfast_booking_history::page(pool, user, None, after, PAGE_ROWS);
            let rows = match bounded(read).await {
                Err(error) if is_not_made_yet(&error) => vec![],
                rows => rows?,
            };
            Ok(written::<_, BookingView<'static>>(rows, |row| (row.reserved_at, row.booking_id.0)))
        }
        Part::Reminders => {
            let rows = bounded_work(reminders(pool, user, after, PAGE_ROWS)).await?;
            Ok(written::<_, ReminderView>(rows, |row| (row.created_at, row.reminder_id)))
        }
        Part::Mails => {
            let rows = bounded(mails_of(pool, user, after, PAGE_ROWS)).await?;
            Ok(written::<_, MailView>(rows, |row| (row.recorded_at, row.mail_id)))
        }
        Part::RoleChanges => {
            let after = after.map(|(changed_at, change_id)| AfterChange { changed_at, change_id });
            let rows = role_changes(pool, Some(user), after, PAGE_ROWS).await?;
            Ok(written::<_, RoleChangeView>(rows, |row| (row.changed_at, row.change_id)))
        }
        Part::AdminActions => {
            let after = after.map(|(begun_at, action_id)| AfterAction { begun_at, action_id });
            let filter = Filter { actor: Some(user), action: None };
            let rows = admin_actions(pool, &filter, after, PAGE_ROWS).await?;
            Ok(written::<_, AdminActionView>(rows, |row| (row.begun_at, row.action_id)))
        }
        Part::WebhookEndpoints => {
            let all = bounded_work(endpoints(pool)).await?;
            let ids: Vec<_> = all.iter().map(|endpoint| endpoint.endpoint_id).collect();
            let own = registered_endpoints(pool, user, &ids).await.map_err(|error: StoreError| error)?;
            let all: Vec<_> = all.into_iter().filter(|found| own.contains(&found.endpoint_id)).collect();
            // They have a bound, which is less than a page.
            let (items, _) =
                written::<_, EndpointView>(all, |endpoint| (endpoint.created_at, endpoint.endpoint_id));
            Ok((items, None))
        }
    }
}

fn written<T, V: From<T> + Serialize>(rows: Vec<T>, place: impl Fn(&T) -> Place) -> Rows {
    let last = rows.last().filter(|_| rows.len() == PAGE_ROWS as usize).map(&place);
    let items = rows.into_iter().map(|row| serde_json::to_vec(&V::from(row)).unwrap_or_default()).collect();
    (items, last)
}
