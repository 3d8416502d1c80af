//! What the notifier promises, each as a claim, with a real Postgres, a real Kafka, and real HTTP receivers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod batches;
mod counting;
mod delivering;
mod example;
mod failing;
mod kafka;
mod mailing;
mod queueing;
mod receiver;
mod replaying;
mod rig;
mod sharing;
mod shows;
mod smtp;
mod smtp_tls;
mod upkeep;
