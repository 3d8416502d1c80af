//! Plays a sequence to the rules, step by step, and keeps what was said.

use crate::sequences::{Sequence, noon};
use chrono::TimeDelta;
use holdfast_domain::{Inventory, InventoryCommand, InventoryEvent, Refused, Timestamp};

/// One command: when, what, the answer, and the state with the answer applied.
pub(crate) struct Told {
    pub(crate) now: Timestamp,
    pub(crate) command: InventoryCommand,
    pub(crate) answer: Result<Vec<InventoryEvent>, Refused>,
    pub(crate) after: Inventory,
}

/// A sequence that was played.
pub(crate) struct Story {
    pub(crate) steps: Vec<Told>,
}

impl Story {
    /// Everything that happened, in order.
    pub(crate) fn events(&self) -> impl Iterator<Item = &InventoryEvent> {
        self.steps.iter().flat_map(|told| told.answer.iter().flatten())
    }

    /// The state after the last step; every sequence has one.
    pub(crate) fn end(&self) -> &Inventory {
        &self.steps.last().unwrap().after
    }
}

pub(crate) fn play(sequence: &Sequence) -> Story {
    let mut now = noon();
    let mut live = Inventory::default();
    let mut tell = |step: &crate::sequences::Step| {
        now += TimeDelta::microseconds(step.wait_micros);
        let command = step.command.clone();
        let answer = live.decide(&command, now);
        for event in answer.iter().flatten() {
            live.apply(event);
        }
        Told { now, command, answer, after: live.clone() }
    };
    Story { steps: sequence.steps.iter().map(&mut tell).collect() }
}
