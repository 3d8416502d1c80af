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
    flights,
    form::Line,
    problem::Problem,
    state::Api,
    view::{Done, FlightView, SeatsView, tag},
};
use axum::response::{IntoResponse, Response};
use holdfast_writer::Accepted;

/// Where passengers board.
type Gate = Line<1, 20>;

/// The answer to a command about a flight: the flight as it is now.
async fn answer(api: &Api, accepted: Accepted) -> Result<Response, Problem> {
    let view = flights::view(api, accepted.inventory_id).await?;
    let seats = SeatsView::from(&view);
    let (at, version) = (view.at, view.terms.version);
    let body = FlightView::new(view.inventory_id, view.terms, seats).ok_or_else(Problem::not_found)?;
    let mut response = Done { made_at: None, at, replayed: accepted.replayed, body }.into_response();
    tag(response.headers_mut(), version);
    Ok(response)
}
