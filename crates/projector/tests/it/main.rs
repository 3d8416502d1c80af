//! The loop that feeds a read model, against a real Postgres.

mod faults;
mod live;
mod overtaken;
mod rebuilding;
mod tally;
mod waiting;
