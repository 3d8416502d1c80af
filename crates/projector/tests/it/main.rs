//! The loop that feeds a read model, against a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod faults;
mod live;
mod overtaken;
mod rebuilding;
mod tally;
mod waiting;
