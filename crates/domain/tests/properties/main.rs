//! What holds whatever is asked, in whatever order, at whatever time.
//!
//! Random sequences of commands are played to the rules; each test is one claim about what came of
//! them (I1 to I7 name the invariants that `holdfast verify` also checks in a real log). 10,000
//! sequences a test by default; `HOLDFAST_PROPERTY_CASES` sets another number.
//! `model` is the second opinion: the same rules, written as plainly and as differently as possible.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that stops says what is wrong"
)]

mod audit;
mod model;
mod play;
mod sequences;

use holdfast_domain::{ENDINGS_MAX, Inventory, InventoryCommand, InventoryEvent, Refused, SalesState};
use play::{Story, play};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use sequences::{rushes, sequences};
use std::{collections::HashSet, mem::discriminant};

/// Sequences a test, unless the environment says otherwise.
const CASES_DEFAULT: u32 = 10_000;
/// Of these, one in so many is played as a rush: it is a hundred times as long.
const RUSH_SHARE: u32 = 200;

fn cases(share: u32) -> Config {
    let asked = std::env::var("HOLDFAST_PROPERTY_CASES").ok();
    let cases = asked.map_or(CASES_DEFAULT, |n| n.parse().expect("HOLDFAST_PROPERTY_CASES is a number"));
    Config { cases: cases.div_ceil(share), failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn every_answer_and_every_count_is_the_naive_models(sequence in sequences()) {
        model::agrees(&play(&sequence))?;
    }

    /// I1. And what a capacity change says to be oversold is what is.
    #[test]
    fn seats_are_oversold_only_by_a_capacity_change_that_says_so(sequence in sequences()) {
        audit::no_seat_is_sold_twice(&play(&sequence))?;
    }

    /// I3, I4. A booking's life is one of a few; each step of it is on its side of `expires_at`.
    #[test]
    fn a_hold_ends_once_and_is_never_confirmed_after_its_end(sequence in sequences()) {
        audit::every_booking_lives_once(&play(&sequence))?;
    }

    /// I9.
    #[test]
    fn what_is_cancelled_sells_nothing_and_loses_all_its_bookings(sequence in sequences()) {
        audit::what_is_cancelled_only_loses_bookings(&play(&sequence))?;
    }

    #[test]
    fn a_booking_leads_to_all_of_its_events(sequence in sequences()) {
        audit::every_booking_knows_its_events(&play(&sequence))?;
    }

    /// `holdfast verify` finds nothing to say about a log that the rules made.
    #[test]
    fn the_verifier_accepts_whatever_the_rules_make(sequence in sequences()) {
        let mut verified = Inventory::default();
        for told in &play(&sequence).steps {
            for event in told.answer.iter().flatten() {
                prop_assert_eq!(verified.audit(event, told.now), Ok(()), "{:?}", event);
            }
        }
    }

    /// I5. The booking's id is the command's; blocking seats has no such id and is told apart by the log.
    #[test]
    fn asking_again_has_no_second_effect(sequence in sequences()) {
        for told in &play(&sequence).steps {
            let has_no_id = matches!(
                told.command, InventoryCommand::BlockSeats(_) | InventoryCommand::UnblockSeats(_)
            );
            if told.answer.is_ok() && !has_no_id {
                prop_assert_eq!(told.after.decide(&told.command, told.now), Ok(vec![]), "{:?}", told.command);
            }
        }
    }

    /// I7, and the bytes of every event survive the way into the log and back.
    #[test]
    fn folding_the_stored_events_gives_the_live_state(sequence in sequences()) {
        let story = play(&sequence);
        let mut folded = Inventory::default();
        for event in story.events() {
            let stored = serde_json::to_string(event).unwrap();
            let read = InventoryEvent::decode(event.type_name(), event.version(), &stored).unwrap();
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), stored);
            prop_assert_eq!(&read, event);
            folded.apply(&read);
        }
        prop_assert_eq!(&folded, story.end());
    }

    #[test]
    fn a_stored_state_and_the_events_after_it_give_the_live_state(
        (sequence, cut) in sequences().prop_flat_map(|s| { let steps = s.steps.len(); (Just(s), 0..=steps) })
    ) {
        let story = play(&sequence);
        let (early, late) = story.steps.split_at(cut);
        let stored = serde_json::to_string(early.last().map_or(&Inventory::default(), |t| &t.after)).unwrap();
        let mut state: Inventory = serde_json::from_str(&stored).unwrap();
        for event in late.iter().flat_map(|t| t.answer.iter().flatten()) {
            state.apply(event);
        }
        prop_assert_eq!(&state, story.end());
    }

    /// A batch that does not commit leaves no trace: the writer decided on it too early, that is all.
    #[test]
    fn undoing_a_batch_gives_the_state_before_it(
        (sequence, from) in sequences().prop_flat_map(|s| { let steps = s.steps.len(); (Just(s), 0..=steps) })
    ) {
        let story = play(&sequence);
        let (early, batch) = story.steps.split_at(from);
        let before = early.last().map_or_else(Inventory::default, |t| t.after.clone());
        let mut state = before.clone();
        let events: Vec<_> = batch.iter().flat_map(|t| t.answer.iter().flatten()).collect();
        for _attempt in 0..2 {
            let undos: Vec<_> = events.iter().map(|event| state.apply(event)).collect();
            prop_assert_eq!(&state, story.end());
            undos.into_iter().rev().for_each(|undo| state.undo(undo));
            prop_assert_eq!(&state, &before);
        }
    }

    /// The rules go by `expires_at`; a timer that has not come yet is seen by nobody who books.
    #[test]
    fn a_late_timer_changes_no_answer(sequence in sequences()) {
        let mut before = Inventory::default();
        for told in play(&sequence).steps {
            use InventoryCommand::{CancelBooking, ConfirmBooking, ReserveSeats};
            if matches!(told.command, ReserveSeats(_) | ConfirmBooking(_) | CancelBooking(_)) {
                let mut punctual = before.clone();
                for event in before.decide(&InventoryCommand::EndDueBookings, told.now).unwrap_or_default() {
                    punctual.apply(&event);
                }
                let answer = told.answer.clone().map(|mut events| {
                    events.retain(|e| !matches!(e, InventoryEvent::BookingExpired(_)));
                    events
                });
                prop_assert_eq!(punctual.decide(&told.command, told.now), answer, "{:?}", told.command);
            }
            before = told.after;
        }
    }
}

