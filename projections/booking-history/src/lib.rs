//! Read model: every booking with what became of it, by user, by inventory and by time.
//!
//! One row per booking, made by `SeatsReserved` and changed by what happens to it later.
//! Guarantee: the rows are a fold of the log up to the checkpoints beside them, whatever the batches were.
//! All SQL that touches the schema `booking_history` is in this crate.
//! Not here: whether a booking may be seen by whoever asks, and anything a decision depends on.

mod fold;
mod queries;
mod row;
mod tables;

pub use fold::{Change, Changes, NewBooking};
pub use queries::{
    After, HISTORY_LIMIT_MAX, numbered_count, numbered_page, overdue_inventories, page, page_of_inventory,
};
pub use row::Booking;

/// The read model, as the projector knows it.
#[derive(Clone, Copy, Debug)]
pub struct BookingHistory;
