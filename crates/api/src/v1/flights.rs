//! Flights: open one, search them, find one, sell it for another price or move it, cancel it. Its seats are an inventory's.

mod cancel;
mod change;
mod get;
mod list;
mod open;

pub(crate) use cancel::{__path_cancel_flight, cancel_flight};
pub(crate) use change::{__path_change_flight, change_flight};
pub(crate) use get::{__path_get_flight, get_flight};
pub(crate) use list::{__path_list_flights, list_flights};
pub(crate) use open::{__path_open_flight, open_flight};

use crate::{
    commands::AnswerLost,
    form::Line,
    view::{Done, FlightView, SeatsView, tag},
};
use axum::response::{IntoResponse, Response};
use holdfast_writer::Accepted;

/// Where passengers board.
type Gate = Line<1, 20>;

/// The answer to an accepted command about a flight: the flight as it is now.
fn answer(accepted: Accepted) -> Result<Response, AnswerLost> {
    let seats = SeatsView::from(&accepted);
    let Accepted { inventory_id, at, terms, replayed, .. } = accepted;
    let terms = terms.ok_or_else(|| AnswerLost::because("a change of a flight without its terms"))?;
    let version = terms.version;
    let body = FlightView::new(inventory_id, *terms, seats)
        .ok_or_else(|| AnswerLost::because("a flight that is none"))?;
    let mut response = Done { made_at: None, at, replayed, body }.into_response();
    tag(response.headers_mut(), version);
    Ok(response)
}
