//! `GET /v1/mails/failed`: the mails that were given up, the latest event first.

use super::MailView;
use crate::{
    extract::{Admin, FormRefused, FromQuery, Params, Query},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded,
    view::{Cursor, JsonAnswer, Page},
};
use axum::extract::State;
use holdfast_notifier::failed_mails;
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct MailsQuery {
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for MailsQuery {
    fn read(params: &mut Params) -> Self {
        Self { limit: params.limit(), cursor: params.cursor() }
    }
}

/// What a cursor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mails {
    mails_failed: bool,
}

problems! {
    /// Why they are not listed.
    ListMailsProblems: InvalidCursor, Unauthenticated, Forbidden, ValidationFailed, StoreUnavailable,
}

/// The mails about bookings that were given up within the last 30 days, the latest event first.
#[utoipa::path(
    get, path = "/v1/mails/failed", tag = "reminders",
    params(
        ("limit" = Option<u32>, Query, description = "Mails of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<MailView>), ListMailsProblems)
)]
pub(crate) async fn list_failed_mails(
    State(api): State<ApiState>,
    _admin: Admin,
    query: Result<Query<MailsQuery>, FormRefused>,
) -> Result<JsonAnswer<Page<MailView>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let wanted = Mails { mails_failed: true };
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let page = bounded(failed_mails(&api.pool, after, query.limit)).await?;
    let last = page.last().filter(|_| page.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.recorded_at, last.mail_id));
    Ok(JsonAnswer(Page::of(page.into_iter().map(MailView::from).collect(), next_cursor)))
}
