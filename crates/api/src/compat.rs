//! booking_monitor's contract, on the same port: its bodies, its codes, its order of checks.
//!
//! A thin adapter over the same commands. It holds no rule: an event is a show whose policy is one
//! live booking per user, 1 to 10 seats, confirmed at once; that a duplicate is told before sold out
//! is the rules' own order.
//! Where the original is wrong we are right instead: an answered booking is durable, a page of the
//! history has at most 200 orders, and no error carries what failed inside.
//! Its routes need no token; the executable decides where they are served, and `tokenless` who may write. They book only what
//! `POST /api/v1/events` has opened, never a flight.

mod answer;
mod book;
mod events;
mod history;
mod request;

pub(crate) use events::next_number as next_inventory_number;
pub(crate) use history::HistoryReads;

use crate::{
    limits::Class::{Admin, Hold, Search},
    routes::{Contract, Routes},
};
use answer::Answer;
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use holdfast_ambient::Ambient;
use utoipa_axum::routes;

/// Who sends its commands, in the events' metadata: its users have no accounts here.
const SYSTEM: &str = "booking_monitor";

/// booking_monitor's routes.
pub(crate) fn routes() -> Routes {
    Routes::new(Contract::BookingMonitor, utoipa::openapi::OpenApi::default())
        .limited(Admin, routes!(events::create_event))
        .limited(Hold, routes!(book::book))
        .limited(Hold, routes!(book::book_legacy))
        .limited(Search, routes!(history::list_history))
}

/// The answer to a request beyond a limit.
pub(crate) fn too_many_requests(headers: &HeaderMap, ambient: &dyn Ambient) -> Response {
    let answer = Answer::fixed(StatusCode::TOO_MANY_REQUESTS, r#"{"error":"too many requests"}"#);
    answer.to(request::correlation_id(headers, ambient))
}
