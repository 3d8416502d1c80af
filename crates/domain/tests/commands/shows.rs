//! Shows: ChangeShow, CancelShow, and what they mean for those who book. The show of the book begins at SHOW_BEGINS, its
//! sale ends at SALE_ENDS, and its bookings' holds last 600.

use crate::given::*;
use chrono::TimeDelta;
use holdfast_domain::{
    BlockSeats, BookingStatus, CancelShow, ChangeCapacity, ChangeFlight, ChangeShow, CloseSales, ENDINGS_MAX,
    InventoryCommand, InventoryEvent, InventoryOpened, Policy, PriceChanged, Refused, ReopenSales,
    SHOW_CANCELLED, ShowCancelled, ShowRescheduled, ShowSchedule, SubjectKind, Timestamp,
};

fn change(ask: ChangeShow) -> InventoryCommand {
    InventoryCommand::ChangeShow(ask)
}

fn begins(at: Timestamp) -> ChangeShow {
    ChangeShow { starts_at: Some(Some(at)), ..ChangeShow::default() }
}

fn cancel_show() -> InventoryCommand {
    InventoryCommand::CancelShow(CancelShow { reason: "illness".into() })
}

fn show_cancelled() -> InventoryEvent {
    ShowCancelled { reason: "illness".into() }.into()
}

/// Ended by the show's cancellation.
fn called_off(number: u128, previous_status: BookingStatus, released: u32) -> InventoryEvent {
    let (booking_id, reason) = (booking(number), SHOW_CANCELLED.to_owned());
    holdfast_domain::BookingCancelled { booking_id, previous_status, released, reason }.into()
}

/// The show of the book.
fn times() -> ShowSchedule {
    show().subject.show_schedule().unwrap()
}

/// The show of the book, with a sale that ends when it begins.
fn sold_until_the_start() -> InventoryEvent {
    let InventoryEvent::InventoryOpened(InventoryOpened { mut subject, capacity, price, policy }) = opened()
    else {
        unreachable!("it opens")
    };
    subject.reschedule_show(ShowSchedule { sales_end_at: times().starts_at, ..times() });
    InventoryOpened { subject, capacity, price, policy }.into()
}

fn moved(old: ShowSchedule, new: ShowSchedule) -> InventoryEvent {
    ShowRescheduled { old, new }.into()
}

fn cancelled_show() -> Refused {
    Refused::Cancelled { kind: SubjectKind::Show }
}

#[test]
fn a_show_moves_and_what_is_left_out_stays() {
    let later = noon_plus(SHOW_BEGINS + 7_200);
    let new = ShowSchedule { starts_at: Some(later), ..times() };
    given(vec![opened()])
        .when(at(1, change(begins(later))))
        .then_expect_events(vec![moved(times(), new.clone())]);
    let tokyo = ChangeShow { zone: Some(Some("Asia/Tokyo".into())), ..ChangeShow::default() };
    let there = ShowSchedule { zone: Some("Asia/Tokyo".into()), ..new.clone() };
    given(vec![opened(), moved(times(), new.clone())])
        .when(at(2, change(tokyo)))
        .then_expect_events(vec![moved(new, there)]);
}

/// Nothing said when its sale ends, so that is the start, wherever it goes.
#[test]
fn a_sale_that_ends_at_the_start_follows_it() {
    let old = ShowSchedule { sales_end_at: times().starts_at, ..times() };
    for start in [Some(noon_plus(SHOW_BEGINS + 7_200)), Some(noon_plus(7_200)), None] {
        let ask = ChangeShow { starts_at: Some(start), ..ChangeShow::default() };
        let new = ShowSchedule { starts_at: start, sales_end_at: start, ..times() };
        given(vec![sold_until_the_start()])
            .when(at(1, change(ask)))
            .then_expect_events(vec![moved(old.clone(), new)]);
    }
}

