//! The read model `availability` against a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod agrees;
mod fixtures;
mod queries;
mod search;
mod shows;
