//! What the relay promises, each as a claim, with a real Postgres and a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod copying;
mod faults;
mod following;
mod refusing;
mod rig;
mod telling;
