//! ConfirmBooking.

use crate::given::*;
use holdfast_domain::{BookingStatus, CONFIRM_NEEDS, ConfirmBooking, InventoryCommand, Refused, SalesClosed};

fn confirm_as(owner: holdfast_domain::UserId) -> InventoryCommand {
    InventoryCommand::ConfirmBooking(ConfirmBooking {
        booking_id: booking(1),
        owner: Some(owner),
        accept_departed: false,
    })
}

#[test]
fn a_hold_becomes_a_sale() {
    given(vec![opened(), held(1, ANNA, 3)]).when(at(1, confirm(1))).then_expect_events(vec![confirmed(1, 3)]);
}

#[test]
fn confirming_twice_sells_once() {
    given(vec![opened(), held(1, ANNA, 3), confirmed(1, 3)])
        .when(at(2, confirm(1)))
        .then_expect_events(vec![]);
}

/// A sale has no end; only the hold had one.
#[test]
fn confirming_again_after_the_hold_would_have_ended_is_still_the_same_answer() {
    given(vec![opened(), held(1, ANNA, 3), confirmed(1, 3)])
        .when(at(900, confirm(1)))
        .then_expect_events(vec![]);
    given(vec![opened(), sold_at_once(1, ANNA, 3)]).when(at(900, confirm(1))).then_expect_events(vec![]);
}

#[test]
fn the_last_moment_of_a_hold_is_before_its_end() {
    given(vec![opened(), held(1, ANNA, 3)])
        .when(at(599, confirm(1)))
        .then_expect_events(vec![confirmed(1, 3)]);
    given(vec![opened(), held(1, ANNA, 3)])
        .when(at(600, confirm(1)))
        .then_expect_error(Refused::HoldExpired { expired_at: noon_plus(600) });
}

/// Whether the timer was late makes no difference to the answer.
#[test]
fn an_expired_hold_cannot_be_confirmed() {
    let overdue = vec![opened(), held(1, ANNA, 3)];
    let recorded = vec![opened(), held(1, ANNA, 3), expired(1, 3)];
    for events in [overdue, recorded] {
        given(events)
            .when(at(700, confirm(1)))
            .then_expect_error(Refused::HoldExpired { expired_at: noon_plus(600) });
    }
}

#[test]
fn a_cancelled_booking_cannot_be_confirmed() {
    for seconds in [1, 700] {
        given(vec![opened(), held(1, ANNA, 3), cancelled(1, BookingStatus::Held, 3)])
            .when(at(seconds, confirm(1)))
            .then_expect_error(Refused::InvalidState {
                status: BookingStatus::Cancelled,
                allowed: CONFIRM_NEEDS,
            });
    }
}

#[test]
fn a_booking_that_is_not_there_cannot_be_confirmed() {
    given(vec![opened(), held(1, ANNA, 3)])
        .when(at(1, confirm(2)))
        .then_expect_error(Refused::UnknownBooking);
}

#[test]
fn to_others_the_booking_does_not_exist() {
    let events = vec![opened(), held(1, ANNA, 3)];
    given(events.clone()).when(at(1, confirm_as(ANNA))).then_expect_events(vec![confirmed(1, 3)]);
    given(events).when(at(1, confirm_as(BORIS))).then_expect_error(Refused::UnknownBooking);
    given(vec![opened(), held(1, ANNA, 3), confirmed(1, 3)])
        .when(at(1, confirm_as(BORIS)))
        .then_expect_error(Refused::UnknownBooking);
}

#[test]
fn what_was_held_can_be_confirmed_after_sales_closed() {
    given(vec![opened(), held(1, ANNA, 3), SalesClosed {}.into()])
        .when(at(1, confirm(1)))
        .then_expect_events(vec![confirmed(1, 3)]);
}
