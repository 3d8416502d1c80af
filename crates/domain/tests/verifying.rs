//! The verifier's eye: a log that the rules could not have made is found out, by the first event that
//! does not fit, with the name of the rule it breaks. (That it finds nothing in logs which the rules
//! did make is a property test.)
#![allow(clippy::unwrap_used, reason = "a test that stops says what is wrong")]

use holdfast_domain::{
    AirplaneId, AirportId, BookingCancelled, BookingConfirmed, BookingExpired, BookingId, BookingStatus,
    CapacityChanged, Currency, Flight, FlightCancelled, FlightRescheduled, Inventory, InventoryEvent,
    InventoryOpened, Money, Policy, PriceChanged, SalesReopened, Schedule, SeatsBlocked, SeatsReserved,
    SeatsUnblocked, ShowCancelled, ShowRescheduled, ShowSchedule, Subject, Timestamp, UserId, Violation,
};
use uuid::Uuid;

const ONE: BookingId = BookingId(Uuid::from_u128(1));

fn noon_plus(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_900_000_800 + seconds, 0).unwrap()
}

fn free() -> Money {
    Money { amount: 0, currency: Currency::from_code("EUR").unwrap() }
}

/// Ten seats, and one may be sold beyond them.
fn opened() -> InventoryEvent {
    let policy = Policy {
        seats_per_booking: 10,
        live_bookings_per_user: 0,
        hold_seconds: 60,
        overbooking_allowance: 1,
        seats_per_user: 0,
        holds_per_user: 0,
    };
    let subject = Subject::Show { name: "Show".into(), starts_at: None, zone: None, sales_end_at: None };
    InventoryOpened { subject, capacity: 10, price: free(), policy }.into()
}

/// The same seats on a flight that leaves an hour after noon.
fn flight_opened() -> InventoryEvent {
    let InventoryEvent::InventoryOpened(opened) = opened() else { unreachable!("it opens") };
    let Schedule { departs_at, arrives_at, gate } = schedule(1);
    let subject = Subject::Flight(Box::new(Flight {
        number: "HF1".into(),
        airplane_id: AirplaneId::from_number(1).unwrap(),
        departure_airport_id: AirportId::from_number(1).unwrap(),
        arrival_airport_id: AirportId::from_number(2).unwrap(),
        departure_zone: "Europe/Berlin".into(),
        arrival_zone: "Europe/Paris".into(),
        departs_at,
        arrives_at,
        gate,
    }));
    InventoryOpened { subject, ..opened }.into()
}

fn schedule(hour: i64) -> Schedule {
    let departs_at = noon_plus(hour * 3_600);
    Schedule { departs_at, arrives_at: departs_at + chrono::TimeDelta::hours(2), gate: None }
}

fn moved(old: Schedule, new: Schedule) -> InventoryEvent {
    FlightRescheduled {
        old,
        new,
        departure_zone: "Europe/Berlin".into(),
        arrival_zone: "Europe/Paris".into(),
    }
    .into()
}

fn flight_cancelled() -> InventoryEvent {
    FlightCancelled { reason: "weather".into() }.into()
}

/// The show whose sale ends so many seconds after noon, at its start.
fn show_times(seconds: Option<i64>) -> ShowSchedule {
    let at = seconds.map(noon_plus);
    ShowSchedule { starts_at: at, zone: None, sales_end_at: at }
}

fn show_moved(old: Option<i64>, new: Option<i64>) -> InventoryEvent {
    ShowRescheduled { old: show_times(old), new: show_times(new) }.into()
}

fn show_cancelled() -> InventoryEvent {
    ShowCancelled { reason: "illness".into() }.into()
}

fn repriced(old: i64, new: i64) -> InventoryEvent {
    let euros = |amount| Money { amount, ..free() };
    PriceChanged { old: euros(old), new: euros(new) }.into()
}

/// A hold made at noon that ends a minute later.
fn held(quantity: u32) -> InventoryEvent {
    let (user_id, expires_at) = (UserId::default(), Some(noon_plus(60)));
    SeatsReserved { booking_id: ONE, user_id, quantity, total: free(), expires_at }.into()
}

