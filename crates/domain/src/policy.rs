//! What is sold, and under which limits.

use crate::{Flight, InvalidField, ShowSchedule, Timestamp};
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
/// Most seats a policy may count per user.
const SEATS_PER_USER_MAX: u32 = 1_000_000;
/// Most holds without a sale that a policy may count per user.
const HOLDS_PER_USER_MAX: u32 = 1_000_000;
/// Live bookings of one user where a sale says nothing else: a family's, not a reseller's.
pub const LIVE_BOOKINGS_PER_USER_DEFAULT: u32 = 10;
/// Seats of one user where a sale says nothing else; at least as many as one booking may have.
pub const SEATS_PER_USER_DEFAULT: u32 = 20;
/// Holds of one user that may end without a sale where a sale says nothing else: with holds of 15 minutes, 20 seats can be
/// kept from others for two and a half hours.
pub const HOLDS_PER_USER_DEFAULT: u32 = 10;
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
        /// When its sale ends; missing: when it begins. An opening of this build writes it wherever there is a start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sales_end_at: Option<Timestamp>,
    },
    /// A flight.
    Flight(Box<Flight>),
}

/// The kind of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// A show, a concert, a sale.
    Show,
    /// A flight.
    Flight,
}

impl SubjectKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Flight => "flight",
        }
    }
}

impl Subject {
    pub(crate) fn check(&self) -> Result<(), InvalidField> {
        let name = match self {
            Self::Flight(flight) => return flight.check(),
            Self::Show { name, .. } => name,
        };
        let chars = name.chars().count();
        if name.trim().is_empty() || chars > NAME_CHARS_MAX || name.contains('\0') {
            return Err(InvalidField::new("/name", format!("must be 1 to {NAME_CHARS_MAX} characters")));
        }
        self.show_schedule().map_or(Ok(()), |schedule| schedule.check())
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Flight(_) => SubjectKind::Flight,
            Self::Show { .. } => SubjectKind::Show,
        }
    }

    /// When the flight departs or the show begins, if that is known.
    #[must_use]
    pub fn begins_at(&self) -> Option<Timestamp> {
        match self {
            Self::Flight(flight) => Some(flight.departs_at),
            Self::Show { starts_at, .. } => *starts_at,
        }
    }

    /// When the last seat can be reserved: at the departure of a flight; at the end of a show's sale, which is its start
    /// unless the show says otherwise.
    #[must_use]
    pub fn sales_end_at(&self) -> Option<Timestamp> {
        match self {
            Self::Flight(flight) => Some(flight.departs_at),
            Self::Show { starts_at, sales_end_at, .. } => sales_end_at.or(*starts_at),
        }
    }

    /// The same subject with the end of its sale written out, so that no reader of its event needs the default.
    pub(crate) fn with_sales_end(mut self) -> Self {
        let end = self.sales_end_at();
        if let Self::Show { sales_end_at, .. } = &mut self {
            *sales_end_at = end;
        }
        self
    }

    /// The times of a show, with the end of its sale written out; none: it is no show.
    #[must_use]
    pub fn show_schedule(&self) -> Option<ShowSchedule> {
        match self {
            Self::Flight(_) => None,
            Self::Show { starts_at, zone, .. } => Some(ShowSchedule {
                starts_at: *starts_at,
                zone: zone.clone(),
                sales_end_at: self.sales_end_at(),
            }),
        }
    }

    /// Takes other times, if it is a show.
    pub fn reschedule_show(&mut self, to: ShowSchedule) {
        if let Self::Show { starts_at, zone, sales_end_at, .. } = self {
            (*starts_at, *zone, *sales_end_at) = (to.starts_at, to.zone, to.sales_end_at);
        }
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
    /// Most seats of one user's live bookings; 0 or missing = no limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub seats_per_user: u32,
    /// Most holds of one user that may end unconfirmed (cancelled or expired) before the next is refused; 0 or missing = no
    /// limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub holds_per_user: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(limit: &u32) -> bool {
    *limit == 0
}

impl Policy {
    /// Whether anything is counted per user.
    pub(crate) fn limits_users(&self) -> bool {
        self.live_bookings_per_user > 0 || self.seats_per_user > 0 || self.holds_per_user > 0
    }

    pub(crate) fn check(&self) -> Result<(), InvalidField> {
        let fields = [
            ("/policy/seats_per_booking", self.seats_per_booking, 1, SEATS_PER_BOOKING_MAX),
            ("/policy/live_bookings_per_user", self.live_bookings_per_user, 0, LIVE_BOOKINGS_PER_USER_MAX),
            ("/policy/hold_seconds", self.hold_seconds, 0, HOLD_SECONDS_MAX),
            ("/policy/overbooking_allowance", self.overbooking_allowance, 0, ALLOWANCE_MAX),
            ("/policy/seats_per_user", self.seats_per_user, 0, SEATS_PER_USER_MAX),
            ("/policy/holds_per_user", self.holds_per_user, 0, HOLDS_PER_USER_MAX),
        ];
        fields.into_iter().try_for_each(|(pointer, value, min, max)| {
            InvalidField::range(pointer, i64::from(value), i64::from(min), i64::from(max))
        })
    }
}
