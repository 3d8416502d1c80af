//! The rules of selling seats: what may be asked, what then happens, what is refused and why.
//!
//! Guarantee: pure values and plain functions. No IO, no clock, no randomness; time and ids come in
//! with the command, so the same log always folds to the same state.
//! Not here: storage (`event-log`), the order of decide, append and answer (`writer`), HTTP (`api`).

mod aggregate;
mod audit;
mod command;
mod event;
mod flight;
mod ids;
mod inventory;
mod money;
mod policy;
mod refused;
mod show;
mod text;

pub use aggregate::InventoryServices;
pub use audit::Violation;
pub use command::{
    At, BlockSeats, CancelBooking, CancelFlight, CancelShow, ChangeCapacity, ChangeFlight, ChangeShow,
    CloseSales, ConfirmBooking, InventoryCommand, OpenInventory, ReopenSales, ReserveSeats, UnblockSeats,
};
pub use event::{
    AGGREGATE_TYPE, BookingCancelled, BookingConfirmed, BookingExpired, CapacityChanged, DecodeError,
    EVENT_TYPES, FlightCancelled, FlightRescheduled, InventoryEvent, InventoryOpened, PriceChanged,
    SalesClosed, SalesReopened, SeatsBlocked, SeatsReserved, SeatsUnblocked, ShowCancelled, ShowRescheduled,
};
pub use flight::{Flight, Schedule, is_writable, local_day, local_time};
pub use ids::{AirplaneId, AirportId, BookingId, CityId, InventoryId, UserId};
pub use inventory::{
    Booking, BookingStatus, Counts, ENDINGS_MAX, FLIGHT_CANCELLED, Inventory, SHOW_CANCELLED, SalesState,
    Terms, Undo,
};
pub use money::{Currency, Money, MoneyError};
pub use policy::{
    HOLDS_PER_USER_DEFAULT, LIVE_BOOKINGS_PER_USER_DEFAULT, Policy, SEATS_PER_BOOKING_MAX,
    SEATS_PER_USER_DEFAULT, Subject, SubjectKind,
};
pub use refused::{CONFIRM_NEEDS, InvalidField, Refused, UserLimit};
pub use show::ShowSchedule;
pub use text::{comparison_key, nfc, words};

/// An instant in UTC. Microseconds are kept, because Postgres keeps no more.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
