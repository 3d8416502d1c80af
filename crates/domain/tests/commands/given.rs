//! The words of the rule book. Times are seconds after noon of one day; holds last 600 of them.

use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use holdfast_domain::{
    AirplaneId, AirportId, At, BookingCancelled, BookingConfirmed, BookingExpired, BookingId, BookingStatus,
    CancelBooking, ConfirmBooking, Currency, Flight, InvalidField, Inventory, InventoryCommand,
    InventoryEvent, InventoryOpened, InventoryServices, Money, OpenInventory, Policy, Refused, ReserveSeats,
    SeatsReserved, Subject, Timestamp, UserId,
};
use uuid::Uuid;

pub(crate) const ANNA: UserId = UserId(Uuid::from_u128(0xa));
pub(crate) const BORIS: UserId = UserId(Uuid::from_u128(0xb));

/// 20 seats, at most 5 a booking, 2 live bookings a user, holds of ten minutes.
pub(crate) const POLICY: Policy = Policy {
    seats_per_booking: 5,
    live_bookings_per_user: 2,
    hold_seconds: 600,
    overbooking_allowance: 0,
    seats_per_user: 0,
    holds_per_user: 0,
};
pub(crate) const CAPACITY: u32 = 20;

pub(crate) fn noon_plus(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_900_000_800 + seconds, 0).unwrap()
}

pub(crate) fn euros(amount: i64) -> Money {
    Money { amount, currency: Currency::from_code("EUR").unwrap() }
}

pub(crate) fn booking(number: u128) -> BookingId {
    BookingId(Uuid::from_u128(0xb00_0000 + number))
}

/// Events that happened before.
pub(crate) fn given(events: Vec<InventoryEvent>) -> AggregateTestExecutor<Inventory> {
    TestFramework::with(InventoryServices).given(events)
}

pub(crate) fn at(seconds: i64, command: InventoryCommand) -> At {
    At { now: noon_plus(seconds), command }
}

/// Seconds after noon at which the show begins, and at which its sale ends.
pub(crate) const SHOW_BEGINS: i64 = 86_400;
pub(crate) const SALE_ENDS: i64 = 82_800;

pub(crate) fn show() -> OpenInventory {
    OpenInventory {
        subject: Subject::Show {
            name: "Winter Concert".into(),
            starts_at: Some(noon_plus(SHOW_BEGINS)),
            zone: Some("Europe/Berlin".into()),
            sales_end_at: Some(noon_plus(SALE_ENDS)),
        },
        capacity: CAPACITY,
        price: euros(1_050),
        policy: POLICY,
        accept_departed: false,
    }
}

/// From Berlin to New York: it leaves an hour after noon and is nine hours on the way.
pub(crate) fn flight() -> Flight {
    Flight {
        number: "HF1207".into(),
        airplane_id: AirplaneId::from_number(7).unwrap(),
        departure_airport_id: AirportId::from_number(1).unwrap(),
        arrival_airport_id: AirportId::from_number(2).unwrap(),
        departure_zone: "Europe/Berlin".into(),
        arrival_zone: "America/New_York".into(),
        departs_at: noon_plus(DEPARTS),
        arrives_at: noon_plus(10 * 3_600),
        gate: Some("B12".into()),
    }
}

/// Seconds after noon at which the flight leaves.
pub(crate) const DEPARTS: i64 = 3_600;

pub(crate) fn flight_sale() -> OpenInventory {
    OpenInventory { subject: Subject::Flight(Box::new(flight())), ..show() }
}

pub(crate) fn flight_opened() -> InventoryEvent {
    let OpenInventory { subject, capacity, price, policy, .. } = flight_sale();
    InventoryOpened { subject, capacity, price, policy }.into()
}

pub(crate) fn opened() -> InventoryEvent {
    opened_with(POLICY)
}

pub(crate) fn opened_with(policy: Policy) -> InventoryEvent {
    let OpenInventory { subject, capacity, price, .. } = show();
    InventoryOpened { subject, capacity, price, policy }.into()
}

/// A hold made at noon: it ends at 600.
pub(crate) fn held(number: u128, user_id: UserId, quantity: u32) -> InventoryEvent {
    held_at(0, number, user_id, quantity)
}

pub(crate) fn held_at(seconds: i64, number: u128, user_id: UserId, quantity: u32) -> InventoryEvent {
    SeatsReserved {
        booking_id: booking(number),
        user_id,
        quantity,
        total: euros(1_050 * i64::from(quantity)),
        expires_at: Some(noon_plus(seconds + 600)),
    }
    .into()
}

/// A booking without a hold.
pub(crate) fn sold_at_once(number: u128, user_id: UserId, quantity: u32) -> InventoryEvent {
    let total = euros(1_050 * i64::from(quantity));
    SeatsReserved { booking_id: booking(number), user_id, quantity, total, expires_at: None }.into()
}

pub(crate) fn confirmed(number: u128, quantity: u32) -> InventoryEvent {
    BookingConfirmed { booking_id: booking(number), quantity }.into()
}

pub(crate) fn cancelled(number: u128, previous_status: BookingStatus, released: u32) -> InventoryEvent {
    BookingCancelled { booking_id: booking(number), previous_status, released, reason: "asked".into() }.into()
}

pub(crate) fn expired(number: u128, released: u32) -> InventoryEvent {
    BookingExpired { booking_id: booking(number), released }.into()
}

pub(crate) fn reserve(number: u128, user_id: UserId, quantity: u32) -> InventoryCommand {
    InventoryCommand::ReserveSeats(ReserveSeats {
        booking_id: booking(number),
        user_id,
        quantity,
        accept_departed: false,
    })
}

pub(crate) fn confirm(number: u128) -> InventoryCommand {
    InventoryCommand::ConfirmBooking(ConfirmBooking {
        booking_id: booking(number),
        owner: None,
        accept_departed: false,
    })
}

pub(crate) fn cancel(number: u128) -> InventoryCommand {
    let ask = CancelBooking { booking_id: booking(number), owner: None, reason: "asked".into() };
    InventoryCommand::CancelBooking(ask)
}

/// The refusal of a field.
pub(crate) fn invalid(pointer: &'static str, detail: &str) -> Refused {
    Refused::Invalid(InvalidField { pointer, detail: detail.into() })
}
