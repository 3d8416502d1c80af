//! The writer: aggregates in memory, one owner per log partition, and the order of things:
//! decide, append, answer.
//!
//! Guarantees
//! - An accepted command is answered after its events have committed, never before.
//! - A refusal that depends on an event which has not committed waits for that commit.
//! - A command id has one effect; the same request again gets the first answer again.
//! - A partition that is fenced or fails takes no other partition's commands with it.
//! - Every queue is bounded; a full one refuses at once.
//!
//! Not here: the rules (`domain`), the tables (`event-log`), who may ask (`api`).

mod ask;
mod batch;
mod cold_load;
mod commits;
mod flusher;
mod message;
mod partition;
mod writer;

pub use ask::{Accepted, Ask, ExecuteError};
pub use commits::Committed;
pub use partition::InventoryView;
pub use writer::{Writer, WriterConfig, WriterStatus};
