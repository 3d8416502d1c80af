//! For the tests of read models: a log to fill, histories to fill it with, and fixtures.
//!
//! Behind the feature `testing`; nothing of it is in the executable. A set-up that fails panics: the test
//! has nothing else to do.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test's set-up fails by panicking"
)]

mod cpu;
mod fixture;
mod log;
mod market;
mod plan;
mod rates;
mod rows;
mod sliced;
mod tally;

pub use fixture::Fixture;
pub use log::{Happened, TestLog};
pub use market::Market;
pub use plan::{pages_looked_at, plan};
pub use rates::rates;
pub use rows::{drain, rows};
pub use sliced::Sliced;
pub use tally::Tally;
