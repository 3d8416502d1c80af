//! Flights: what opening one asks for, ChangeFlight, CancelFlight, and what departure and cancellation
//! mean for those who book. The flight of the book leaves at 3,600 and its bookings' holds last 600.

use crate::given::*;
use holdfast_domain::{
    AirportId, BlockSeats, BookingStatus, CancelFlight, ChangeCapacity, ChangeFlight, CloseSales,
    ENDINGS_MAX, FLIGHT_CANCELLED, Flight, FlightCancelled, FlightRescheduled, InventoryCommand,
    InventoryEvent, OpenInventory, Policy, PriceChanged, Refused, ReopenSales, ReserveSeats, Schedule,
    SeatsReserved, Subject, SubjectKind, UnblockSeats,
};

fn open(flight: Flight) -> InventoryCommand {
    InventoryCommand::OpenInventory(OpenInventory {
        subject: Subject::Flight(Box::new(flight)),
        ..flight_sale()
    })
}

fn change(ask: ChangeFlight) -> InventoryCommand {
    InventoryCommand::ChangeFlight(ask)
}

fn cancel_flight() -> InventoryCommand {
    InventoryCommand::CancelFlight(CancelFlight { reason: "weather".into() })
}

fn flight_cancelled() -> InventoryEvent {
    FlightCancelled { reason: "weather".into() }.into()
}

/// Ended by the flight's cancellation.
fn called_off(number: u128, previous_status: BookingStatus, released: u32) -> InventoryEvent {
    let reason = FLIGHT_CANCELLED.to_owned();
    let booking_id = booking(number);
    holdfast_domain::BookingCancelled { booking_id, previous_status, released, reason }.into()
}

fn repriced(old: i64, new: i64) -> InventoryEvent {
    PriceChanged { old: euros(old), new: euros(new) }.into()
}

fn moved(old: Schedule, new: Schedule) -> InventoryEvent {
    let Flight { departure_zone, arrival_zone, .. } = flight();
    FlightRescheduled { old, new, departure_zone, arrival_zone }.into()
}

fn departed() -> Refused {
    Refused::Departed { kind: SubjectKind::Flight, departed_at: noon_plus(DEPARTS) }
}

#[test]
fn a_flight_needs_what_makes_it_one() {
    let arrives_before = Flight { arrives_at: noon_plus(DEPARTS), ..flight() };
    let in_place = Flight { arrival_airport_id: AirportId::from_number(1).unwrap(), ..flight() };
    let number = "must be 1 to 20 printable characters";
    let zone = "must be an IANA time zone, such as Europe/Berlin";
    let year_10000 = noon_plus(0).with_timezone(&chrono::Utc) + chrono::TimeDelta::days(3_000_000);
    for (wrong, pointer, detail) in [
        (Flight { number: String::new(), ..flight() }, "/number", number),
        (Flight { number: "  ".into(), ..flight() }, "/number", number),
        (Flight { number: "LH\n1".into(), ..flight() }, "/number", number),
        (Flight { number: "X".repeat(21), ..flight() }, "/number", number),
        (Flight { gate: Some("\u{7}".into()), ..flight() }, "/gate", number),
        (in_place, "/arrival_airport_id", "must be another than the departure airport"),
        (Flight { departure_zone: "Europe/Atlantis".into(), ..flight() }, "/departure_zone", zone),
        (Flight { arrival_zone: String::new(), ..flight() }, "/arrival_zone", zone),
        (arrives_before, "/arrives_at", "must be after the departure"),
        (
            Flight { arrives_at: year_10000, ..flight() },
            "/arrives_at",
            "must be in the years 1 to 9999 by all clocks",
        ),
    ] {
        given(vec![]).when(at(0, open(wrong))).then_expect_error(invalid(pointer, detail));
    }
    for good in ["A", "FN_12345", &"X".repeat(20)] {
        let ask = open(Flight { number: good.into(), ..flight() });
        assert!(given(vec![]).when(at(0, ask)).inspect_result().is_ok(), "{good}");
    }
}

#[test]
fn a_flight_that_has_left_is_opened_only_where_that_is_accepted() {
    let past = invalid("/departs_at", "must be in the future");
    given(vec![]).when(at(DEPARTS, open(flight()))).then_expect_error(past);
    let accepted = OpenInventory { accept_departed: true, ..flight_sale() };
    let opened = vec![flight_opened()];
    let ask = InventoryCommand::OpenInventory(accepted);
    given(vec![]).when(at(DEPARTS, ask)).then_expect_events(opened.clone());
    // Sent again when it has left, it is the opening that was done.
    given(opened).when(at(DEPARTS, open(flight()))).then_expect_events(vec![]);
}

#[test]
fn nobody_books_after_departure_unless_that_is_accepted() {
    given(vec![flight_opened()])
        .when(at(DEPARTS - 1, reserve(1, ANNA, 2)))
        .then_expect_events(vec![held_at(DEPARTS - 1, 1, ANNA, 2)]);
    given(vec![flight_opened()]).when(at(DEPARTS, reserve(1, ANNA, 2))).then_expect_error(departed());
    let accepted = ReserveSeats { booking_id: booking(1), user_id: ANNA, quantity: 2, accept_departed: true };
    given(vec![flight_opened()])
        .when(at(DEPARTS, InventoryCommand::ReserveSeats(accepted)))
        .then_expect_events(vec![held_at(DEPARTS, 1, ANNA, 2)]);
}

