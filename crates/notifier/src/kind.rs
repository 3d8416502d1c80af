//! The words for what happened: the event types that endpoints subscribe to.
//!
//! They are of the webhooks' own contract: one word says what became of a booking, whichever event of the log said so.

use holdfast_domain::{BookingStatus, InventoryEvent};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal;)+) => {
        /// What happened, as endpoints know it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl EventKind {
            /// All that an endpoint can subscribe to.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word in the webhook's `type`, with its version.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

kinds! {
    /// Seats are held for a booking.
    BookingHeld = "booking.held.v1";
    /// A booking is sold: a hold was confirmed, or there was none.
    BookingConfirmed = "booking.confirmed.v1";
    /// A booking gave its seats back.
    BookingCancelled = "booking.cancelled.v1";
    /// A hold ran out.
    BookingExpired = "booking.expired.v1";
    /// Seats are on sale.
    InventoryOpened = "inventory.opened.v1";
    /// The number of seats is another.
    CapacityChanged = "inventory.capacity_changed.v1";
    /// Sales stopped.
    SalesClosed = "inventory.sales_closed.v1";
    /// Sales go on.
    SalesReopened = "inventory.sales_reopened.v1";
    /// Seats were taken out of the sale.
    SeatsBlocked = "inventory.seats_blocked.v1";
    /// Blocked seats are on sale again.
    SeatsUnblocked = "inventory.seats_unblocked.v1";
    /// One seat costs something else from now on.
    PriceChanged = "inventory.price_changed.v1";
    /// A flight leaves or lands at another time, or at another gate.
    FlightRescheduled = "flight.rescheduled.v1";
    /// A flight does not take place; each of its bookings is told of as well.
    FlightCancelled = "flight.cancelled.v1";
    /// A show begins at another time or by other clocks, or its sale ends at another time.
    ShowRescheduled = "show.rescheduled.v1";
    /// A show does not take place; each of its bookings is told of as well.
    ShowCancelled = "show.cancelled.v1";
}

/// The type of a ping, which is sent whatever an endpoint subscribes to.
pub(crate) const PING: &str = "webhook.ping.v1";

impl EventKind {
    /// What an event of the log is to those who are told.
    #[must_use]
    pub fn of(event: &InventoryEvent) -> Self {
        match event {
            InventoryEvent::SeatsReserved(made) => match made.status() {
                BookingStatus::Held => Self::BookingHeld,
                BookingStatus::Confirmed | BookingStatus::Cancelled | BookingStatus::Expired => {
                    Self::BookingConfirmed
                }
            },
            InventoryEvent::BookingConfirmed(_) => Self::BookingConfirmed,
            InventoryEvent::BookingCancelled(_) => Self::BookingCancelled,
            InventoryEvent::BookingExpired(_) => Self::BookingExpired,
            InventoryEvent::InventoryOpened(_) => Self::InventoryOpened,
            InventoryEvent::CapacityChanged(_) => Self::CapacityChanged,
            InventoryEvent::SalesClosed(_) => Self::SalesClosed,
            InventoryEvent::SalesReopened(_) => Self::SalesReopened,
            InventoryEvent::SeatsBlocked(_) => Self::SeatsBlocked,
            InventoryEvent::SeatsUnblocked(_) => Self::SeatsUnblocked,
            InventoryEvent::PriceChanged(_) => Self::PriceChanged,
            InventoryEvent::FlightRescheduled(_) => Self::FlightRescheduled,
            InventoryEvent::FlightCancelled(_) => Self::FlightCancelled,
            InventoryEvent::ShowRescheduled(_) => Self::ShowRescheduled,
            InventoryEvent::ShowCancelled(_) => Self::ShowCancelled,
        }
    }

    /// The type of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// Whether the booking's owner is written a mail.
    pub(crate) fn is_mailed(self) -> bool {
        matches!(self, Self::BookingConfirmed | Self::BookingCancelled | Self::BookingExpired)
    }
}
