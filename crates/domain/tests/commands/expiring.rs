//! EndDueBookings: time has passed. (How the bookings of a cancelled flight end is with flights.)

use crate::given::*;
use holdfast_domain::{BookingStatus, ENDINGS_MAX, InventoryCommand, InventoryEvent, Policy};

const EXPIRE: InventoryCommand = InventoryCommand::EndDueBookings;

#[test]
fn overdue_holds_end_the_oldest_first() {
    let events = vec![opened(), held_at(2, 1, ANNA, 3), held_at(0, 2, BORIS, 1), held_at(3, 3, BORIS, 2)];
    given(events).when(at(602, EXPIRE)).then_expect_events(vec![expired(2, 1), expired(1, 3)]);
}

#[test]
fn a_hold_ends_at_its_time_and_not_before() {
    given(vec![opened(), held(1, ANNA, 3)]).when(at(599, EXPIRE)).then_expect_events(vec![]);
    given(vec![opened(), held(1, ANNA, 3)]).when(at(600, EXPIRE)).then_expect_events(vec![expired(1, 3)]);
}

#[test]
fn what_is_no_hold_any_more_does_not_expire() {
    let over = [
        vec![held(1, ANNA, 3), confirmed(1, 3)],
        vec![held(1, ANNA, 3), cancelled(1, BookingStatus::Held, 3)],
        vec![held(1, ANNA, 3), expired(1, 3)],
        vec![sold_at_once(1, ANNA, 3)],
    ];
    for events in over {
        given([vec![opened()], events].concat()).when(at(9_000, EXPIRE)).then_expect_events(vec![]);
    }
}

/// One append stays small however many holds end in one moment; the next one takes up where it stopped.
#[test]
fn one_decision_ends_a_bounded_number_of_holds() {
    let roomy = opened_with(Policy { live_bookings_per_user: 0, overbooking_allowance: 1_000, ..POLICY });
    let holds = (0..=ENDINGS_MAX as u128).map(|n| held(n, ANNA, 1));
    let events: Vec<InventoryEvent> = std::iter::once(roomy).chain(holds).collect();
    let first: Vec<_> = (0..ENDINGS_MAX as u128).map(|n| expired(n, 1)).collect();
    given(events.clone()).when(at(600, EXPIRE)).then_expect_events(first.clone());
    given(events).and(first).when(at(600, EXPIRE)).then_expect_events(vec![expired(ENDINGS_MAX as u128, 1)]);
}