#[test]
fn later_bookings_pay_the_changed_price() {
    let ask = ChangeFlight { price: Some(euros(2_000)), ..ChangeFlight::default() };
    let sold = vec![flight_opened(), held(1, ANNA, 2)];
    given(sold.clone()).when(at(1, change(ask))).then_expect_events(vec![repriced(1_050, 2_000)]);
    let dearer: InventoryEvent = SeatsReserved {
        booking_id: booking(2),
        user_id: BORIS,
        quantity: 2,
        total: euros(4_000),
        expires_at: Some(noon_plus(602)),
    }
    .into();
    given(sold)
        .and(vec![repriced(1_050, 2_000)])
        .when(at(2, reserve(2, BORIS, 2)))
        .then_expect_events(vec![dearer]);
}

#[test]
fn a_price_stays_within_its_range_and_in_its_currency() {
    let mut yen = euros(100);
    yen.currency = holdfast_domain::Currency::from_code("JPY").unwrap();
    for (price, pointer, detail) in [
        (euros(-1), "/price/amount", "must be 0 to 1000000000000"),
        (euros(1_000_000_000_001), "/price/amount", "must be 0 to 1000000000000"),
        (yen, "/price/currency", "must be EUR, in which the flight is sold"),
    ] {
        let ask = ChangeFlight { price: Some(price), ..ChangeFlight::default() };
        given(vec![flight_opened()]).when(at(1, change(ask))).then_expect_error(invalid(pointer, detail));
    }
}

#[test]
fn a_flight_moves_and_what_is_left_out_stays() {
    let old = flight().schedule();
    let later = Schedule { departs_at: noon_plus(7_200), ..old.clone() };
    let ask = ChangeFlight { departs_at: Some(noon_plus(7_200)), ..ChangeFlight::default() };
    given(vec![flight_opened()])
        .when(at(1, change(ask)))
        .then_expect_events(vec![moved(old.clone(), later.clone())]);
    // From then on it leaves later, also for those who book.
    let events = vec![flight_opened(), moved(old, later.clone())];
    let asked = at(DEPARTS + 60, reserve(1, ANNA, 1));
    given(events.clone()).when(asked).then_expect_events(vec![held_at(DEPARTS + 60, 1, ANNA, 1)]);
    let no_gate = ChangeFlight { gate: Some(None), ..ChangeFlight::default() };
    let without = Schedule { gate: None, ..later.clone() };
    given(events).when(at(2, change(no_gate))).then_expect_events(vec![moved(later, without)]);
}

#[test]
fn price_and_times_change_together_or_not_at_all() {
    let old = flight().schedule();
    let new =
        Schedule { departs_at: noon_plus(7_200), arrives_at: noon_plus(39_600), gate: Some("C1".into()) };
    let ask = ChangeFlight {
        price: Some(euros(900)),
        departs_at: Some(new.departs_at),
        arrives_at: Some(new.arrives_at),
        gate: Some(new.gate.clone()),
        ..ChangeFlight::default()
    };
    given(vec![flight_opened()])
        .when(at(1, change(ask.clone())))
        .then_expect_events(vec![repriced(1_050, 900), moved(old, new)]);
    let refused = invalid("/arrives_at", "must be after the departure");
    let wrong = ChangeFlight { arrives_at: Some(noon_plus(7_200)), ..ask };
    given(vec![flight_opened()]).when(at(1, change(wrong))).then_expect_error(refused);
}

#[test]
fn a_flight_is_not_moved_into_the_past_unless_that_is_accepted() {
    let ask = ChangeFlight { departs_at: Some(noon_plus(5)), ..ChangeFlight::default() };
    let past = invalid("/departs_at", "must be in the future");
    given(vec![flight_opened()]).when(at(5, change(ask.clone()))).then_expect_error(past);
    let accepted = ChangeFlight { accept_departed: true, ..ask };
    assert!(given(vec![flight_opened()]).when(at(5, change(accepted))).inspect_result().is_ok());
    // It left late, or its gate was wrong: what has left can be put right, and be delayed.
    let delayed = ChangeFlight { departs_at: Some(noon_plus(DEPARTS + 900)), ..ChangeFlight::default() };
    assert!(given(vec![flight_opened()]).when(at(DEPARTS + 1, change(delayed))).inspect_result().is_ok());
    let gate = ChangeFlight { gate: Some(Some("A1".into())), ..ChangeFlight::default() };
    assert!(given(vec![flight_opened()]).when(at(DEPARTS + 1, change(gate))).inspect_result().is_ok());
}

