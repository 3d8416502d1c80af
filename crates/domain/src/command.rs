//! What may be asked of an inventory.

use crate::{BookingId, Money, Policy, Subject, SubjectKind, Timestamp, UserId};

/// Opens an inventory: from now on its seats are sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInventory {
    /// What the seats belong to.
    pub subject: Subject,
    /// Number of seats.
    pub capacity: u32,
    /// Price of one seat.
    pub price: Money,
    /// The limits of the sale.
    pub policy: Policy,
    /// A flight that has left is opened all the same. Does not count for a show.
    pub accept_departed: bool,
}

/// Asks for seats: they are held, or confirmed at once where the policy's hold time is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveSeats {
    /// The id the booking will have.
    pub booking_id: BookingId,
    /// Who will hold it.
    pub user_id: UserId,
    /// How many seats.
    pub quantity: u32,
    /// Seats of a flight that has left are sold all the same. Does not count for a show.
    pub accept_departed: bool,
}

/// Turns a hold into a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmBooking {
    /// Which booking.
    pub booking_id: BookingId,
    /// If set, the booking must be this user's; to all others it does not exist.
    pub owner: Option<UserId>,
    /// A hold on a flight that has left is confirmed all the same. Does not count for a show.
    pub accept_departed: bool,
}

/// Gives the seats of a live booking back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelBooking {
    /// Which booking.
    pub booking_id: BookingId,
    /// If set, the booking must be this user's; to all others it does not exist. Its owner can cancel until the flight
    /// departs or the show begins; without an owner (staff) there is no such limit.
    pub owner: Option<UserId>,
    /// Why: a short code, never personal data.
    pub reason: String,
}

/// Sets the number of seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeCapacity {
    /// The new number.
    pub capacity: u32,
}

/// Stops sales; what is held can still be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseSales;

/// Starts sales again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReopenSales;

/// Takes free seats out of the sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockSeats {
    /// How many.
    pub quantity: u32,
    /// Why: a short text for the house, never personal data.
    pub reason: String,
}

/// Puts blocked seats back into the sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnblockSeats {
    /// How many.
    pub quantity: u32,
}

/// Sells a flight for another price, or moves it: all of it or nothing. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFlight {
    /// Price of one seat for later bookings, in the currency it has.
    pub price: Option<Money>,
    /// When it leaves.
    pub departs_at: Option<Timestamp>,
    /// When it lands.
    pub arrives_at: Option<Timestamp>,
    /// Where passengers board; `Some(None)`: not known any more.
    pub gate: Option<Option<String>>,
    /// Only if its terms have one of these versions.
    pub if_version: Option<Vec<u64>>,
    /// It may be moved into the past.
    pub accept_departed: bool,
}

/// Calls a flight off: no seat of it is sold any more, and its live bookings end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelFlight {
    /// Why: a short code, never personal data.
    pub reason: String,
}

/// Sells a show for another price, or moves it: all of it or nothing. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeShow {
    /// Price of one seat for later bookings, in the currency it has.
    pub price: Option<Money>,
    /// When it begins; `Some(None)`: not known any more.
    pub starts_at: Option<Option<Timestamp>>,
    /// IANA zone of the venue; `Some(None)`: not known any more.
    pub zone: Option<Option<String>>,
    /// When its sale ends; `Some(None)`: when it begins. Left out, a sale that ended at the start ends at the new start.
    pub sales_end_at: Option<Option<Timestamp>>,
    /// Only if its terms have one of these versions.
    pub if_version: Option<Vec<u64>>,
}

/// Calls a show off: no seat of it is sold any more, and its live bookings end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelShow {
    /// Why: a short code, never personal data.
    pub reason: String,
}

/// Everything that can be asked of an inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InventoryCommand {
    /// See [`OpenInventory`].
    OpenInventory(OpenInventory),
    /// See [`ReserveSeats`].
    ReserveSeats(ReserveSeats),
    /// See [`ConfirmBooking`].
    ConfirmBooking(ConfirmBooking),
    /// See [`CancelBooking`].
    CancelBooking(CancelBooking),
    /// Nobody asks for it: ends the bookings whose end is due, at most [`crate::ENDINGS_MAX`] at once. They are
    /// holds that are overdue, and all live bookings of a cancelled flight or show.
    EndDueBookings,
    /// See [`ChangeCapacity`].
    ChangeCapacity(ChangeCapacity),
    /// See [`CloseSales`].
    CloseSales(CloseSales),
    /// See [`ReopenSales`].
    ReopenSales(ReopenSales),
    /// See [`BlockSeats`].
    BlockSeats(BlockSeats),
    /// See [`UnblockSeats`].
    UnblockSeats(UnblockSeats),
    /// See [`ChangeFlight`].
    ChangeFlight(ChangeFlight),
    /// See [`CancelFlight`].
    CancelFlight(CancelFlight),
    /// See [`ChangeShow`].
    ChangeShow(ChangeShow),
    /// See [`CancelShow`].
    CancelShow(CancelShow),
}

impl InventoryCommand {
    /// The command's name, for metrics and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OpenInventory(_) => "OpenInventory",
            Self::ReserveSeats(_) => "ReserveSeats",
            Self::ConfirmBooking(_) => "ConfirmBooking",
            Self::CancelBooking(_) => "CancelBooking",
            Self::EndDueBookings => "EndDueBookings",
            Self::ChangeCapacity(_) => "ChangeCapacity",
            Self::CloseSales(_) => "CloseSales",
            Self::ReopenSales(_) => "ReopenSales",
            Self::BlockSeats(_) => "BlockSeats",
            Self::UnblockSeats(_) => "UnblockSeats",
            Self::ChangeFlight(_) => "ChangeFlight",
            Self::CancelFlight(_) => "CancelFlight",
            Self::ChangeShow(_) => "ChangeShow",
            Self::CancelShow(_) => "CancelShow",
        }
    }

    /// What the seats must belong to; none: to anything.
    #[must_use]
    pub fn wants(&self) -> Option<SubjectKind> {
        match self {
            Self::ChangeFlight(_) | Self::CancelFlight(_) => Some(SubjectKind::Flight),
            Self::ChangeShow(_) | Self::CancelShow(_) => Some(SubjectKind::Show),
            Self::OpenInventory(_)
            | Self::ReserveSeats(_)
            | Self::ConfirmBooking(_)
            | Self::CancelBooking(_)
            | Self::EndDueBookings
            | Self::ChangeCapacity(_)
            | Self::CloseSales(_)
            | Self::ReopenSales(_)
            | Self::BlockSeats(_)
            | Self::UnblockSeats(_) => None,
        }
    }
}

/// A command and the time it is decided at. Time comes in; the rules never read a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Now. Never runs backwards within a log partition.
    pub now: Timestamp,
    /// What is asked.
    pub command: InventoryCommand,
}
