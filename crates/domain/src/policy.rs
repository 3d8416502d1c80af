//! What is sold, and under which limits.

use crate::{Flight, InvalidField, Timestamp, flight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest name of a show, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Most seats one booking may ask for, whatever the policy: keeps totals and answers small.
pub const SEATS_PER_BOOKING_MAX: u32 = 100;
/// Longest hold: a day. A longer one is a confirmation in disguise.
const HOLD_SECONDS_MAX: u32 = 24 * 60 * 60;
/// Most live bookings a policy may count per user.
const LIVE_BOOKINGS_PER_USER_MAX: u32 = 1_000_000;
/// Most seats an overbooking allowance may add.
const ALLOWANCE_MAX: u32 = 1_000_000;

/// What the seats belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Subject {
    /// A show, a concert, a sale.
    Show {
        /// What it is called; 1 to 200 characters.
        name: String,
        /// When it begins, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        starts_at: Option<Timestamp>,
        /// IANA zone of the venue, such as `Europe/Berlin`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        zone: Option<String>,
    },
    /// A flight.
    Flight(Box<Flight>),
}

impl Subject {
    pub(crate) fn check(&self) -> Result<(), InvalidField> {
        let (name, zone) = match self {
            Self::Flight(flight) => return flight.check(),
            Self::Show { name, zone, .. } => (name, zone),
        };
        let chars = name.chars().count();
        if name.trim().is_empty() || chars > NAME_CHARS_MAX || name.contains('\0') {
            return Err(InvalidField::new("/name", format!("must be 1 to {NAME_CHARS_MAX} characters")));
        }
        zone.as_deref().map_or(Ok(()), |zone| flight::zone("/zone", zone))
    }

    /// The flight, if it is one.
    #[must_use]
    pub fn flight(&self) -> Option<&Flight> {
        match self {
            Self::Flight(flight) => Some(flight),
            Self::Show { .. } => None,
        }
    }
}

/// The limits under which an inventory is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// Most seats in one booking, 1 to 100.
    pub seats_per_booking: u32,
    /// Most live (held or confirmed) bookings of one user; 0 = no limit.
    pub live_bookings_per_user: u32,
    /// How long a hold lasts, in seconds; 0 = bookings are confirmed at once.
    pub hold_seconds: u32,
    /// Seats that may be sold beyond the capacity.
    pub overbooking_allowance: u32,
}

impl Policy {
    pub(crate) fn check(&self) -> Result<(), InvalidField> {
        let fields = [
            ("/policy/seats_per_booking", self.seats_per_booking, 1, SEATS_PER_BOOKING_MAX),
            ("/policy/live_bookings_per_user", self.live_bookings_per_user, 0, LIVE_BOOKINGS_PER_USER_MAX),
            ("/policy/hold_seconds", self.hold_seconds, 0, HOLD_SECONDS_MAX),
            ("/policy/overbooking_allowance", self.overbooking_allowance, 0, ALLOWANCE_MAX),
        ];
        fields.into_iter().try_for_each(|(pointer, value, min, max)| {
            InvalidField::range(pointer, i64::from(value), i64::from(min), i64::from(max))
        })
    }
}
