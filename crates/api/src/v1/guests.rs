//! Guests: customers without an account, for whom agents book.

mod create;
mod delete;
mod get;

pub(crate) use create::{__path_create_guest, create_guest};
pub(crate) use delete::{__path_delete_guest, delete_guest};
pub(crate) use get::{__path_get_guest, get_guest};

use crate::users::Guest;
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use serde::Serialize;
use utoipa::ToSchema;

/// A guest. No `Debug`: it must not get into a log.
#[derive(Serialize, ToSchema)]
#[schema(as = Guest)]
pub(crate) struct GuestView {
    /// Names it; the `user_id` of its bookings.
    #[schema(value_type = Uuid)]
    id: UserId,
    /// Where it is written to, in small letters.
    #[schema(example = "grace@example.com")]
    email: String,
    /// Its name.
    #[schema(example = "Grace Hopper")]
    name: String,
    /// Since when it is known.
    created_at: DateTime<Utc>,
}

impl From<Guest> for GuestView {
    fn from(guest: Guest) -> Self {
        Self { id: guest.guest_id, email: guest.email, name: guest.name, created_at: guest.created_at }
    }
}
