//! The log against a real Postgres. One module per promise; the header of each names the
//! interleavings and what would go wrong in them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that stops says what is wrong"
)]

mod chain;
mod duplicate;
mod fenced;
mod gaps;
mod leases;
mod outcome;
mod plans;
mod reading;
mod refusals;
mod scene;