#[test]
fn a_sale_that_ends_before_the_start_stays_and_must_not_be_left_behind_it() {
    let too_early = noon_plus(SALE_ENDS - 1);
    let refused = invalid("/sales_end_at", "must not be after the start");
    given(vec![opened()]).when(at(1, change(begins(too_early)))).then_expect_error(refused);
    let both = ChangeShow { sales_end_at: Some(None), ..begins(too_early) };
    let new = ShowSchedule { starts_at: Some(too_early), sales_end_at: Some(too_early), ..times() };
    given(vec![opened()]).when(at(1, change(both))).then_expect_events(vec![moved(times(), new)]);
}

#[test]
fn bookings_go_by_the_times_of_now() {
    let start = noon_plus(SHOW_BEGINS + 7_200);
    let new = ShowSchedule { starts_at: Some(start), sales_end_at: Some(start), ..times() };
    let events = vec![opened(), moved(times(), new)];
    let late = SHOW_BEGINS + 60;
    given(events.clone())
        .when(at(late, reserve(1, ANNA, 1)))
        .then_expect_events(vec![held_at(late, 1, ANNA, 1)]);
    let began = Refused::Departed { kind: SubjectKind::Show, departed_at: start };
    given(events).when(at(SHOW_BEGINS + 7_200, reserve(1, ANNA, 1))).then_expect_error(began);
}

#[test]
fn price_and_times_change_together_or_not_at_all() {
    let later = noon_plus(SHOW_BEGINS + 7_200);
    let ask = ChangeShow { price: Some(euros(900)), ..begins(later) };
    let new = ShowSchedule { starts_at: Some(later), ..times() };
    let repriced = PriceChanged { old: euros(1_050), new: euros(900) };
    given(vec![opened()])
        .when(at(1, change(ask.clone())))
        .then_expect_events(vec![repriced.into(), moved(times(), new)]);
    let nowhere = ChangeShow { zone: Some(Some("Europe/Atlantis".into())), ..ask.clone() };
    let refused = invalid("/zone", "must be an IANA time zone, such as Europe/Berlin");
    given(vec![opened()]).when(at(1, change(nowhere))).then_expect_error(refused);
    let mut yen = euros(900);
    yen.currency = holdfast_domain::Currency::from_code("JPY").unwrap();
    let refused = invalid("/price/currency", "must be EUR, in which the show is sold");
    let in_yen = ChangeShow { price: Some(yen), ..ask };
    given(vec![opened()]).when(at(1, change(in_yen))).then_expect_error(refused);
}

#[test]
fn neither_start_nor_end_of_sale_is_moved_into_the_past() {
    let past = |pointer| invalid(pointer, "must be in the future");
    let at_once = ChangeShow { sales_end_at: Some(None), ..begins(noon_plus(5)) };
    given(vec![opened()]).when(at(5, change(at_once))).then_expect_error(past("/starts_at"));
    let ended = ChangeShow { sales_end_at: Some(Some(noon_plus(5))), ..ChangeShow::default() };
    given(vec![opened()]).when(at(5, change(ended))).then_expect_error(past("/sales_end_at"));
    let year_10000 = noon_plus(0) + TimeDelta::days(3_000_000);
    let refused = invalid("/starts_at", "must be in the years 1 to 9999 by all clocks");
    given(vec![opened()]).when(at(5, change(begins(year_10000)))).then_expect_error(refused);
    // What has begun can still be moved, and is sold again.
    let again = noon_plus(SHOW_BEGINS + 7_200);
    let again = ChangeShow { sales_end_at: Some(None), ..begins(again) };
    assert!(given(vec![opened()]).when(at(SHOW_BEGINS + 1, change(again))).inspect_result().is_ok());
}

