//! Copies the log into its topic: every event, in the order of its partition, from position 1 on.
//!
//! Guarantees
//! - What is sent comes from the log after its commit, and where a partition goes on is read from the topic's own end.
//!   So nothing is missing, whatever crashed; an event may be there twice, and consumers drop by position.
//! - A topic that is another log's, or ahead of this one, is not written to: the relay stops and says why.
//! - How far the topic is, it tells others (`topic_positions`) as a courtesy; it never reads that itself.
//! - Bookings never wait for it. While no broker answers it tries again, and the lag shows.
//!
//! Not here: what a record looks like and how it gets to the broker (`messaging`).

mod failure;
mod leases;
mod relay;
mod status;
mod told;
mod verify;

pub use failure::Failure;
pub use leases::{RelayLease, relay_leases};
pub use relay::{Relay, Step};
pub use status::{PartitionStatus, RelayStatus, State};
pub use verify::{TopicReport, verify};
