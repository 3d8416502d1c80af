//! `GET /v1/reminders`: the caller's own, the latest first.

use super::ReminderView;
use crate::{
    extract::{Caller, FormRefused, FromQuery, Params, Query},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::{Cursor, JsonAnswer, Page},
};
use axum::extract::State;
use holdfast_domain::UserId;
use holdfast_notifier::reminders;
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct RemindersQuery {
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for RemindersQuery {
    fn read(params: &mut Params) -> Self {
        Self { limit: params.limit(), cursor: params.cursor() }
    }
}

/// Whose reminders: what a cursor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reminders {
    reminders_of: UserId,
}

problems! {
    /// Why they are not listed.
    ListRemindersProblems: InvalidCursor, Unauthenticated, ValidationFailed, StoreUnavailable,
}

/// The caller's reminders, the latest asked for first. They are kept for 30 days after they were sent or given up.
#[utoipa::path(
    get, path = "/v1/reminders", tag = "reminders",
    params(
        ("limit" = Option<u32>, Query, description = "Reminders of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<ReminderView>), ListRemindersProblems)
)]
pub(crate) async fn list_reminders(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    query: Result<Query<RemindersQuery>, FormRefused>,
) -> Result<JsonAnswer<Page<ReminderView>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let wanted = Reminders { reminders_of: caller.user_id };
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let page = bounded_work(reminders(&api.pool, caller.user_id, after, query.limit)).await?;
    let last = page.last().filter(|_| page.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.created_at, last.reminder_id));
    Ok(JsonAnswer(Page::of(page.into_iter().map(ReminderView::from).collect(), next_cursor)))
}
