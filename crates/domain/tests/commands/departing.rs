//! Time: what the departure of a flight, the start of a show and the end of its sale mean for those who book. The flight of
//! the book leaves at 3,600; the sale of its show ends at 82,800, and the show begins at 86,400. Holds last 600.

use crate::given::*;
use holdfast_domain::{
    BookingStatus, CancelBooking, ConfirmBooking, InventoryCommand, InventoryEvent, InventoryOpened,
    OpenInventory, Refused, Subject, SubjectKind, Timestamp, UserId,
};

fn begun(kind: SubjectKind, seconds: i64) -> Refused {
    Refused::Departed { kind, departed_at: noon_plus(seconds) }
}

fn cancel_as(owner: Option<UserId>) -> InventoryCommand {
    let ask = CancelBooking { booking_id: booking(1), owner, reason: "asked".into() };
    InventoryCommand::CancelBooking(ask)
}

fn confirm_as(owner: Option<UserId>, accept_departed: bool) -> InventoryCommand {
    let ask = ConfirmBooking { booking_id: booking(1), owner, accept_departed };
    InventoryCommand::ConfirmBooking(ask)
}

/// A show of the book at other times.
fn timed(starts_at: Option<Timestamp>, sales_end_at: Option<Timestamp>) -> OpenInventory {
    let subject = Subject::Show { name: "Winter Concert".into(), starts_at, zone: None, sales_end_at };
    OpenInventory { subject, ..show() }
}

fn opened_as(OpenInventory { subject, capacity, price, policy, .. }: OpenInventory) -> InventoryEvent {
    InventoryOpened { subject, capacity, price, policy }.into()
}

/// By all who ask: staff sells nothing that has left either.
#[test]
fn a_hold_taken_before_departure_is_not_confirmed_after_it() {
    for (opened, kind, begins) in
        [(flight_opened(), SubjectKind::Flight, DEPARTS), (opened(), SubjectKind::Show, SHOW_BEGINS)]
    {
        let events = vec![opened, held_at(begins - 10, 1, ANNA, 2)];
        for owner in [None, Some(ANNA)] {
            given(events.clone())
                .when(at(begins - 1, confirm_as(owner, false)))
                .then_expect_events(vec![confirmed(1, 2)]);
            given(events.clone())
                .when(at(begins, confirm_as(owner, false)))
                .then_expect_error(begun(kind, begins));
        }
        // Confirmed before, it is the answer that was given.
        given(events)
            .and(vec![confirmed(1, 2)])
            .when(at(begins, confirm_as(Some(ANNA), false)))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_hold_is_confirmed_after_departure_only_where_that_is_accepted_and_never_of_a_show() {
    given(vec![flight_opened(), held_at(DEPARTS - 10, 1, ANNA, 2)])
        .when(at(DEPARTS, confirm_as(None, true)))
        .then_expect_events(vec![confirmed(1, 2)]);
    given(vec![opened(), held_at(SHOW_BEGINS - 10, 1, ANNA, 2)])
        .when(at(SHOW_BEGINS, confirm_as(None, true)))
        .then_expect_error(begun(SubjectKind::Show, SHOW_BEGINS));
}

#[test]
fn after_departure_staff_cancels_and_a_customer_does_not() {
    for (opened, kind, begins) in
        [(flight_opened(), SubjectKind::Flight, DEPARTS), (opened(), SubjectKind::Show, SHOW_BEGINS)]
    {
        for live in [vec![], vec![confirmed(1, 2)]] {
            let status = if live.is_empty() { BookingStatus::Held } else { BookingStatus::Confirmed };
            let events = [vec![opened.clone(), held_at(begins - 10, 1, ANNA, 2)], live].concat();
            let gone = vec![cancelled(1, status, 2)];
            given(events.clone())
                .when(at(begins - 1, cancel_as(Some(ANNA))))
                .then_expect_events(gone.clone());
            given(events.clone())
                .when(at(begins, cancel_as(Some(ANNA))))
                .then_expect_error(begun(kind, begins));
            given(events).when(at(begins, cancel_as(None))).then_expect_events(gone);
        }
    }
}

#[test]
fn a_show_sells_until_its_sale_ends_and_what_is_held_is_confirmed_until_it_begins() {
    given(vec![opened()]).when(at(SALE_ENDS - 1, reserve(1, ANNA, 2))).then_expect_events(vec![held_at(
        SALE_ENDS - 1,
        1,
        ANNA,
        2,
    )]);
    let ended = Refused::SalesEnded { ended_at: noon_plus(SALE_ENDS) };
    given(vec![opened()]).when(at(SALE_ENDS, reserve(1, ANNA, 2))).then_expect_error(ended);
    given(vec![opened()])
        .when(at(SHOW_BEGINS, reserve(1, ANNA, 2)))
        .then_expect_error(begun(SubjectKind::Show, SHOW_BEGINS));
    given(vec![opened(), held_at(SALE_ENDS - 1, 1, ANNA, 2)])
        .when(at(SALE_ENDS + 1, confirm_as(Some(ANNA), false)))
        .then_expect_events(vec![confirmed(1, 2)]);
}

/// As it is in a log from before there was an end of the sale.
#[test]
fn a_show_that_says_no_end_of_its_sale_sells_until_it_begins_and_without_a_start_for_ever() {
    let until_start = vec![opened_as(timed(Some(noon_plus(100)), None))];
    given(until_start.clone())
        .when(at(99, reserve(1, ANNA, 2)))
        .then_expect_events(vec![held_at(99, 1, ANNA, 2)]);
    given(until_start).when(at(100, reserve(1, ANNA, 2))).then_expect_error(begun(SubjectKind::Show, 100));
    given(vec![opened_as(timed(None, None))])
        .when(at(9_000_000, reserve(1, ANNA, 2)))
        .then_expect_events(vec![held_at(9_000_000, 1, ANNA, 2)]);
    given(vec![opened_as(timed(None, Some(noon_plus(5))))])
        .when(at(5, reserve(1, ANNA, 2)))
        .then_expect_error(Refused::SalesEnded { ended_at: noon_plus(5) });
}

#[test]
fn a_show_is_opened_before_it_begins_and_before_its_sale_ends() {
    let open = |ask| InventoryCommand::OpenInventory(ask);
    let past = "must be in the future";
    for (start, end, pointer, detail) in [
        (Some(60), None, "/starts_at", past),
        (Some(60), Some(30), "/starts_at", past),
        (Some(90), Some(60), "/sales_end_at", past),
        (None, Some(60), "/sales_end_at", past),
        (Some(90), Some(91), "/sales_end_at", "must not be after the start"),
    ] {
        let ask = OpenInventory { accept_departed: true, ..timed(start.map(noon_plus), end.map(noon_plus)) };
        given(vec![]).when(at(60, open(ask))).then_expect_error(invalid(pointer, detail));
    }
    // The event says the end of the sale; asked again, also after the start, it is the opening that was done.
    let said = opened_as(timed(Some(noon_plus(61)), Some(noon_plus(61))));
    given(vec![]).when(at(60, open(timed(Some(noon_plus(61)), None)))).then_expect_events(vec![said.clone()]);
    for stored in [said, opened_as(timed(Some(noon_plus(61)), None))] {
        given(vec![stored]).when(at(90, open(timed(Some(noon_plus(61)), None)))).then_expect_events(vec![]);
    }
}
