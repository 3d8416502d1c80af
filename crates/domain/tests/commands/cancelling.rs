//! CancelBooking.

use crate::given::*;
use holdfast_domain::{BookingStatus, CancelBooking, InventoryCommand, Refused, SalesClosed};

fn cancel_because(reason: &str) -> InventoryCommand {
    let ask = CancelBooking { booking_id: booking(1), owner: None, reason: reason.into() };
    InventoryCommand::CancelBooking(ask)
}

fn cancel_as(owner: holdfast_domain::UserId) -> InventoryCommand {
    let ask = CancelBooking { booking_id: booking(1), owner: Some(owner), reason: "asked".into() };
    InventoryCommand::CancelBooking(ask)
}

#[test]
fn a_hold_gives_its_seats_back() {
    given(vec![opened(), held(1, ANNA, 3)]).when(at(1, cancel(1))).then_expect_events(vec![cancelled(
        1,
        BookingStatus::Held,
        3,
    )]);
}

#[test]
fn a_sale_gives_its_seats_back() {
    given(vec![opened(), held(1, ANNA, 3), confirmed(1, 3)])
        .when(at(900, cancel(1)))
        .then_expect_events(vec![cancelled(1, BookingStatus::Confirmed, 3)]);
    given(vec![opened(), sold_at_once(1, ANNA, 2)])
        .when(at(900, cancel(1)))
        .then_expect_events(vec![cancelled(1, BookingStatus::Confirmed, 2)]);
}

#[test]
fn cancelling_twice_gives_back_once() {
    for seconds in [2, 900] {
        given(vec![opened(), held(1, ANNA, 3), cancelled(1, BookingStatus::Held, 3)])
            .when(at(seconds, cancel(1)))
            .then_expect_events(vec![]);
    }
}

/// Its seats are free already. Whether the timer was late makes no difference to the answer.
#[test]
fn an_expired_hold_cannot_be_cancelled() {
    let overdue = vec![opened(), held(1, ANNA, 3)];
    let recorded = vec![opened(), held(1, ANNA, 3), expired(1, 3)];
    for events in [overdue, recorded] {
        given(events)
            .when(at(600, cancel(1)))
            .then_expect_error(Refused::HoldExpired { expired_at: noon_plus(600) });
    }
}

#[test]
fn a_booking_that_is_not_there_cannot_be_cancelled() {
    given(vec![opened()]).when(at(1, cancel(1))).then_expect_error(Refused::UnknownBooking);
}

#[test]
fn to_others_the_booking_does_not_exist() {
    let events = vec![opened(), held(1, ANNA, 3)];
    given(events.clone()).when(at(1, cancel_as(ANNA))).then_expect_events(vec![cancelled(
        1,
        BookingStatus::Held,
        3,
    )]);
    given(events).when(at(1, cancel_as(BORIS))).then_expect_error(Refused::UnknownBooking);
}

#[test]
fn closed_sales_do_not_keep_anyone_from_cancelling() {
    given(vec![opened(), held(1, ANNA, 3), SalesClosed {}.into()])
        .when(at(1, cancel(1)))
        .then_expect_events(vec![cancelled(1, BookingStatus::Held, 3)]);
}

#[test]
fn a_reason_is_a_short_text() {
    let events = vec![opened(), held(1, ANNA, 3)];
    for reason in ["x".repeat(101), "a\0b".to_owned()] {
        given(events.clone())
            .when(at(1, cancel_because(&reason)))
            .then_expect_error(invalid("/reason", "must be at most 100 characters"));
    }
    assert!(given(events).when(at(1, cancel_because(&"ß".repeat(100)))).inspect_result().is_ok());
}
