//! The catalogue: cities, airports and airplanes, which flights are made of. Plain tables, not event-sourced.
//!
//! Guarantees
//! - One city per name, whatever its letters' case, and one airport per code.
//! - Nothing dangles: what something depends on is not deleted. Foreign keys hold that, so no race gets past it.
//! - Of two edits that begin with the same version, one wins and the other is told.
//! - A request with a key that is sent twice makes one thing, also if that was edited or deleted meanwhile.
//! - A flight's number is one flight's on a day (`claims`).
//!
//! All SQL on these tables is here. Not here: who may ask, and the form of what is asked (`api`).

pub mod airplanes;
pub mod airports;
pub mod cities;
pub mod claims;
mod command;
mod error;
pub mod places;
mod versions;

pub use airplanes::{Airplane, AirplaneChange, NewAirplane};
pub use airports::{Airport, AirportChange, NewAirport};
pub use cities::City;
pub use command::{Command, Made, is_made_with_key};
pub use error::{CatalogueError, Dependants, Parent};
pub use places::{AIRPORTS_OF_CITY_MAX, Place, airports_of};
pub use versions::Expected;

/// Most things of one page: bounds the answer's size.
pub const LIMIT_MAX: u32 = 200;
