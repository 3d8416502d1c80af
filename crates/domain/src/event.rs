//! What happened to an inventory: the facts of the log, and the public contract of its consumers.
//!
//! An event's JSON is frozen the day it ships (`events/*.json`); a change is a new version.
//! Every event carries what a read model needs to count with, so no consumer has to look back.

use crate::{BookingId, BookingStatus, Money, Policy, Schedule, ShowSchedule, Subject, Timestamp, UserId};
use cqrs_es::DomainEvent;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

/// Aggregate type of every stream in this crate, as the log stores it.
pub const AGGREGATE_TYPE: &str = "inventory";

/// Seats are on sale from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InventoryOpened {
    /// What the seats belong to.
    pub subject: Subject,
    /// Number of seats.
    pub capacity: u32,
    /// Price of one seat.
    pub price: Money,
    /// The limits of the sale.
    pub policy: Policy,
}

/// Seats were taken: held until `expires_at`, or confirmed at once where that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatsReserved {
    /// The booking this made.
    pub booking_id: BookingId,
    /// Who holds it.
    pub user_id: UserId,
    /// How many seats.
    pub quantity: u32,
    /// Price of all of them.
    pub total: Money,
    /// When the hold ends; missing: there is no hold, the booking is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl SeatsReserved {
    /// What the booking is from here on.
    #[must_use]
    pub fn status(&self) -> BookingStatus {
        if self.expires_at.is_some() { BookingStatus::Held } else { BookingStatus::Confirmed }
    }
}

/// A hold became a sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BookingConfirmed {
    /// Which booking.
    pub booking_id: BookingId,
    /// Its seats: they move from held to confirmed.
    pub quantity: u32,
}

/// A live booking gave its seats back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BookingCancelled {
    /// Which booking.
    pub booking_id: BookingId,
    /// What it was: held or confirmed.
    pub previous_status: BookingStatus,
    /// Seats that are free again.
    pub released: u32,
    /// Why, as a short code.
    pub reason: String,
}

/// A hold ended unconfirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BookingExpired {
    /// Which booking.
    pub booking_id: BookingId,
    /// Seats that are free again.
    pub released: u32,
}

/// The number of seats is another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityChanged {
    /// Before.
    pub old: u32,
    /// From now on.
    pub new: u32,
    /// Seats taken beyond the new capacity and the allowance; 0 almost always.
    pub oversold_by: u32,
}

/// Sales stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SalesClosed {}

/// Sales go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SalesReopened {}

/// Free seats were taken out of the sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatsBlocked {
    /// How many.
    pub quantity: u32,
    /// Why.
    pub reason: String,
}

/// Blocked seats are on sale again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatsUnblocked {
    /// How many.
    pub quantity: u32,
}

/// One seat costs something else from now on; bookings keep the price they were sold at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PriceChanged {
    /// Before.
    pub old: Money,
    /// From now on, in the same currency.
    pub new: Money,
}

/// A flight leaves or lands at another time, or at another gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlightRescheduled {
    /// Before.
    pub old: Schedule,
    /// From now on.
    pub new: Schedule,
    /// IANA zone of the departure airport, which has not changed.
    pub departure_zone: String,
    /// IANA zone of the arrival airport, which has not changed.
    pub arrival_zone: String,
}

/// A flight does not take place. Sales have stopped for ever; its live bookings are cancelled one by one,
/// by events of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlightCancelled {
    /// Why, as a short code.
    pub reason: String,
}

/// A show begins at another time or by other clocks, or its sale ends at another time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShowRescheduled {
    /// Before.
    pub old: ShowSchedule,
    /// From now on.
    pub new: ShowSchedule,
}

/// A show does not take place. Sales have stopped for ever; its live bookings are cancelled one by one, by events of
/// their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShowCancelled {
    /// Why, as a short code.
    pub reason: String,
}

/// An event's bytes could not be understood. The reader stops: nothing is skipped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// This build knows no event of that type and version.
    #[error("unknown event type {event_type} version {event_version}; a newer Holdfast wrote it")]
    Unknown {
        /// The stored type.
        event_type: String,
        /// The stored version.
        event_version: String,
    },
    /// The JSON does not have the event's shape.
    #[error("the payload is not a {event_type} version {event_version}")]
    Shape {
        /// The stored type.
        event_type: String,
        /// The stored version.
        event_version: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

macro_rules! events {
    ($($name:ident = $version:literal),+ $(,)?) => {
        /// Everything that can happen to an inventory.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        pub enum InventoryEvent {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+
        }

        /// Every event type with its current version.
        pub const EVENT_TYPES: &[(&str, &str)] = &[$((stringify!($name), $version)),+];

        impl InventoryEvent {
            /// The event's type, as the log stores it.
            #[must_use]
            pub fn type_name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            /// The version this build writes.
            #[must_use]
            pub fn version(&self) -> &'static str {
                match self { $(Self::$name(_) => $version,)+ }
            }

            /// The JSON Schema of every event type in its current version, without the tag `type`.
            #[must_use]
            pub fn schemas() -> Vec<(&'static str, &'static str, Schema)> {
                vec![$((stringify!($name), $version, schema_for!($name))),+]
            }

            /// Reads a stored event. Older versions are brought up to date here.
            ///
            /// # Errors
            /// `Unknown` for a type or version of a newer build, `Shape` for a payload that does not fit.
            pub fn decode(event_type: &str, event_version: &str, payload: &str) -> Result<Self, DecodeError> {
                let event = match (event_type, event_version) {
                    $((stringify!($name), $version) => serde_json::from_str(payload).map(Self::$name),)+
                    _ => return Err(DecodeError::Unknown {
                        event_type: event_type.to_owned(),
                        event_version: event_version.to_owned(),
                    }),
                };
                event.map_err(|source| DecodeError::Shape {
                    event_type: event_type.to_owned(),
                    event_version: event_version.to_owned(),
                    source,
                })
            }
        }

        $(impl From<$name> for InventoryEvent {
            fn from(event: $name) -> Self { Self::$name(event) }
        })+
    };
}

events! {
    InventoryOpened = "1",
    SeatsReserved = "1",
    BookingConfirmed = "1",
    BookingCancelled = "1",
    BookingExpired = "1",
    CapacityChanged = "1",
    SalesClosed = "1",
    SalesReopened = "1",
    SeatsBlocked = "1",
    SeatsUnblocked = "1",
    PriceChanged = "1",
    FlightRescheduled = "1",
    FlightCancelled = "1",
    ShowRescheduled = "1",
    ShowCancelled = "1",
}

impl InventoryEvent {
    /// The booking this event is about, if it is about one.
    #[must_use]
    pub fn booking_id(&self) -> Option<BookingId> {
        match self {
            Self::SeatsReserved(e) => Some(e.booking_id),
            Self::BookingConfirmed(e) => Some(e.booking_id),
            Self::BookingCancelled(e) => Some(e.booking_id),
            Self::BookingExpired(e) => Some(e.booking_id),
            Self::InventoryOpened(_)
            | Self::CapacityChanged(_)
            | Self::SalesClosed(_)
            | Self::SalesReopened(_)
            | Self::SeatsBlocked(_)
            | Self::SeatsUnblocked(_)
            | Self::PriceChanged(_)
            | Self::FlightRescheduled(_)
            | Self::FlightCancelled(_)
            | Self::ShowRescheduled(_)
            | Self::ShowCancelled(_) => None,
        }
    }
}

impl DomainEvent for InventoryEvent {
    fn event_type(&self) -> String {
        self.type_name().to_owned()
    }

    fn event_version(&self) -> String {
        self.version().to_owned()
    }
}
