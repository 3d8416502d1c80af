//! Read model: every inventory with its terms and the seats that are left.
//!
//! One row per inventory, made by `InventoryOpened` and counted up and down by all later events.
//! Guarantee: the counts are those of the aggregate at the same position, whatever the batches were.
//! All SQL that touches the schema `availability` is in this crate.
//! Not here: the decision whether seats can be had. It is taken on the aggregate, never on these rows.

mod fold;
mod level;
mod queries;
mod route_search;
mod row;
mod search;
mod shows;
mod tables;

pub use fold::{Change, Changes};
pub use level::{Level, level};
pub use queries::{FlightsFilter, ending_inventories, find, flights};
pub use route_search::{RouteSearch, search_routes};
pub use row::InventoryRow;
pub use search::{FLIGHTS_LIMIT_MAX, FlightOrder, FlightPlace, FlightSearch, search_flights};
pub use shows::{SHOWS_LIMIT_MAX, ShowPlace, ShowSearch, explain_shows, search_shows};

/// The read model, as the projector knows it.
#[derive(Clone, Copy, Debug)]
pub struct Availability;
