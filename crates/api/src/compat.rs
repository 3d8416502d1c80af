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

use crate::state::ApiState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Who sends its commands, in the events' metadata: its users have no accounts here.
const SYSTEM: &str = "booking_monitor";

/// booking_monitor's routes.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        .routes(routes!(events::create_event))
        .routes(routes!(book::book))
        .routes(routes!(book::book_legacy))
        .routes(routes!(history::list_history))
}
