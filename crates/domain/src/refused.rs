//! Why a command was not accepted. Each reason carries the numbers that tell the caller what to change.

use crate::{BookingStatus, SubjectKind, Timestamp};
use serde::Serialize;

/// The one status from which a booking can be confirmed.
pub const CONFIRM_NEEDS: &[BookingStatus] = &[BookingStatus::Held];

/// A field whose value is outside what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{pointer} {detail}")]
pub struct InvalidField {
    /// JSON pointer (RFC 6901) into the request's body.
    pub pointer: &'static str,
    /// What the value must be.
    pub detail: String,
}

impl InvalidField {
    pub(crate) fn new(pointer: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer, detail: detail.into() }
    }

    pub(crate) fn range(pointer: &'static str, value: i64, min: i64, max: i64) -> Result<(), Self> {
        if (min..=max).contains(&value) {
            return Ok(());
        }
        Err(Self::new(pointer, format!("must be {min} to {max}")))
    }
}

/// A refusal by the rules. It wrote nothing; the same command may be sent again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A value is outside its range.
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// There is no such inventory.
    #[error("there is no such inventory")]
    UnknownInventory,
    /// There is no such booking, or it is not the caller's.
    #[error("there is no such booking")]
    UnknownBooking,
    /// An inventory of this id is open already, with other terms.
    #[error("the inventory is already open")]
    AlreadyOpen,
    /// Not enough seats.
    #[error("{requested} requested, {available} available")]
    SoldOut {
        /// Seats asked for.
        requested: u32,
        /// Seats left at that moment.
        available: u32,
    },
    /// The user has as many live bookings as the policy allows.
    #[error("{live} of {limit} live bookings per user are in use")]
    DuplicateBooking {
        /// The policy's limit.
        limit: u32,
        /// The user's live bookings.
        live: u32,
    },
    /// Another limit of the policy per user is reached.
    #[error("{}: {used} of {limit} are in use", name.as_str())]
    BookingLimitReached {
        /// Which limit.
        name: UserLimit,
        /// What the policy allows.
        limit: u32,
        /// What the user has of it.
        used: u32,
    },
    /// Sales are closed.
    #[error("sales are closed")]
    SalesClosed,
    /// The time of the sale is over, and the show has not begun yet.
    #[error("sales ended at {}", rfc3339(ended_at))]
    SalesEnded {
        /// When it ended.
        ended_at: Timestamp,
    },
    /// The flight has left, or the show has begun.
    #[error("the {} at {}", begun(*kind), rfc3339(departed_at))]
    Departed {
        /// What has.
        kind: SubjectKind,
        /// When it did.
        departed_at: Timestamp,
    },
    /// The flight or show does not take place.
    #[error("the {} is cancelled", kind.as_str())]
    Cancelled {
        /// What is cancelled.
        kind: SubjectKind,
    },
    /// The command is for one kind, and the seats are of the other.
    #[error("it is not a {}", wanted.as_str())]
    OtherKind {
        /// What the command is for.
        wanted: SubjectKind,
    },
    /// The terms are not those the caller has seen.
    #[error("the version is {current} now")]
    VersionMismatch {
        /// The version they have.
        current: u64,
    },
    /// The hold ended before the command came.
    #[error("the hold expired at {}", rfc3339(expired_at))]
    HoldExpired {
        /// When it ended.
        expired_at: Timestamp,
    },
    /// The booking's status does not allow this.
    #[error("the booking is {status:?}")]
    InvalidState {
        /// What it is.
        status: BookingStatus,
        /// What it would have to be.
        allowed: &'static [BookingStatus],
    },
}

/// A limit of the policy per user, next to that of live bookings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserLimit {
    /// Seats of live bookings.
    Seats,
    /// Holds that ended unconfirmed.
    Holds,
}

impl UserLimit {
    /// The policy's field.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seats => "seats_per_user",
            Self::Holds => "holds_per_user",
        }
    }
}

fn rfc3339(at: &Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn begun(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Flight => "flight departed",
        SubjectKind::Show => "show began",
    }
}
