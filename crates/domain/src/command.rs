//! What may be asked of an inventory.

use crate::{BookingId, Money, Policy, Subject, Timestamp, UserId};

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
}

/// Turns a hold into a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmBooking {
    /// Which booking.
    pub booking_id: BookingId,
    /// If set, the booking must be this user's; to all others it does not exist.
    pub owner: Option<UserId>,
}

/// Gives the seats of a live booking back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelBooking {
    /// Which booking.
    pub booking_id: BookingId,
    /// If set, the booking must be this user's; to all others it does not exist.
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
    /// Time has passed: ends the holds that are overdue, at most [`crate::EXPIRE_MAX`] at once.
    ExpireHolds,
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
            Self::ExpireHolds => "ExpireHolds",
            Self::ChangeCapacity(_) => "ChangeCapacity",
            Self::CloseSales(_) => "CloseSales",
            Self::ReopenSales(_) => "ReopenSales",
            Self::BlockSeats(_) => "BlockSeats",
            Self::UnblockSeats(_) => "UnblockSeats",
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