/// Bookings do not count as changes.
#[test]
fn a_change_that_has_not_seen_the_latest_one_is_refused() {
    let later = ShowSchedule { starts_at: Some(noon_plus(SHOW_BEGINS + 1)), ..times() };
    let events = vec![opened(), held(1, ANNA, 1), moved(times(), later.clone()), confirmed(1, 1)];
    let ask = |version| {
        let to = begins(noon_plus(SHOW_BEGINS + 2));
        at(9, change(ChangeShow { if_version: Some(vec![version]), ..to }))
    };
    given(events.clone()).when(ask(1)).then_expect_error(Refused::VersionMismatch { current: 3 });
    let latest = ShowSchedule { starts_at: Some(noon_plus(SHOW_BEGINS + 2)), ..times() };
    given(events.clone()).when(ask(3)).then_expect_events(vec![moved(later.clone(), latest.clone())]);
    // What is so already needs no change, whoever made it.
    given(events).and(vec![moved(later, latest)]).when(ask(3)).then_expect_events(vec![]);
}

#[test]
fn a_flight_is_no_show() {
    let refused = || Refused::OtherKind { wanted: SubjectKind::Show };
    for command in [change(begins(noon_plus(7_200))), cancel_show()] {
        given(vec![flight_opened()]).when(at(1, command)).then_expect_error(refused());
    }
    // Whatever else is to be said of it.
    let flight = InventoryCommand::ChangeFlight(ChangeFlight::default());
    let refused = Refused::OtherKind { wanted: SubjectKind::Flight };
    given(vec![opened(), show_cancelled()]).when(at(1, flight)).then_expect_error(refused);
}

#[test]
fn cancelling_a_show_ends_its_live_bookings() {
    let events = vec![
        opened(),
        held(1, ANNA, 3),
        held_at(60, 2, BORIS, 1),
        confirmed(2, 1),
        held_at(300, 3, BORIS, 2),
        held(4, ANNA, 1),
        cancelled(4, BookingStatus::Held, 1),
    ];
    // The hold of the first ended at 600, before the show was cancelled.
    given(events).when(at(700, cancel_show())).then_expect_events(vec![
        show_cancelled(),
        expired(1, 3),
        called_off(2, BookingStatus::Confirmed, 1),
        called_off(3, BookingStatus::Held, 2),
    ]);
    given(vec![opened(), show_cancelled()]).when(at(1, cancel_show())).then_expect_events(vec![]);
}

#[test]
fn a_cancelled_show_sells_nothing_and_cannot_be_brought_back() {
    let refused = [
        reserve(2, BORIS, 1),
        confirm(1),
        change(begins(noon_plus(SHOW_BEGINS + 7_200))),
        InventoryCommand::CloseSales(CloseSales),
        InventoryCommand::ReopenSales(ReopenSales),
        InventoryCommand::ChangeCapacity(ChangeCapacity { capacity: 500 }),
        InventoryCommand::BlockSeats(BlockSeats { quantity: 1, reason: String::new() }),
    ];
    for command in refused {
        given(vec![opened(), held(1, ANNA, 1), show_cancelled()])
            .when(at(2, command))
            .then_expect_error(cancelled_show());
    }
}

/// One append stays small however many bookings a show has; the timer takes up where it stopped.
#[test]
fn one_decision_ends_a_bounded_number_of_bookings_of_a_cancelled_show() {
    let policy = Policy { live_bookings_per_user: 0, overbooking_allowance: 1_000, ..POLICY };
    let all = ENDINGS_MAX as u128 + 2;
    let sold = (0..all).map(|n| sold_at_once(n, ANNA, 1));
    let sold: Vec<InventoryEvent> = std::iter::once(opened_with(policy)).chain(sold).collect();
    let ended: Vec<_> = (0..all).map(|n| called_off(n, BookingStatus::Confirmed, 1)).collect();
    let (at_once, later) = ended.split_at(ENDINGS_MAX);
    let cancelled = [&[show_cancelled()], at_once].concat();
    given(sold.clone()).when(at(1, cancel_show())).then_expect_events(cancelled.clone());
    given(sold)
        .and(cancelled)
        .when(at(1, InventoryCommand::EndDueBookings))
        .then_expect_events(later.to_vec());
}
