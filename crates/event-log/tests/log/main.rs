//! The log against a real Postgres. One module per promise; the header of each names the
//! interleavings, and what breaks without the line that prevents it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that stops says what is wrong")]

mod deadlock;
mod scene;