fn confirmed(quantity: u32) -> InventoryEvent {
    BookingConfirmed { booking_id: ONE, quantity }.into()
}

fn cancelled(previous_status: BookingStatus, released: u32) -> InventoryEvent {
    BookingCancelled { booking_id: ONE, previous_status, released, reason: String::new() }.into()
}

fn expired(released: u32) -> InventoryEvent {
    BookingExpired { booking_id: ONE, released }.into()
}

fn capacity(old: u32, new: u32, oversold_by: u32) -> InventoryEvent {
    CapacityChanged { old, new, oversold_by }.into()
}

fn blocked(quantity: u32) -> InventoryEvent {
    SeatsBlocked { quantity, reason: String::new() }.into()
}

/// What is said about the last event, `seconds` after noon; those before it are in order.
fn verdict(events: &[InventoryEvent], seconds: i64) -> Result<(), Violation> {
    let (last, before) = events.split_last().unwrap();
    let mut inventory = Inventory::default();
    for event in before {
        inventory.audit(event, noon_plus(0)).unwrap();
    }
    inventory.audit(last, noon_plus(seconds))
}

fn state(status: BookingStatus, event: &'static str) -> Result<(), Violation> {
    Err(Violation::State { booking_id: ONE, status, event })
}

fn time(event: &'static str, seconds: i64) -> Result<(), Violation> {
    Err(Violation::Time { booking_id: ONE, expires_at: noon_plus(60), event, at: noon_plus(seconds) })
}

#[test]
fn a_seat_too_many_is_found_however_it_was_taken() {
    let oversold = Err(Violation::Oversold { taken: 12, authorized: 11 });
    assert_eq!(verdict(&[opened(), blocked(1), held(10)], 0), Ok(()));
    assert_eq!(verdict(&[opened(), blocked(2), held(10)], 0), oversold);
    assert_eq!(verdict(&[opened(), held(10), blocked(2)], 0), oversold);
}

#[test]
fn a_capacity_change_that_hides_what_it_oversells_is_found() {
    assert_eq!(verdict(&[opened(), held(10), capacity(10, 7, 2)], 0), Ok(()));
    let lie = Err(Violation::OversoldBy { said: 0, found: 2 });
    assert_eq!(verdict(&[opened(), held(10), capacity(10, 7, 0)], 0), lie);
    let misfit = Err(Violation::Misfit { event: "CapacityChanged" });
    assert_eq!(verdict(&[opened(), capacity(9, 20, 0)], 0), misfit);
}

#[test]
fn what_is_oversold_may_only_become_less() {
    let shrunk = [opened(), held(10), capacity(10, 7, 2)];
    let then = |event| verdict(&[&shrunk[..], &[event]].concat(), 0);
    assert_eq!(then(confirmed(10)), Ok(()));
    assert_eq!(then(cancelled(BookingStatus::Held, 10)), Ok(()));
    assert_eq!(then(blocked(1)), Err(Violation::Oversold { taken: 11, authorized: 8 }));
}

#[test]
fn a_hold_that_ends_twice_is_found() {
    let endings = [
        (confirmed(3), BookingStatus::Confirmed),
        (cancelled(BookingStatus::Held, 3), BookingStatus::Cancelled),
    ];
    for (first, status) in endings {
        let twice = |second| verdict(&[opened(), held(3), first.clone(), second], 60);
        assert_eq!(twice(expired(3)), state(status, "BookingExpired"));
        assert_eq!(twice(confirmed(3)), state(status, "BookingConfirmed"));
    }
    let sale_ends_twice =
        [opened(), held(3), cancelled(BookingStatus::Held, 3), cancelled(BookingStatus::Held, 3)];
    assert_eq!(verdict(&sale_ends_twice, 0), state(BookingStatus::Cancelled, "BookingCancelled"));
}

