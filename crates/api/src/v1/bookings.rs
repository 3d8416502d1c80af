//! Bookings: reserve, confirm, cancel, read, list.
//!
//! A booking is found, changed and read through its own events and the writer, never through a read
//! model: what was answered with 201 is there, with every projector stopped.

mod cancel;
mod confirm;
mod get;
mod list;
mod reserve;
mod timeline;

pub(crate) use cancel::{__path_cancel_booking, cancel_booking};
pub(crate) use confirm::{__path_confirm_booking, confirm_booking};
pub(crate) use get::{__path_get_booking, get_booking};
pub(crate) use list::{__path_list_bookings, list_bookings};
pub(crate) use reserve::{__path_reserve, reserve};
pub(crate) use timeline::{__path_get_timeline, get_timeline};

use crate::{
    auth::Principal,
    problem::{Problem, StoreError},
    state::Api,
    store::bounded,
    view::{BookingView, Done},
};
use axum::response::{IntoResponse, Response};
use holdfast_domain::{Booking, BookingId, InventoryId};
use holdfast_event_log::{Recorded, find_booking, read_sequences};
use holdfast_writer::Accepted;
use tracing::error;

/// The inventory a booking belongs to: remembered, or found in the log.
async fn locate(api: &Api, booking_id: BookingId) -> Result<InventoryId, Problem> {
    if let Some(inventory_id) = api.bookings.get(&booking_id) {
        return Ok(inventory_id);
    }
    let found = bounded(find_booking(&api.pool, booking_id)).await?;
    let inventory_id = found.ok_or_else(Problem::not_found)?;
    api.bookings.insert(booking_id, inventory_id);
    Ok(inventory_id)
}

/// A booking that `caller` may see, with its events so far.
async fn find(api: &Api, caller: &Principal, booking_id: BookingId) -> Result<Vec<Recorded>, Problem> {
    let inventory_id = locate(api, booking_id).await?;
    let booking = api.writer.booking(inventory_id, booking_id).await?;
    if !caller.may_act_for(booking.user_id) {
        return Err(Problem::not_found());
    }
    Ok(events(api, inventory_id, &booking, None).await?)
}

/// A booking's events, in order; the later ones left out where the answer is an older one.
async fn events(
    api: &Api,
    inventory_id: InventoryId,
    booking: &Booking,
    until: Option<i64>,
) -> Result<Vec<Recorded>, StoreError> {
    let happened =
        booking.sequences.iter().map(|sequence| i64::from(*sequence)).filter(|sequence| *sequence > 0);
    let sequences: Vec<_> =
        happened.filter(|sequence| until.is_none_or(|until| *sequence <= until)).collect();
    bounded(read_sequences(&api.pool, inventory_id, &sequences)).await
}

/// The answer to an accepted command on a booking: the booking as it was after the command.
async fn answer(api: &Api, booking_id: BookingId, accepted: Accepted) -> Result<Response, Problem> {
    let Accepted { inventory_id, at, answer, booking, replayed, .. } = accepted;
    let booking = match booking {
        Some(booking) => booking,
        None => api.writer.booking(inventory_id, booking_id).await?,
    };
    let events = events(api, inventory_id, &booking, answer.map(|event| event.sequence)).await?;
    let body = view(&events)?;
    Ok(Done { made_at: None, at, replayed, body }.into_response())
}

/// A booking's events, folded. That the first of them made it is our own promise.
fn view(events: &[Recorded]) -> Result<BookingView<'_>, Problem> {
    BookingView::fold(events).ok_or_else(|| {
        error!(events = events.len(), "a booking's events do not begin with its reservation");
        Problem::internal()
    })
}
