//! Old data outlives us: the examples in `events/` are what logs contain, and this build must
//! understand every one of them for ever. A change of an event is a new version beside the old file.
//!
//! The examples tell one story (a hold of three seats that is confirmed and cancelled, or expires
//! instead), so that folding them is a test of `apply` as well.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that stops says what is wrong")]

use holdfast_domain::{BookingStatus, DecodeError, EVENT_TYPES, Inventory, InventoryEvent, SalesState};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{collections::BTreeSet, error::Error, fs, path::PathBuf};

/// One file of `events/`.
#[derive(Deserialize)]
struct Frozen {
    event_type: String,
    event_version: String,
    /// The bytes as the log stores them.
    payload: Box<RawValue>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn file_names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn frozen(file_name: &str) -> Frozen {
    let text =
        fs::read_to_string(folder().join(file_name)).unwrap_or_else(|e| panic!("events/{file_name}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("events/{file_name}: {e}"))
}

/// An event type in its only version, or in one of its other forms: `InventoryOpened.v1.flight`.
fn example(event: &str) -> InventoryEvent {
    let file_name = if event.contains('.') { format!("{event}.json") } else { format!("{event}.v1.json") };
    let Frozen { event_type, event_version, payload } = frozen(&file_name);
    InventoryEvent::decode(&event_type, &event_version, payload.get()).unwrap()
}

fn fold(event_types: &[&str]) -> Inventory {
    let mut inventory = Inventory::default();
    for event_type in event_types {
        inventory.apply(&example(event_type));
    }
    inventory
}

/// The flight form of the opening.
const FLIGHT: &str = "InventoryOpened.v1.flight";

/// held, confirmed, blocked, available, oversold_by
fn seats(inventory: &Inventory) -> [u32; 5] {
    let counts = inventory.counts();
    [counts.held, counts.confirmed, counts.blocked, counts.available(), counts.oversold_by()]
}

#[test]
fn every_event_type_has_its_frozen_example() {
    for (event_type, version) in EVENT_TYPES {
        let frozen = frozen(&format!("{event_type}.v{version}.json"));
        assert_eq!((frozen.event_type.as_str(), frozen.event_version.as_str()), (*event_type, *version));
    }
}

/// Also those of versions and types that nothing writes any more, and of forms without what may be
/// missing (`SeatsReserved.v1.sold_at_once.json`), or with what is not taken any more (`PriceChanged.v1.of_gold.json`).
#[test]
fn every_frozen_example_still_decodes() {
    let files = file_names();
    assert!(files.len() >= EVENT_TYPES.len());
    for file_name in files {
        let Frozen { event_type, event_version, payload } = frozen(&file_name);
        assert!(file_name.starts_with(&format!("{event_type}.v{event_version}.")), "events/{file_name}");
        let event = InventoryEvent::decode(&event_type, &event_version, payload.get());
        let event = event.unwrap_or_else(|e| panic!("events/{file_name}: {e}: {:?}", e.source()));
        assert_eq!(event.type_name(), event_type);
    }
}

/// Consumers hash and compare these bytes. A renamed field, another order or a new default shows here.
#[test]
fn writing_an_example_again_gives_the_same_bytes() {
    for file_name in file_names() {
        let Frozen { event_type, event_version, payload } = frozen(&file_name);
        let event = InventoryEvent::decode(&event_type, &event_version, payload.get()).unwrap();
        if event.version() == event_version {
            assert_eq!(serde_json::to_string(&event).unwrap(), payload.get(), "events/{file_name}");
            let tagged: InventoryEvent = serde_json::from_str(payload.get()).unwrap();
            assert_eq!(tagged, event, "the payload's own tag, which other readers go by, says the same");
        }
    }
}

/// Each type's effect, as the seats after it.
#[test]
fn the_examples_fold_to_a_hold_and_its_three_endings() {
    const STORIES: &[(&[&str], [u32; 5])] = &[
        (&["InventoryOpened"], [0, 0, 0, 501, 0]),
        (&["InventoryOpened", "SeatsReserved"], [3, 0, 0, 498, 0]),
        (&["InventoryOpened", "SeatsReserved", "BookingExpired"], [0, 0, 0, 501, 0]),
        (&["InventoryOpened", "SeatsReserved", "BookingConfirmed"], [0, 3, 0, 498, 0]),
        (&["InventoryOpened", "SeatsReserved", "BookingConfirmed", "BookingCancelled"], [0, 0, 0, 501, 0]),
        (&["InventoryOpened", "SeatsReserved", "BookingConfirmed", "CapacityChanged"], [0, 3, 0, 0, 1]),
        (&["InventoryOpened", "SeatsBlocked"], [0, 0, 5, 496, 0]),
        (&["InventoryOpened", "SeatsBlocked", "SeatsUnblocked"], [0, 0, 0, 501, 0]),
        (&["InventoryOpened", "SalesClosed"], [0, 0, 0, 501, 0]),
        (&["InventoryOpened", "SalesClosed", "SalesReopened"], [0, 0, 0, 501, 0]),
        (&[FLIGHT, "SeatsReserved", "PriceChanged", "FlightRescheduled"], [3, 0, 0, 498, 0]),
        (&[FLIGHT, "SeatsReserved", "BookingConfirmed", "FlightCancelled"], [0, 3, 0, 498, 0]),
        (
            &[FLIGHT, "SeatsReserved", "BookingConfirmed", "FlightCancelled", "BookingCancelled"],
            [0, 0, 0, 501, 0],
        ),
        (&["InventoryOpened", "SeatsReserved", "ShowRescheduled"], [3, 0, 0, 498, 0]),
        (
            &["InventoryOpened", "SeatsReserved", "BookingConfirmed", "ShowCancelled", "BookingCancelled"],
            [0, 0, 0, 501, 0],
        ),
    ];
    for (story, after) in STORIES {
        let inventory = fold(story);
        assert_eq!(seats(&inventory), *after, "after {story:?}");
        let sales = match story {
            [.., "SalesClosed"] => SalesState::Closed,
            story if story.contains(&"FlightCancelled") || story.contains(&"ShowCancelled") => {
                SalesState::Cancelled
            }
            _ => SalesState::Open,
        };
        assert_eq!(inventory.counts().sales, sales, "after {story:?}");
        assert_eq!(inventory.next_expiry().is_some(), inventory.counts().held > 0, "after {story:?}");
    }
    let told: BTreeSet<_> = STORIES.iter().flat_map(|(story, _)| *story).collect();
    assert_eq!(told.len(), EVENT_TYPES.len() + 1, "every type has its part in a story, and the flight");
}

#[test]
fn a_folded_flight_has_its_latest_price_and_schedule_and_the_version_of_both() {
    let flight = fold(&[FLIGHT, "PriceChanged", "SeatsReserved", "FlightRescheduled", "SeatsBlocked"]);
    let terms = flight.terms().unwrap();
    assert_eq!((terms.price.amount, terms.version), (5_999, 4));
    let flight = terms.subject.flight().unwrap();
    assert_eq!((flight.departs_at.to_rfc3339().as_str(), &flight.gate), ("2031-12-06T23:30:00+00:00", &None));
    assert_eq!(flight.departure_day().to_string(), "2031-12-07");
}

/// As does one whose opening left out the end of its sale, and one that has no times any more.
#[test]
fn a_folded_show_has_its_latest_times_and_their_version() {
    let show = fold(&["InventoryOpened", "SeatsReserved", "ShowRescheduled"]);
    let terms = show.terms().unwrap();
    assert_eq!(terms.version, 3);
    let times = terms.subject.show_schedule().unwrap();
    assert_eq!(times.starts_at.unwrap().to_rfc3339(), "2031-12-07T19:00:00+00:00");
    assert_eq!(times.sales_end_at.unwrap().to_rfc3339(), "2031-12-07T17:00:00+00:00");
    let postponed = fold(&["InventoryOpened", "ShowRescheduled.v1.postponed"]);
    let times = postponed.terms().unwrap().subject.show_schedule().unwrap();
    assert_eq!((times.starts_at, times.zone, times.sales_end_at), (None, None, None));
}

#[test]
fn a_folded_hold_keeps_its_end_to_the_microsecond() {
    let held = fold(&["InventoryOpened", "SeatsReserved"]);
    assert_eq!(held.next_expiry().unwrap().to_rfc3339(), "2031-11-01T10:15:00.250001+00:00");
    assert_eq!(held.bookings().map(|(_, b)| b.status).collect::<Vec<_>>(), [BookingStatus::Held]);
}

#[test]
fn an_event_of_a_newer_build_is_named_and_not_skipped() {
    for (event_type, version) in
        [("SeatsTeleported", "1"), ("SeatsReserved", "2"), ("", "1"), ("seatsreserved", "1")]
    {
        match InventoryEvent::decode(event_type, version, "{}") {
            Err(DecodeError::Unknown { event_type: named, event_version }) => {
                assert_eq!((named.as_str(), event_version.as_str()), (event_type, version));
            }
            other => panic!("{event_type} {version}: {other:?}"),
        }
    }
    let error = InventoryEvent::decode("SeatsTeleported", "1", "{}").unwrap_err();
    assert_eq!(error.to_string(), "unknown event type SeatsTeleported version 1; a newer Holdfast wrote it");
}

#[test]
fn a_payload_of_another_shape_is_refused_with_the_parsers_reason() {
    let wrong = [
        ("SeatsUnblocked", "{}"),
        ("SeatsUnblocked", r#"{"quantity":-1}"#),
        ("SeatsUnblocked", r#"{"quantity":4294967296}"#),
        ("SeatsUnblocked", r#"{"quantity":1.5}"#),
        ("SeatsUnblocked", r#"{"quantity":1"#),
        ("SeatsUnblocked", "null"),
        ("BookingConfirmed", r#"{"booking_id":"seven","quantity":1}"#),
        ("SalesClosed", "7"),
    ];
    for (event_type, payload) in wrong {
        let error = InventoryEvent::decode(event_type, "1", payload).unwrap_err();
        assert!(matches!(error, DecodeError::Shape { .. }), "{event_type} {payload}: {error:?}");
        assert_eq!(error.to_string(), format!("the payload is not a {event_type} version 1"));
        assert!(error.source().is_some());
    }
}
