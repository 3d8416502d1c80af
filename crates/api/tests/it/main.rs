//! What the HTTP side promises, each as a claim: the real router, the real writer, a real Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod accepted;
mod admin_actions;
mod airbourne;
mod api_keys;
mod app;
mod authorisation;
mod bad_input;
mod bookings;
mod browsers;
mod budgets;
mod catalogue;
mod compat;
mod cost;
mod documentation;
mod flights;
mod guests;
mod idempotency;
mod inventories;
mod limits;
mod lists;
mod open_routes;
mod operator;
mod own_data;
mod plans;
mod questions;
mod reminders;
mod search;
mod serving;
mod sessions;
mod show_changes;
mod show_list;
mod shows;
mod store_gone;
mod users;
mod webhooks;
