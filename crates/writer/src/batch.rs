//! A batch: the append that is being gathered, and everyone who waits for its commit.

use crate::ask::{Accepted, ExecuteError};
use crate::message::Envelope;
use holdfast_domain::{InventoryId, Undo};
use holdfast_event_log::{Append, Head, LogPosition, NewEvent, Recorded};
use std::collections::HashMap;
use uuid::Uuid;

/// Events of one append, about: bounds the statement's size and how long its rows stay locked.
/// A single decision may add up to 501 more.
const BATCH_EVENTS_MAX: usize = 2_000;

/// A command that was decided and waits for the commit.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) envelope: Envelope,
    pub(crate) log_partition: u16,
    pub(crate) outcome: Result<Accepted, ExecuteError>,
}

impl Pending {
    /// Whether its answer is an event: of this batch, or of the log.
    pub(crate) fn has_an_event(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|accepted| accepted.answer.is_some())
    }

    /// What the same command gets when it is asked again in this batch.
    pub(crate) fn repeat(&self, fingerprint: Uuid) -> Result<Accepted, ExecuteError> {
        if self.envelope.ask().fingerprint != fingerprint {
            return Err(ExecuteError::KeyReused);
        }
        self.outcome.clone().map(|first| Accepted { replayed: true, ..first })
    }
}

/// What an event of the batch changed in memory.
#[derive(Debug)]
pub(crate) struct Provisional {
    pub(crate) log_partition: u16,
    pub(crate) inventory_id: InventoryId,
    pub(crate) undo: Undo,
}

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) append: Append,
    pub(crate) waiting: Vec<Pending>,
    /// In the order in which they were applied.
    pub(crate) provisional: Vec<Provisional>,
    /// The events, as those who follow the log in this process are given them after the commit.
    pub(crate) recorded: Vec<Recorded>,
    by_command: HashMap<Uuid, usize>,
    current: Option<(u16, i64)>,
}

impl Batch {
    /// Adds an event of the partition that ends at `head`. Events of one partition come together.
    pub(crate) fn event(&mut self, head: Head, undo: Undo, event: NewEvent) -> Option<LogPosition> {
        if self.current.is_none_or(|(partition, _)| partition != head.log_partition) {
            self.append.begin(head, event.recorded_at);
        }
        let inventory_id = event.inventory_id;
        self.provisional.push(Provisional { log_partition: head.log_partition, inventory_id, undo });
        let at = self.append.event(event)?;
        self.current = Some((at.log_partition, at.position));
        Some(at)
    }

    /// Adds an accepted command whose answer is the event at `answer`. `wait` must follow.
    pub(crate) fn command(&mut self, command_id: Uuid, fingerprint: Uuid, answer: LogPosition) {
        self.append.command(command_id, fingerprint, answer);
        self.by_command.insert(command_id, self.waiting.len());
    }

    /// The command of this id that waits in this batch, if there is one.
    pub(crate) fn pending(&self, command_id: Uuid) -> Option<&Pending> {
        self.by_command.get(&command_id).and_then(|index| self.waiting.get(*index))
    }

    pub(crate) fn wait(&mut self, pending: Pending) {
        self.waiting.push(pending);
    }

    /// Where the partition's chain ends with this batch in it.
    pub(crate) fn end(&self, head: Head) -> LogPosition {
        let position = match self.current {
            Some((partition, position)) if partition == head.log_partition => position,
            _ => head.position,
        };
        LogPosition { log_partition: head.log_partition, position }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.append.len() >= BATCH_EVENTS_MAX
    }

    /// Bookings that end unasked may take half of a batch, so that those who ask come through beside them.
    pub(crate) fn is_full_of_endings(&self) -> bool {
        self.append.len() >= BATCH_EVENTS_MAX / 2
    }

    /// Partitions with events in it, each once.
    pub(crate) fn log_partitions(&self) -> Vec<u16> {
        let mut numbers: Vec<u16> = self.provisional.iter().map(|p| p.log_partition).collect();
        numbers.dedup();
        numbers
    }
}
