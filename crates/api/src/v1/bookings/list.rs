//! `GET /v1/bookings`: booking history, from its read model, the latest first.

use crate::{
    auth::Principal,
    extract::{Caller, FormRefused, FreshFrom, FromQuery, Params, Query},
    form::id,
    problem::{Problem, problems},
    state::ApiState,
    store::bounded,
    view::{BookingView, Cursor, JsonAnswer, Meta, Page, freshness, is_not_made_yet},
};
use axum::extract::State;
use holdfast_booking_history::{After, page};
use holdfast_domain::{BookingId, BookingStatus, UserId};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct BookingsQuery {
    user_id: Option<UserId>,
    status: Option<BookingStatus>,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for BookingsQuery {
    fn read(params: &mut Params) -> Self {
        Self {
            user_id: params.take("user_id", "must be a UUID", |text| id(text).map(UserId)),
            status: status(params),
            limit: params.limit(),
            cursor: params.cursor(),
        }
    }

    fn acts_for(&self) -> Option<UserId> {
        self.user_id
    }
}

const STATUSES: [BookingStatus; 4] =
    [BookingStatus::Held, BookingStatus::Confirmed, BookingStatus::Cancelled, BookingStatus::Expired];

/// The status that bookings must have, if one is asked for.
pub(crate) fn status(params: &mut Params) -> Option<BookingStatus> {
    let status = |text: &str| STATUSES.into_iter().find(|status| status.as_str() == text);
    params.take("status", "must be held, confirmed, cancelled or expired", status)
}

/// Whose bookings, and which: what a cursor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bookings {
    bookings_of: UserId,
    status: Option<BookingStatus>,
}

impl BookingsQuery {
    fn of(&self, caller: &Principal) -> Result<Bookings, Problem> {
        let bookings_of = self.user_id.unwrap_or(caller.user_id);
        let allowed =
            caller.may_act_for(bookings_of).then_some(Bookings { bookings_of, status: self.status });
        allowed.ok_or_else(Problem::forbidden_for_another)
    }
}

problems! {
    /// Why they are not listed.
    ListBookingsProblems: InvalidCursor, Unauthenticated, Forbidden, ValidationFailed, StoreUnavailable,
}

/// A user's bookings, the latest first.
#[utoipa::path(
    get, path = "/v1/bookings", tag = "bookings",
    params(
        ("user_id" = Option<Uuid>, Query, description = "Whose; left out: the caller's. Only an agent or admin may name another."),
        ("status" = Option<String>, Query, description = "Only these: held, confirmed, cancelled or expired."),
        ("limit" = Option<u32>, Query, description = "Bookings of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command: the page waits up to 500 ms to include it, else says that it is stale."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<BookingView>), ListBookingsProblems)
)]
pub(crate) async fn list_bookings(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    query: Result<Query<BookingsQuery>, FormRefused>,
    fresh: FreshFrom,
) -> Result<JsonAnswer<Page<BookingView<'static>>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.for_caller(&caller))?;
    let wanted = query.of(&caller)?;
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let after = after.map(|(reserved_at, id)| After { reserved_at, booking_id: BookingId(id) });
    let freshness = freshness(&api.read_models.booking_history, fresh).await;
    let rows = match bounded(page(&api.pool, wanted.bookings_of, wanted.status, after, query.limit)).await {
        Err(error) if is_not_made_yet(&error) => return Ok(JsonAnswer(Page::not_made_yet())),
        rows => rows?,
    };
    let last = rows.last().filter(|_| rows.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.reserved_at, last.booking_id.0));
    let data = rows.into_iter().map(BookingView::from).collect();
    Ok(JsonAnswer(Page { data, meta: Meta { next_cursor, freshness } }))
}
