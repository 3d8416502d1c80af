//! What each command does, as given / when / then: these events happened, this is asked at that time,
//! these events follow or this refusal with its numbers. Meant to be read as the rule book.
//!
//! One module per capability; `given` has the words they share. What holds over sequences of
//! commands, whichever they are, is in the property tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that stops says what is wrong")]

mod blocking;
mod cancelling;
mod capacity;
mod confirming;
mod departing;
mod expiring;
mod flights;
mod given;
mod limits;
mod opening;
mod reserving;
mod sales;
mod shows;
