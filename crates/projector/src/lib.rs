//! Reads the log in order and feeds one read model, live or rebuilding.
//!
//! Guarantees
//! - Rows and checkpoint are written by one statement, so a crash repeats nothing and skips nothing.
//! - Every batch is checked: in each partition the next event is the one after the last. A hole stops the projector at
//!   that position. An event that cannot be applied sets its stream aside (`parked`); nothing is skipped silently.
//! - Two projectors of one name do not apply an event twice: the checkpoint is compared and swapped.
//! - Live running, rebuilding and verifying are the same loop; they differ in where they start.
//!
//! Not here: what a read model does with an event ([`Projection::fold`]), and anything with side effects. The
//! notifier has side effects, and uses the loop to write down what it owes ([`Begins::AtHeads`]).

mod batch;
mod begin;
mod build;
mod error;
mod feed;
mod flow;
mod link;
mod model;
mod parity;
mod parked;
mod positions;
mod projection;
mod projector;
mod rebuild;
mod shared;
mod source;
mod status;
mod switch;
#[cfg(feature = "testing")]
pub mod testing;

pub use begin::{BeginError, begin_at, stand_by};
pub use error::{Failure, RebuildError};
pub use flow::{
    BEHIND_SECONDS, Flow, Follower, FollowerState, Seen, Standing, TOPIC, describe_flow, sample_flow,
};
pub use parity::Difference;
pub use parked::{
    Freed, ParkedError, ParkedStream, SkippedEvent, parked, parked_streams, retry, skip, skipped,
};
pub use positions::{Freshness, Positions};
pub use projection::{Begins, IN_MOVED, PgQuery, Projection, Table};
pub use projector::{Projector, Step};
pub use rebuild::{Progress, Rebuilt, Verified, rebuild, verify_model};
pub use shared::SharedLog;
pub use source::{LogSource, Source, SourceError};
pub use status::{ProjectorStatus, State};