/// Bookings do not count as changes: a flight that sells can be edited.
#[test]
fn a_change_that_has_not_seen_the_latest_one_is_refused() {
    let events =
        vec![flight_opened(), held(1, ANNA, 1), repriced(1_050, 2_000), held(2, BORIS, 1), confirmed(2, 1)];
    let ask = |version| {
        let ask =
            ChangeFlight { price: Some(euros(900)), if_version: Some(vec![version]), ..Default::default() };
        at(9, change(ask))
    };
    given(events.clone()).when(ask(1)).then_expect_error(Refused::VersionMismatch { current: 3 });
    given(events.clone()).when(ask(5)).then_expect_error(Refused::VersionMismatch { current: 3 });
    given(events.clone()).when(ask(3)).then_expect_events(vec![repriced(2_000, 900)]);
    // What is so already needs no change, whoever made it.
    given(events).and(vec![repriced(2_000, 900)]).when(ask(3)).then_expect_events(vec![]);
}

#[test]
fn a_show_is_no_flight() {
    let changed = change(ChangeFlight { price: Some(euros(1)), ..ChangeFlight::default() });
    for command in [changed, cancel_flight()] {
        given(vec![opened()])
            .when(at(1, command))
            .then_expect_error(Refused::OtherKind { wanted: SubjectKind::Flight });
    }
}

#[test]
fn cancelling_a_flight_ends_its_live_bookings() {
    let events = vec![
        flight_opened(),
        held(1, ANNA, 3),
        held_at(60, 2, BORIS, 1),
        confirmed(2, 1),
        held_at(300, 3, BORIS, 2),
        held(4, ANNA, 1),
        cancelled(4, BookingStatus::Held, 1),
    ];
    // The hold of the first ended at 600, before the flight was cancelled.
    given(events).when(at(700, cancel_flight())).then_expect_events(vec![
        flight_cancelled(),
        expired(1, 3),
        called_off(2, BookingStatus::Confirmed, 1),
        called_off(3, BookingStatus::Held, 2),
    ]);
}

#[test]
fn cancelling_a_flight_twice_is_no_event() {
    let events = vec![flight_opened(), flight_cancelled()];
    given(events).when(at(1, cancel_flight())).then_expect_events(vec![]);
}

#[test]
fn a_cancelled_flight_sells_nothing_and_cannot_be_brought_back() {
    let refused = [
        reserve(2, BORIS, 1),
        confirm(1),
        change(ChangeFlight { price: Some(euros(1)), ..ChangeFlight::default() }),
        InventoryCommand::CloseSales(CloseSales),
        InventoryCommand::ReopenSales(ReopenSales),
        InventoryCommand::ChangeCapacity(ChangeCapacity { capacity: 500 }),
        InventoryCommand::BlockSeats(BlockSeats { quantity: 1, reason: String::new() }),
        InventoryCommand::UnblockSeats(UnblockSeats { quantity: 1 }),
    ];
    for command in refused {
        given(vec![flight_opened(), held(1, ANNA, 1), flight_cancelled()])
            .when(at(2, command))
            .then_expect_error(Refused::Cancelled { kind: SubjectKind::Flight });
    }
}

/// The first answer is owed, whatever became of the flight.
#[test]
fn what_was_asked_before_the_cancellation_is_answered_as_before() {
    let events = vec![flight_opened(), held(1, ANNA, 1), confirmed(1, 1), flight_cancelled()];
    given(events.clone()).when(at(2, reserve(1, ANNA, 1))).then_expect_events(vec![]);
    given(events).when(at(2, confirm(1))).then_expect_events(vec![]);
}

/// The house has not got to it yet; the customer was faster.
#[test]
fn a_booking_that_waits_for_its_end_can_be_cancelled_by_its_owner() {
    let events = vec![flight_opened(), held(1, ANNA, 1), flight_cancelled()];
    given(events.clone()).when(at(2, cancel(1))).then_expect_events(vec![cancelled(
        1,
        BookingStatus::Held,
        1,
    )]);
    given(events)
        .and(vec![cancelled(1, BookingStatus::Held, 1)])
        .when(at(3, InventoryCommand::EndDueBookings))
        .then_expect_events(vec![]);
}

/// One append stays small however many bookings a flight has; the timer takes up where it stopped.
#[test]
fn one_decision_ends_a_bounded_number_of_bookings_of_a_cancelled_flight() {
    let policy = Policy { live_bookings_per_user: 0, overbooking_allowance: 1_000, ..POLICY };
    let all = ENDINGS_MAX as u128 + 2;
    let InventoryEvent::InventoryOpened(opened) = flight_opened() else { unreachable!("it opens") };
    let roomy = holdfast_domain::InventoryOpened { policy, ..opened }.into();
    let sold = std::iter::once(roomy).chain((0..all).map(|n| sold_at_once(n, ANNA, 1)));
    let sold: Vec<InventoryEvent> = sold.collect();
    let ended: Vec<_> = (0..all).map(|n| called_off(n, BookingStatus::Confirmed, 1)).collect();
    let (at_once, later) = ended.split_at(ENDINGS_MAX);
    let cancelled = [&[flight_cancelled()], at_once].concat();
    given(sold.clone()).when(at(1, cancel_flight())).then_expect_events(cancelled.clone());
    given(sold)
        .and(cancelled)
        .when(at(1, InventoryCommand::EndDueBookings))
        .then_expect_events(later.to_vec());
}
