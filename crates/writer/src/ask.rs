//! A command on its way in, and its answer on the way out.

use holdfast_domain::{Booking, Counts, InventoryCommand, InventoryId, Refused, Terms};
use holdfast_event_log::{LogPosition, Recorded};
use uuid::Uuid;

/// A command with what is needed to do it once.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Names the command for ever: derived from the client's idempotency key, or made anew.
    pub command_id: Uuid,
    /// Of the request: the same id with another fingerprint is refused.
    pub fingerprint: Uuid,
    /// A client chose the id, and may ask again with it: the first answer is owed. Else it is new.
    pub keyed: bool,
    /// The stream.
    pub inventory_id: InventoryId,
    /// What is asked.
    pub command: InventoryCommand,
    /// JSON object of strings that goes into the events' metadata (actor, correlation_id, …).
    pub metadata: String,
}

/// An accepted command: what it says is durable.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The stream.
    pub inventory_id: InventoryId,
    /// The answer is true from this place of the log on: the consistency token.
    pub at: LogPosition,
    /// The command's last event. None: there was nothing left to do.
    pub answer: Option<Recorded>,
    /// The seats, counted, after it.
    pub counts: Counts,
    /// The booking the command was about, after it.
    pub booking: Option<Booking>,
    /// What is sold, after a command that changes or cancels a flight; boxed, so that no booking pays for it.
    pub terms: Option<Box<Terms>>,
    /// The command had been accepted before; this is the first answer again.
    pub replayed: bool,
}

/// A command that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecuteError {
    /// The rules refused it. Nothing was written.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The command id was accepted before, with another request. Nothing was written.
    #[error("the command id was used for another request")]
    KeyReused,
    /// Too much waits for the partition, or for the load of the inventory. This request wrote nothing and will write
    /// nothing; an earlier one of the same id whose outcome was unknown may have. Try again after a second.
    #[error("too many commands are waiting")]
    Overloaded,
    /// The log cannot be reached or refuses what is written, or another process owns the partition. This request wrote
    /// nothing and will write nothing; an earlier one of the same id whose outcome was unknown may have.
    #[error("the log cannot be written at the moment")]
    Unavailable,
    /// The command was perhaps written, by this request or by an earlier one of its id, and the log could
    /// not be asked. Send it again with the same id: it will have one effect.
    #[error("it is not known whether the command was written")]
    OutcomeUnknown,
}
