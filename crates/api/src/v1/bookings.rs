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
pub(crate) use list::{__path_list_bookings, list_bookings, status};
pub(crate) use reserve::{__path_reserve, reserve};
pub(crate) use timeline::{__path_get_timeline, get_timeline};

use crate::{
    auth::Principal,
    commands::AnswerLost,
    problem::Problem,
    state::Api,
    store::bounded,
    view::{BookingView, Done},
};
use axum::response::{IntoResponse, Response};
use holdfast_domain::{Booking, BookingId, InventoryEvent, InventoryId, SeatsReserved, Timestamp};
use holdfast_event_log::{Recorded, find_booking, read_sequences};
use holdfast_writer::Accepted;
use tracing::error;

/// What a booking was made as, and what else of it never changes once it is known. So a command on it is answered
/// without asking for what the answer needs after it was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    inventory_id: InventoryId,
    reserved: SeatsReserved,
    reserved_at: Timestamp,
    /// None: it was not, or this process does not know when.
    confirmed_at: Option<Timestamp>,
}

/// The booking's reservation: remembered, or found in the log.
async fn locate(api: &Api, booking_id: BookingId) -> Result<Made, Problem> {
    if let Some(made) = api.bookings.get(&booking_id) {
        return Ok(made);
    }
    let found = bounded(find_booking(&api.pools.commands, booking_id)).await?;
    let Some(Recorded { event: InventoryEvent::SeatsReserved(reserved), inventory_id, recorded_at, .. }) =
        found
    else {
        return Err(Problem::not_found());
    };
    let made = Made { inventory_id, reserved, reserved_at: recorded_at, confirmed_at: None };
    api.bookings.insert(booking_id, made.clone());
    Ok(made)
}

/// A booking that `caller` may see, with its events so far.
async fn find(api: &Api, caller: &Principal, booking_id: BookingId) -> Result<Vec<Recorded>, Problem> {
    let inventory_id = locate(api, booking_id).await?.inventory_id;
    let booking = api.writer.booking(inventory_id, booking_id).await?;
    if !caller.may_act_for(booking.user_id) {
        return Err(Problem::not_found());
    }
    let happened = booking.sequences.map(i64::from);
    let happened: Vec<_> = happened.into_iter().filter(|sequence| *sequence > 0).collect();
    Ok(bounded(read_sequences(&api.pools.commands, inventory_id, &happened)).await?)
}

/// The answer to an accepted command on a booking: the booking as it was after the command. Only what this process
/// has not seen happen is read: the confirmation before a cancellation, say.
async fn answer(api: &Api, mut made: Made, accepted: Accepted) -> Result<Response, AnswerLost> {
    let Accepted { inventory_id, at, answer, booking, replayed, .. } = accepted;
    let booking_id = made.reserved.booking_id;
    let booking = match booking {
        Some(booking) => booking,
        None => api.writer.booking(inventory_id, booking_id).await?,
    };
    let before = before(&booking, answer.as_ref());
    let [confirmed, _] = before;
    let known = made.confirmed_at.filter(|_| confirmed.is_some());
    let unknown: Vec<_> = before.into_iter().skip(known.map_or(0, |_| 1)).flatten().collect();
    let mut events = match unknown.is_empty() {
        true => vec![],
        false => bounded(read_sequences(&api.pools.commands, inventory_id, &unknown)).await?,
    };
    events.extend(answer);
    let reserved = BookingView::made(inventory_id, &made.reserved, made.reserved_at);
    let reserved = known.map_or(reserved.clone(), |at| reserved.confirmed(at));
    let body = events.iter().fold(reserved, BookingView::after);
    if made.confirmed_at.is_none() && body.confirmed_at.is_some() {
        made.confirmed_at = body.confirmed_at;
        api.bookings.insert(booking_id, made);
    }
    Ok(Done { made_at: None, at, replayed, body }.into_response())
}

/// Sequences of the booking's confirmation and end, as far as they were there before the answer.
fn before(booking: &Booking, answer: Option<&Recorded>) -> [Option<i64>; 2] {
    let [_, confirmed, ended] = booking.sequences.map(i64::from);
    let before = |sequence: &i64| *sequence > 0 && answer.is_none_or(|answer| *sequence < answer.sequence);
    [Some(confirmed).filter(before), Some(ended).filter(before)]
}

/// A booking's events, folded. That the first of them made it is our own promise.
fn view(events: &[Recorded]) -> Result<BookingView<'_>, Problem> {
    BookingView::fold(events).ok_or_else(|| {
        error!(events = events.len(), "a booking's events do not begin with its reservation");
        Problem::internal()
    })
}
