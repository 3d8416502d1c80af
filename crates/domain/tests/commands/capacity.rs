//! ChangeCapacity.

use crate::given::*;
use holdfast_domain::{
    CapacityChanged, ChangeCapacity, InventoryCommand, InventoryEvent, Policy, SeatsBlocked,
};

fn change_to(capacity: u32) -> InventoryCommand {
    InventoryCommand::ChangeCapacity(ChangeCapacity { capacity })
}

fn changed(new: u32, oversold_by: u32) -> InventoryEvent {
    CapacityChanged { old: CAPACITY, new, oversold_by }.into()
}

#[test]
fn the_capacity_grows_and_shrinks() {
    given(vec![opened()]).when(at(0, change_to(30))).then_expect_events(vec![changed(30, 0)]);
    given(vec![opened()]).when(at(0, change_to(0))).then_expect_events(vec![changed(0, 0)]);
}

#[test]
fn the_capacity_it_has_changes_nothing() {
    given(vec![opened()]).when(at(0, change_to(CAPACITY))).then_expect_events(vec![]);
}

/// An aircraft is swapped for a smaller one: that cannot be refused, but it is on record.
#[test]
fn a_capacity_below_what_is_taken_says_by_how_many_seats() {
    let blocked = SeatsBlocked { quantity: 4, reason: "crew".into() };
    let taken = vec![opened(), held(1, ANNA, 3), held(2, BORIS, 5), confirmed(2, 5), blocked.into()];
    given(taken.clone()).when(at(0, change_to(12))).then_expect_events(vec![changed(12, 0)]);
    given(taken.clone()).when(at(0, change_to(11))).then_expect_events(vec![changed(11, 1)]);
    given(taken).when(at(0, change_to(0))).then_expect_events(vec![changed(0, 12)]);
}

#[test]
fn the_overbooking_allowance_covers_what_it_can() {
    let allowing = opened_with(Policy { overbooking_allowance: 2, ..POLICY });
    given(vec![allowing, held(1, ANNA, 5)]).when(at(0, change_to(2))).then_expect_events(vec![changed(2, 1)]);
}

#[test]
fn the_capacity_stays_within_its_range() {
    given(vec![opened()])
        .when(at(0, change_to(10_000_001)))
        .then_expect_error(invalid("/capacity", "must be 0 to 10000000"));
}