#[test]
fn an_ending_on_the_wrong_side_of_the_holds_end_is_found() {
    assert_eq!(verdict(&[opened(), held(3), confirmed(3)], 59), Ok(()));
    assert_eq!(verdict(&[opened(), held(3), confirmed(3)], 60), time("BookingConfirmed", 60));
    let given_up = [opened(), held(3), cancelled(BookingStatus::Held, 3)];
    assert_eq!(verdict(&given_up, 59), Ok(()));
    assert_eq!(verdict(&given_up, 60), time("BookingCancelled", 60));
    let sold_back = [opened(), held(3), confirmed(3), cancelled(BookingStatus::Confirmed, 3)];
    assert_eq!(verdict(&sold_back, 60), Ok(()));
    assert_eq!(verdict(&[opened(), held(3), expired(3)], 59), time("BookingExpired", 59));
    assert_eq!(verdict(&[opened(), held(3), expired(3)], 60), Ok(()));
}

#[test]
fn a_booking_or_an_opening_that_came_twice_is_found() {
    let twice = |event| Err(Violation::Twice { event });
    assert_eq!(verdict(&[opened(), opened()], 0), twice("InventoryOpened"));
    assert_eq!(verdict(&[opened(), held(1), held(1)], 0), twice("SeatsReserved"));
}

#[test]
fn events_of_what_was_never_made_or_of_other_numbers_are_found() {
    let unblocked: InventoryEvent = SeatsUnblocked { quantity: 2 }.into();
    let misfits = [
        vec![held(1)],
        vec![opened(), held(0)],
        vec![opened(), confirmed(1)],
        vec![opened(), expired(1)],
        vec![opened(), held(3), confirmed(2)],
        vec![opened(), held(3), cancelled(BookingStatus::Held, 4)],
        vec![opened(), held(3), cancelled(BookingStatus::Confirmed, 3)],
        vec![opened(), blocked(1), unblocked],
    ];
    for events in misfits {
        let event = events.last().unwrap().type_name();
        assert_eq!(verdict(&events, 0), Err(Violation::Misfit { event }), "{events:?}");
    }
}

#[test]
fn a_price_or_a_schedule_that_does_not_follow_from_the_one_before_is_found() {
    let misfit = |event| Err(Violation::Misfit { event });
    assert_eq!(verdict(&[opened(), repriced(0, 7)], 0), Ok(()));
    assert_eq!(verdict(&[opened(), repriced(1, 7)], 0), misfit("PriceChanged"));
    // A booking costs what a seat costs at its time.
    assert_eq!(verdict(&[opened(), held(2), repriced(0, 7), confirmed(2)], 0), Ok(()));
    assert_eq!(verdict(&[opened(), repriced(0, 7), held(2)], 0), misfit("SeatsReserved"));
    assert_eq!(verdict(&[flight_opened(), moved(schedule(1), schedule(2))], 0), Ok(()));
    let lands_first = Schedule { arrives_at: noon_plus(0), ..schedule(2) };
    for (opened, moved) in [
        (flight_opened(), moved(schedule(2), schedule(3))),
        (flight_opened(), moved(schedule(1), lands_first)),
        (opened(), moved(schedule(1), schedule(2))),
    ] {
        assert_eq!(verdict(&[opened, moved], 0), misfit("FlightRescheduled"));
    }
    assert_eq!(verdict(&[opened(), flight_cancelled()], 0), misfit("FlightCancelled"));
}

#[test]
fn a_shows_times_that_do_not_follow_from_those_before_are_found() {
    let misfit = |event| Err(Violation::Misfit { event });
    assert_eq!(verdict(&[opened(), show_moved(None, Some(60)), show_moved(Some(60), Some(90))], 0), Ok(()));
    let without_end = ShowSchedule { sales_end_at: None, ..show_times(Some(60)) };
    let ends_late = ShowSchedule { sales_end_at: Some(noon_plus(61)), ..show_times(Some(60)) };
    let to = |new| ShowRescheduled { old: show_times(None), new }.into();
    for (opened, moved) in [
        (opened(), show_moved(Some(60), Some(90))),
        (opened(), to(without_end)),
        (opened(), to(ends_late)),
        (flight_opened(), show_moved(None, Some(60))),
    ] {
        assert_eq!(verdict(&[opened, moved], 0), misfit("ShowRescheduled"));
    }
    assert_eq!(verdict(&[flight_opened(), show_cancelled()], 0), misfit("ShowCancelled"));
    // From then on it sells until its new start.
    let moved = [opened(), show_moved(None, Some(30)), held(1)];
    let late = Violation::AfterSale { event: "SeatsReserved", ended_at: noon_plus(30), at: noon_plus(30) };
    assert_eq!((verdict(&moved, 29), verdict(&moved, 30)), (Ok(()), Err(late)));
}

