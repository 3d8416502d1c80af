//! What the relay promises, each as a claim, with a real Postgres and a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod copying;
mod drills;
mod faults;
mod following;
mod foreign;
mod limits;
mod rebalancing;
mod refusing;
mod rig;
mod telling;
