//! `GET /v1/inventories/{id}/bookings`: who has booked, from the read model of bookings, the latest first.

use crate::{
    extract::{FormRefused, FreshFrom, FromQuery, Params, PathId, Query, Staff},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded,
    v1::bookings::status,
    view::{BookingView, Cursor, JsonAnswer, Meta, Page, freshness, is_not_made_yet},
};
use axum::extract::State;
use holdfast_booking_history::{After, page_of_inventory};
use holdfast_domain::{BookingId, BookingStatus, InventoryId};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug)]
pub(crate) struct InventoryBookingsQuery {
    status: Option<BookingStatus>,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for InventoryBookingsQuery {
    fn read(params: &mut Params) -> Self {
        Self { status: status(params), limit: params.limit(), cursor: params.cursor() }
    }
}

/// Whose seats, and which bookings: what a cursor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct InventoryBookings {
    bookings_on: InventoryId,
    status: Option<BookingStatus>,
}

problems! {
    /// Why they are not listed.
    InventoryBookingsProblems:
        InvalidCursor, Unauthenticated, Forbidden, NotFound, ValidationFailed, Overloaded, StoreUnavailable,
}

/// An inventory's bookings, of all users, the latest first. For agents and admins.
#[utoipa::path(
    get, path = "/v1/inventories/{id}/bookings", tag = "inventories",
    params(
        ("id" = uuid::Uuid, Path, description = "The inventory: a show's or flight's id."),
        ("status" = Option<String>, Query, description = "Only these: held, confirmed, cancelled or expired."),
        ("limit" = Option<u32>, Query, description = "Bookings of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same status."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command: the page waits up to 500 ms to include it, else says that it is stale."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<BookingView>), InventoryBookingsProblems)
)]
pub(crate) async fn list_inventory_bookings(
    State(api): State<ApiState>,
    _: Staff,
    PathId(id): PathId,
    query: Result<Query<InventoryBookingsQuery>, FormRefused>,
    fresh: FreshFrom,
) -> Result<JsonAnswer<Page<BookingView<'static>>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let wanted = InventoryBookings { bookings_on: InventoryId(id), status: query.status };
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let after = after.map(|(reserved_at, id)| After { reserved_at, booking_id: BookingId(id) });
    super::find(&api, wanted.bookings_on, FreshFrom::Anything).await?;
    let freshness = freshness(&api.read_models.booking_history, fresh).await;
    let page = page_of_inventory(&api.pool, wanted.bookings_on, wanted.status, after, query.limit);
    let rows = match bounded(page).await {
        Err(error) if is_not_made_yet(&error) => return Ok(JsonAnswer(Page::not_made_yet())),
        rows => rows?,
    };
    let last = rows.last().filter(|_| rows.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.reserved_at, last.booking_id.0));
    let data = rows.into_iter().map(BookingView::from).collect();
    Ok(JsonAnswer(Page { data, meta: Meta { next_cursor, freshness } }))
}
