//! BlockSeats and UnblockSeats. They have no id of their own, so a repeat is told apart by its
//! command's id, in the log, and not here.

use crate::given::*;
use holdfast_domain::{
    BlockSeats, InventoryCommand, InventoryEvent, Refused, SeatsBlocked, SeatsUnblocked, UnblockSeats,
};

fn block(quantity: u32, reason: &str) -> InventoryCommand {
    InventoryCommand::BlockSeats(BlockSeats { quantity, reason: reason.into() })
}

fn unblock(quantity: u32) -> InventoryCommand {
    InventoryCommand::UnblockSeats(UnblockSeats { quantity })
}

fn blocked(quantity: u32) -> InventoryEvent {
    SeatsBlocked { quantity, reason: "sound desk".into() }.into()
}

#[test]
fn free_seats_are_taken_out_of_the_sale() {
    given(vec![opened()])
        .when(at(0, block(CAPACITY, "sound desk")))
        .then_expect_events(vec![blocked(CAPACITY)]);
}

#[test]
fn seats_that_are_taken_cannot_be_blocked() {
    given(vec![opened(), held(1, ANNA, 5), blocked(12)])
        .when(at(0, block(4, "sound desk")))
        .then_expect_error(Refused::SoldOut { requested: 4, available: 3 });
}

#[test]
fn at_least_one_seat_is_blocked_and_no_more_than_an_inventory_can_have() {
    for quantity in [0, 10_000_001] {
        given(vec![opened()])
            .when(at(0, block(quantity, "sound desk")))
            .then_expect_error(invalid("/quantity", "must be 1 to 10000000"));
    }
}

#[test]
fn a_reason_is_a_short_text() {
    for reason in ["x".repeat(101), "a\0b".to_owned()] {
        given(vec![opened()])
            .when(at(0, block(1, &reason)))
            .then_expect_error(invalid("/reason", "must be at most 100 characters"));
    }
}

#[test]
fn blocked_seats_go_back_on_sale() {
    given(vec![opened(), blocked(5)])
        .when(at(0, unblock(5)))
        .then_expect_events(vec![SeatsUnblocked { quantity: 5 }.into()]);
}

#[test]
fn no_more_seats_are_unblocked_than_are_blocked() {
    for quantity in [0, 6] {
        given(vec![opened(), blocked(5)])
            .when(at(0, unblock(quantity)))
            .then_expect_error(invalid("/quantity", "must be 1 to 5, the seats that are blocked"));
    }
}

#[test]
fn where_nothing_is_blocked_there_is_nothing_to_unblock() {
    given(vec![opened()])
        .when(at(0, unblock(1)))
        .then_expect_error(invalid("/quantity", "no seats are blocked"));
}
