//! The native API. One file for each endpoint: what it answers when it does not do it, its
//! documentation, its handler.

pub(crate) mod admin_actions;
pub(crate) mod airplanes;
pub(crate) mod airports;
pub(crate) mod api_keys;
pub(crate) mod bookings;
pub(crate) mod cities;
pub(crate) mod flights;
pub(crate) mod guests;
pub(crate) mod inventories;
pub(crate) mod mails;
pub(crate) mod reminders;
pub(crate) mod role_changes;
pub(crate) mod sessions;
pub(crate) mod shows;
pub(crate) mod users;
pub(crate) mod webhook_endpoints;
