//! What the writer promises, each as a claim, against a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod answering;
mod cancelling;
mod deciding;
mod differential;
mod failing;
mod following;
mod remembering;
mod rig;
mod time_passing;