#[test]
fn whatever_a_cancelled_show_sells_is_found() {
    let then = |event| verdict(&[opened(), held(3), show_cancelled(), event], 60);
    assert_eq!(then(expired(3)), Ok(()));
    assert_eq!(then(show_cancelled()), Err(Violation::Twice { event: "ShowCancelled" }));
    for event in [confirmed(3), SalesReopened {}.into(), repriced(0, 7), show_moved(None, Some(90))] {
        let found = Err(Violation::AfterCancellation { event: event.type_name() });
        assert_eq!(then(event), found);
    }
}

#[test]
fn whatever_a_cancelled_flight_sells_is_found() {
    let then = |event| verdict(&[flight_opened(), held(3), flight_cancelled(), event], 60);
    assert_eq!(then(expired(3)), Ok(()));
    assert_eq!(then(flight_cancelled()), Err(Violation::Twice { event: "FlightCancelled" }));
    let ended =
        [flight_opened(), held(3), confirmed(3), flight_cancelled(), cancelled(BookingStatus::Confirmed, 3)];
    assert_eq!(verdict(&ended, 60), Ok(()));
    let sells = [confirmed(3), SalesReopened {}.into(), repriced(0, 7), moved(schedule(1), schedule(2))];
    for event in sells {
        let found = Err(Violation::AfterCancellation { event: event.type_name() });
        assert_eq!(then(event), found);
    }
}

/// One bad event is one finding: those after it are judged by what has really happened.
#[test]
fn after_a_finding_the_rest_is_still_judged() {
    let mut inventory = Inventory::default();
    inventory.audit(&opened(), noon_plus(0)).unwrap();
    inventory.audit(&held(3), noon_plus(0)).unwrap();
    assert!(inventory.audit(&confirmed(3), noon_plus(90)).is_err());
    assert_eq!(inventory.counts().confirmed, 3);
    assert_eq!(inventory.audit(&cancelled(BookingStatus::Confirmed, 3), noon_plus(91)), Ok(()));
}

/// Its sale ends 30 seconds after noon, and it begins at 45; the hold in it would last until 60.
#[test]
fn what_a_show_sells_or_confirms_too_late_is_found() {
    let InventoryEvent::InventoryOpened(opened) = opened() else { unreachable!("it opens") };
    let show = |sales_end_at| {
        let starts_at = Some(noon_plus(45));
        let subject = Subject::Show { name: "Show".into(), starts_at, zone: None, sales_end_at };
        InventoryEvent::from(InventoryOpened { subject, ..opened.clone() })
    };
    let timed = show(Some(noon_plus(30)));
    let late = |event, ended: i64, at: i64| {
        Err(Violation::AfterSale { event, ended_at: noon_plus(ended), at: noon_plus(at) })
    };
    assert_eq!(verdict(&[timed.clone(), held(1)], 29), Ok(()));
    assert_eq!(verdict(&[timed.clone(), held(1)], 30), late("SeatsReserved", 30, 30));
    assert_eq!(verdict(&[timed.clone(), held(1), confirmed(1)], 44), Ok(()));
    assert_eq!(verdict(&[timed.clone(), held(1), confirmed(1)], 45), late("BookingConfirmed", 45, 45));
    assert_eq!(verdict(&[timed, held(1), cancelled(BookingStatus::Held, 1)], 50), Ok(()), "staff may");
    // A log from before the rule holds what was allowed then.
    assert_eq!(verdict(&[show(None), held(1), confirmed(1)], 50), Ok(()));
}