proptest! {
    #![proptest_config(cases(RUSH_SHARE))]

    /// More holds end in one moment than one decision may end.
    #[test]
    fn a_rush_whose_holds_end_together_is_answered_as_by_the_naive_model(sequence in rushes()) {
        let story = play(&sequence);
        model::agrees(&story)?;
        audit::no_seat_is_sold_twice(&story)?;
        audit::every_booking_lives_once(&story)?;
        audit::what_is_cancelled_only_loses_bookings(&story)?;
        let most = story.steps.iter().filter_map(|t| t.answer.as_ref().ok()).map(Vec::len).max();
        prop_assert!(most <= Some(ENDINGS_MAX + 1), "one decision made {most:?} events");
    }
}

/// The claims above are worth what the sequences reach: every event, every kind of refusal, every
/// command repeated, and holds beyond the bound of one decision.
#[test]
fn the_sequences_reach_every_event_and_every_refusal() {
    let mut runner = TestRunner::deterministic();
    let mut stories = |rush: bool, count: usize| -> Vec<Story> {
        let strategy = if rush { rushes().boxed() } else { sequences().boxed() };
        (0..count).map(|_| play(&strategy.new_tree(&mut runner).unwrap().current())).collect()
    };
    let ordinary = stories(false, 1_000);
    let answers = || ordinary.iter().flat_map(|s| &s.steps).map(|t| &t.answer);
    let events: HashSet<_> = answers().flatten().flatten().map(InventoryEvent::type_name).collect();
    assert_eq!(events.len(), holdfast_domain::EVENT_TYPES.len(), "only {events:?}");
    let refusals: HashSet<_> =
        answers().filter_map(|a| a.as_ref().err()).map(discriminant::<Refused>).collect();
    assert_eq!(refusals.len(), 15, "kinds of refusal");
    let oversold = ordinary.iter().flat_map(|s| &s.steps).any(|t| t.after.counts().oversold_by() > 0);
    assert!(oversold, "no capacity went below what was taken");
    let bounded = |s: &Story| s.steps.iter().any(|t| t.answer.as_ref().is_ok_and(|e| e.len() >= ENDINGS_MAX));
    let rushes = stories(true, 40);
    assert!(rushes.iter().any(bounded), "no rush reached the bound");
    let waits = |s: &Story| {
        s.steps.iter().any(|t| t.after.is_due(t.now) && t.after.counts().sales == SalesState::Cancelled)
    };
    assert!(rushes.iter().any(waits), "no rush had more bookings of what was cancelled than end at once");
}
