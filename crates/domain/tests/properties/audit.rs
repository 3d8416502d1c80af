//! What can be told from the events alone, as an auditor with only the log would: nothing here asks
//! the state that made them.

use crate::play::Story;
use holdfast_domain::{
    BookingId, BookingStatus, ENDINGS_MAX, InventoryCommand, InventoryEvent, SalesState, Timestamp,
};
use proptest::{prelude::*, test_runner::TestCaseResult};
use std::collections::HashMap;

/// Seats taken never exceed seats there are. Only a capacity change may make it so; it says by how
/// many, and from then on it only gets better.
pub(crate) fn no_seat_is_sold_twice(story: &Story) -> TestCaseResult {
    let (mut there_are, mut taken) = (0i64, 0i64);
    let (mut allowance, mut excess_before) = (0i64, 0i64);
    for event in story.events() {
        match event {
            InventoryEvent::InventoryOpened(e) => {
                allowance = i64::from(e.policy.overbooking_allowance);
                there_are = i64::from(e.capacity) + allowance;
            }
            InventoryEvent::SeatsReserved(e) => taken += i64::from(e.quantity),
            InventoryEvent::SeatsBlocked(e) => taken += i64::from(e.quantity),
            InventoryEvent::BookingCancelled(e) => taken -= i64::from(e.released),
            InventoryEvent::BookingExpired(e) => taken -= i64::from(e.released),
            InventoryEvent::SeatsUnblocked(e) => taken -= i64::from(e.quantity),
            InventoryEvent::CapacityChanged(e) => {
                prop_assert_eq!(i64::from(e.old) + allowance, there_are);
                there_are = i64::from(e.new) + allowance;
            }
            InventoryEvent::BookingConfirmed(_)
            | InventoryEvent::SalesClosed(_)
            | InventoryEvent::SalesReopened(_)
            | InventoryEvent::PriceChanged(_)
            | InventoryEvent::FlightRescheduled(_)
            | InventoryEvent::FlightCancelled(_)
            | InventoryEvent::ShowRescheduled(_)
            | InventoryEvent::ShowCancelled(_) => {}
        }
        let excess = (taken - there_are).max(0);
        match event {
            InventoryEvent::CapacityChanged(e) => prop_assert_eq!(i64::from(e.oversold_by), excess),
            _ => prop_assert!(excess <= excess_before, "{excess} seats too many after {event:?}"),
        }
        prop_assert!(taken >= 0, "more seats came back than were taken, with {event:?}");
        excess_before = excess;
    }
    Ok(())
}

/// What became of one booking, told from its events.
struct Life {
    seats: u32,
    until: Option<Timestamp>,
    is: BookingStatus,
}

/// Each booking is made once; a hold is confirmed before its end, or cancelled before its end, or
/// expires not before it; a sale can be cancelled; after that nothing. Seats come back as they went.
pub(crate) fn every_booking_lives_once(story: &Story) -> TestCaseResult {
    let mut lives: HashMap<BookingId, Life> = HashMap::new();
    let mut price = None;
    for told in &story.steps {
        for event in told.answer.iter().flatten() {
            let now = told.now;
            let life = event.booking_id().and_then(|id| lives.get_mut(&id));
            match (event, life) {
                (InventoryEvent::InventoryOpened(e), _) => price = Some(e.price),
                (InventoryEvent::PriceChanged(e), _) => {
                    prop_assert_eq!(price.replace(e.new), Some(e.old));
                }
                (InventoryEvent::SeatsReserved(e), life) => {
                    prop_assert!(life.is_none(), "booking {} is made twice", e.booking_id);
                    prop_assert_eq!(
                        Some(e.total),
                        price.map(|p| p.times(e.quantity).unwrap()),
                        "the price of its time"
                    );
                    prop_assert!(e.expires_at.is_none_or(|end| end > now));
                    lives.insert(
                        e.booking_id,
                        Life { seats: e.quantity, until: e.expires_at, is: e.status() },
                    );
                }
                (InventoryEvent::BookingConfirmed(e), Some(life)) => {
                    prop_assert_eq!((life.is, life.seats), (BookingStatus::Held, e.quantity));
                    prop_assert!(
                        life.until.is_some_and(|end| now < end),
                        "confirmed after its end: {event:?}"
                    );
                    life.is = BookingStatus::Confirmed;
                }
                (InventoryEvent::BookingCancelled(e), Some(life)) => {
                    prop_assert_eq!((life.is, life.seats), (e.previous_status, e.released));
                    prop_assert!(life.is.is_live(), "ended twice: {event:?}");
                    let in_time =
                        life.is == BookingStatus::Confirmed || life.until.is_some_and(|end| now < end);
                    prop_assert!(in_time, "cancelled after its end: {event:?}");
                    life.is = BookingStatus::Cancelled;
                }
                (InventoryEvent::BookingExpired(e), Some(life)) => {
                    prop_assert_eq!((life.is, life.seats), (BookingStatus::Held, e.released));
                    prop_assert!(life.until.is_some_and(|end| now >= end), "expired too early: {event:?}");
                    life.is = BookingStatus::Expired;
                }
                (event, _) => prop_assert_eq!(event.booking_id(), None, "of a booking that was never made"),
            }
        }
    }
    Ok(())
}

/// After a flight or show is cancelled its bookings end, each once, and nothing else happens; all of them end if
/// they are given the time.
pub(crate) fn what_is_cancelled_only_loses_bookings(story: &Story) -> TestCaseResult {
    let events: Vec<_> = story.events().collect();
    let cancels = |e: &&InventoryEvent| {
        matches!(e, InventoryEvent::FlightCancelled(_) | InventoryEvent::ShowCancelled(_))
    };
    let Some(at) = events.iter().position(cancels) else {
        prop_assert!(story.end().counts().sales != SalesState::Cancelled);
        return Ok(());
    };
    let ends = |e: &&&InventoryEvent| {
        matches!(e, InventoryEvent::BookingCancelled(_) | InventoryEvent::BookingExpired(_))
    };
    let (_, after) = events.split_at(at + 1);
    prop_assert!(after.iter().all(|e| ends(&e)), "{after:?}");
    let mut rest = story.end().clone();
    let now = story.steps.last().unwrap().now;
    for _ in 0..=rest.bookings_len() / ENDINGS_MAX {
        for event in rest.decide(&InventoryCommand::EndDueBookings, now).unwrap() {
            rest.apply(&event);
        }
    }
    prop_assert_eq!((rest.counts().held, rest.counts().confirmed), (0, 0));
    prop_assert!(!rest.awaits_an_end());
    Ok(())
}

/// A booking keeps where in the stream its events are; its timeline is read by that.
pub(crate) fn every_booking_knows_its_events(story: &Story) -> TestCaseResult {
    let events: Vec<_> = story.events().collect();
    for (id, booking) in story.end().bookings() {
        let of_this = |(_, event): &(usize, &&InventoryEvent)| event.booking_id() == Some(id);
        let found: Vec<_> = events.iter().enumerate().filter(of_this).map(|(n, _)| n as u32 + 1).collect();
        let kept: Vec<_> = booking.sequences.into_iter().filter(|sequence| *sequence > 0).collect();
        prop_assert_eq!(kept, found, "the events of booking {}", id);
    }
    Ok(())
}
