//! What the README promises, on the executable itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod attack;
mod booked;
mod compose;
mod consumers;
mod database_roles;
mod deleting;
mod ending;
mod flights;
mod fuzz;
mod kafka;
mod kill;
mod leaving;
mod notify;
mod operator;
mod outage;
mod parked;
mod secured;
mod security_log;
mod server;
mod tour;
