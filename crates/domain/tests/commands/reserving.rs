//! ReserveSeats.

use crate::given::*;
use holdfast_domain::{BookingStatus, CapacityChanged, Policy, Refused, SalesClosed, SeatsBlocked};

#[test]
fn seats_are_held_for_the_policys_time() {
    given(vec![opened()]).when(at(0, reserve(1, ANNA, 3))).then_expect_events(vec![held(1, ANNA, 3)]);
}

#[test]
fn without_a_hold_time_seats_are_sold_at_once() {
    given(vec![opened_with(Policy { hold_seconds: 0, ..POLICY })])
        .when(at(0, reserve(1, ANNA, 3)))
        .then_expect_events(vec![sold_at_once(1, ANNA, 3)]);
}

#[test]
fn asking_twice_under_one_booking_id_reserves_once() {
    given(vec![opened(), held(1, ANNA, 3)]).when(at(1, reserve(1, ANNA, 3))).then_expect_events(vec![]);
}

/// Nor does a booking come back to life because its request does.
#[test]
fn asking_again_after_the_end_reserves_nothing() {
    for end in [cancelled(1, BookingStatus::Held, 3), expired(1, 3)] {
        given(vec![opened(), held(1, ANNA, 3), end])
            .when(at(700, reserve(1, ANNA, 3)))
            .then_expect_events(vec![]);
    }
}

#[test]
fn one_booking_takes_one_to_the_policys_number_of_seats() {
    for quantity in [0, 6, u32::MAX] {
        given(vec![opened()])
            .when(at(0, reserve(1, ANNA, quantity)))
            .then_expect_error(invalid("/quantity", "must be 1 to 5"));
    }
}

#[test]
fn the_last_seats_are_sold_and_not_one_more() {
    let no_limit = opened_with(Policy { live_bookings_per_user: 0, ..POLICY });
    let mut events = vec![no_limit];
    events.extend((0..3).map(|n| held(n, ANNA, 5)));
    events.push(held(3, ANNA, 3));
    given(events.clone()).when(at(0, reserve(4, BORIS, 2))).then_expect_events(vec![held(4, BORIS, 2)]);
    given(events)
        .when(at(0, reserve(4, BORIS, 3)))
        .then_expect_error(Refused::SoldOut { requested: 3, available: 2 });
}

#[test]
fn blocked_seats_are_not_for_sale() {
    given(vec![opened(), SeatsBlocked { quantity: 18, reason: "works".into() }.into()])
        .when(at(0, reserve(1, ANNA, 3)))
        .then_expect_error(Refused::SoldOut { requested: 3, available: 2 });
}

#[test]
fn the_overbooking_allowance_is_sold_too() {
    let all_blocked = SeatsBlocked { quantity: CAPACITY, reason: "works".into() };
    let events = vec![opened_with(Policy { overbooking_allowance: 2, ..POLICY }), all_blocked.into()];
    given(events.clone()).when(at(0, reserve(1, ANNA, 2))).then_expect_events(vec![held(1, ANNA, 2)]);
    given(events)
        .when(at(0, reserve(1, ANNA, 3)))
        .then_expect_error(Refused::SoldOut { requested: 3, available: 2 });
}

#[test]
fn an_oversold_inventory_has_no_seat_left() {
    given(vec![
        opened(),
        held(1, BORIS, 5),
        CapacityChanged { old: CAPACITY, new: 3, oversold_by: 2 }.into(),
    ])
    .when(at(0, reserve(2, ANNA, 1)))
    .then_expect_error(Refused::SoldOut { requested: 1, available: 0 });
}

#[test]
fn closed_sales_reserve_nothing() {
    given(vec![opened(), SalesClosed {}.into()])
        .when(at(0, reserve(1, ANNA, 1)))
        .then_expect_error(Refused::SalesClosed);
}

#[test]
fn a_user_has_as_many_live_bookings_as_the_policy_says() {
    let two = vec![opened(), held(1, ANNA, 1), sold_at_once(2, ANNA, 1)];
    given(two.clone())
        .when(at(0, reserve(3, ANNA, 1)))
        .then_expect_error(Refused::DuplicateBooking { limit: 2, live: 2 });
    given(two).when(at(0, reserve(3, BORIS, 1))).then_expect_events(vec![held(3, BORIS, 1)]);
}

#[test]
fn a_booking_that_ended_does_not_count_against_the_user() {
    given(vec![opened(), held(1, ANNA, 1), held(2, ANNA, 1), cancelled(2, BookingStatus::Held, 1)])
        .when(at(0, reserve(3, ANNA, 1)))
        .then_expect_events(vec![held(3, ANNA, 1)]);
}

/// The order the replaced flash sale answers in: who has bought already hears so, even when the
/// seats are gone.
#[test]
fn the_users_limit_is_told_before_the_sold_out_seats() {
    let one_each = Policy { live_bookings_per_user: 1, ..POLICY };
    let all = SeatsBlocked { quantity: CAPACITY - 1, reason: "works".into() };
    given(vec![opened_with(one_each), held(1, ANNA, 1), all.into()])
        .when(at(0, reserve(2, ANNA, 1)))
        .then_expect_error(Refused::DuplicateBooking { limit: 1, live: 1 });
}

/// The timer may be late; the seats of an overdue hold are free all the same, and the log says so first.
#[test]
fn overdue_holds_end_before_the_reservation_that_needs_their_seats() {
    let no_limit = opened_with(Policy { live_bookings_per_user: 0, ..POLICY });
    let mut events = vec![no_limit];
    events.extend((1..=4).map(|n| held(n, ANNA, 5)));
    given(events.clone())
        .when(at(599, reserve(5, BORIS, 1)))
        .then_expect_error(Refused::SoldOut { requested: 1, available: 0 });
    given(events).when(at(600, reserve(5, BORIS, 1))).then_expect_events(vec![
        expired(1, 5),
        expired(2, 5),
        expired(3, 5),
        expired(4, 5),
        held_at(600, 5, BORIS, 1),
    ]);
}

#[test]
fn an_overdue_hold_does_not_count_against_its_user() {
    let one_each = Policy { live_bookings_per_user: 1, ..POLICY };
    given(vec![opened_with(one_each), held(1, ANNA, 1)])
        .when(at(600, reserve(2, ANNA, 1)))
        .then_expect_events(vec![expired(1, 1), held_at(600, 2, ANNA, 1)]);
}

/// A refusal writes nothing, not even the expiries it counted with.
#[test]
fn a_refused_reservation_leaves_overdue_holds_to_the_timer() {
    let all = SeatsBlocked { quantity: CAPACITY - 1, reason: "works".into() };
    given(vec![opened(), held(1, ANNA, 1), all.into()])
        .when(at(600, reserve(2, BORIS, 2)))
        .then_expect_error(Refused::SoldOut { requested: 2, available: 1 });
}
