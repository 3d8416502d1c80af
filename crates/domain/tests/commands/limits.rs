//! The limits of the policy per user: live bookings, seats, and holds that ended without a sale.

use crate::given::*;
use holdfast_domain::{BookingStatus, Policy, Refused, UserLimit};

fn reached(name: UserLimit, limit: u32, used: u32) -> Refused {
    Refused::BookingLimitReached { name, limit, used }
}

#[test]
fn one_user_has_no_more_seats_than_the_policy_says_however_they_are_booked() {
    let opened = opened_with(Policy { seats_per_user: 6, live_bookings_per_user: 0, ..POLICY });
    let events = vec![opened, held(1, ANNA, 3), held(2, ANNA, 2), confirmed(2, 2)];
    given(events.clone()).when(at(1, reserve(3, ANNA, 1))).then_expect_events(vec![held_at(1, 3, ANNA, 1)]);
    given(events.clone()).when(at(1, reserve(3, ANNA, 2))).then_expect_error(reached(UserLimit::Seats, 6, 5));
    given(events.clone()).when(at(1, reserve(3, BORIS, 5))).then_expect_events(vec![held_at(1, 3, BORIS, 5)]);
    // The hold of three ends at 600: its seats count no more.
    given(events)
        .when(at(600, reserve(3, ANNA, 4)))
        .then_expect_events(vec![expired(1, 3), held_at(600, 3, ANNA, 4)]);
}

/// A seat that is held, given up and held again is never for sale to others.
#[test]
fn a_user_whose_holds_end_without_a_sale_holds_no_more() {
    let opened = opened_with(Policy { holds_per_user: 2, live_bookings_per_user: 0, ..POLICY });
    let lapsed =
        vec![opened, held(1, ANNA, 1), cancelled(1, BookingStatus::Held, 1), held(2, ANNA, 1), expired(2, 1)];
    let (before_the_second, _) = lapsed.split_at(3);
    given(before_the_second.to_vec())
        .when(at(1, reserve(3, ANNA, 1)))
        .then_expect_events(vec![held_at(1, 3, ANNA, 1)]);
    given(lapsed.clone()).when(at(700, reserve(3, ANNA, 1))).then_expect_error(reached(
        UserLimit::Holds,
        2,
        2,
    ));
    given(lapsed).when(at(700, reserve(3, BORIS, 1))).then_expect_events(vec![held_at(700, 3, BORIS, 1)]);
}

/// Also by a timer that has not come yet; and the limit is not got round by asking just then.
#[test]
fn a_hold_that_is_overdue_has_ended_without_a_sale() {
    let opened = opened_with(Policy { holds_per_user: 1, live_bookings_per_user: 0, ..POLICY });
    given(vec![opened, held(1, ANNA, 1)]).when(at(600, reserve(2, ANNA, 1))).then_expect_error(reached(
        UserLimit::Holds,
        1,
        1,
    ));
}

#[test]
fn what_was_sold_and_given_back_counts_as_no_hold() {
    let opened = opened_with(Policy { holds_per_user: 1, live_bookings_per_user: 0, ..POLICY });
    given(vec![opened, held(1, ANNA, 1), confirmed(1, 1), cancelled(1, BookingStatus::Confirmed, 1)])
        .when(at(5, reserve(2, ANNA, 1)))
        .then_expect_events(vec![held_at(5, 2, ANNA, 1)]);
    let at_once =
        opened_with(Policy { holds_per_user: 1, hold_seconds: 0, live_bookings_per_user: 0, ..POLICY });
    given(vec![at_once, sold_at_once(1, ANNA, 1), cancelled(1, BookingStatus::Confirmed, 1)])
        .when(at(5, reserve(2, ANNA, 1)))
        .then_expect_events(vec![sold_at_once(2, ANNA, 1)]);
}
