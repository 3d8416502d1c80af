//! What is sent to a flusher: commands and strong reads, each with the way its answer goes back.

use crate::ask::{Accepted, Ask, ExecuteError};
use crate::partition::InventoryView;
use holdfast_domain::{Booking, BookingId, InventoryId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Whether a command is in the log, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InLog {
    /// This request has written nothing yet. Whether an earlier one with its key has, nothing suggests.
    NotAsked,
    /// The log was asked, after everything that could have written it, and does not have it.
    No,
    /// An append with it has no known outcome, or the log has it, or its state suggests so.
    Perhaps,
}

/// A command with the way its answer goes back and its place in the partition's queue.
#[derive(Debug)]
pub(crate) struct Envelope {
    ask: Ask,
    reply: oneshot::Sender<Result<Accepted, ExecuteError>>,
    pub(crate) in_log: InLog,
    /// Appends that failed with this command in them.
    failures: u32,
    /// Freed with the envelope, or when it waits for a load: the queue is as long as what is undecided.
    place: Option<OwnedSemaphorePermit>,
}

impl Envelope {
    pub(crate) fn new(
        ask: Ask,
        reply: oneshot::Sender<Result<Accepted, ExecuteError>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { ask, reply, in_log: InLog::NotAsked, failures: 0, place: Some(place) }
    }

    pub(crate) fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Answers. The one place where a command ends, and so the one that sees to it that what may be in the
    /// log is never answered with an error that says that nothing was done.
    ///
    /// A client that no longer listens is no error: it asks again with the same key.
    pub(crate) fn answer(self, outcome: Result<Accepted, ExecuteError>) {
        let outcome = match outcome {
            Err(ExecuteError::Unavailable | ExecuteError::Overloaded) if self.in_log == InLog::Perhaps => {
                Err(ExecuteError::OutcomeUnknown)
            }
            outcome => outcome,
        };
        let _ = self.reply.send(outcome);
    }
}

/// A read that sees everything that was answered.
#[derive(Debug)]
pub(crate) enum Query {
    Inventory(InventoryId, oneshot::Sender<Result<InventoryView, ExecuteError>>),
    Booking(InventoryId, BookingId, oneshot::Sender<Result<Booking, ExecuteError>>),
    /// Only brings the inventory into memory, where the bookings that are to end are found.
    Wake(InventoryId),
}

impl Query {
    pub(crate) fn inventory_id(&self) -> InventoryId {
        match self {
            Self::Inventory(id, _) | Self::Booking(id, _, _) | Self::Wake(id) => *id,
        }
    }

    pub(crate) fn fail(self, error: ExecuteError) {
        match self {
            Self::Inventory(_, reply) => drop(reply.send(Err(error))),
            Self::Booking(_, _, reply) => drop(reply.send(Err(error))),
            Self::Wake(_) => {}
        }
    }
}

/// Failed appends after which a command is refused: the fault is not going away.
const FAILURES_MAX: u32 = 3;

#[derive(Debug)]
pub(crate) enum Message {
    Command(Envelope),
    Query(Query, Option<OwnedSemaphorePermit>),
}

impl Message {
    pub(crate) fn inventory_id(&self) -> InventoryId {
        match self {
            Self::Command(envelope) => envelope.ask.inventory_id,
            Self::Query(query, _) => query.inventory_id(),
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Command(envelope) => envelope.reply.is_closed(),
            Self::Query(Query::Inventory(_, reply), _) => reply.is_closed(),
            Self::Query(Query::Booking(_, _, reply), _) => reply.is_closed(),
            Self::Query(Query::Wake(_), _) => false,
        }
    }

    /// It waits for a load from now on: its place in the partition's queue is free for others.
    pub(crate) fn leave_queue(&mut self) {
        match self {
            Self::Command(envelope) => envelope.place = None,
            Self::Query(_, place) => *place = None,
        }
    }

    /// An append failed with this in it: it is tried again, but not for ever.
    pub(crate) fn failed(mut self) -> Option<Self> {
        if let Self::Command(envelope) = &mut self {
            envelope.failures += 1;
            if envelope.failures >= FAILURES_MAX {
                self.fail(ExecuteError::Unavailable);
                return None;
            }
        }
        Some(self)
    }

    pub(crate) fn fail(self, error: ExecuteError) {
        match self {
            Self::Command(envelope) => envelope.answer(Err(error)),
            Self::Query(query, _) => query.fail(error),
        }
    }
}
