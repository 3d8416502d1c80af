//! What delays or ends a relay.

use holdfast_event_log::LogPosition;
use holdfast_messaging::{SendError, TopicError};
use uuid::Uuid;

/// Why a batch was not sent.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The log, or the leases, could not be read. Goes away by itself.
    #[error("the log could not be read")]
    Database(#[from] sqlx::Error),
    /// The topic cannot be used.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The broker did not take a batch.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The topic has the records of another log.
    #[error(
        "topic {topic} holds log {found}, and this is log {log}: two installations must not share a topic; name another \
         broker, or delete the topic if that log is gone"
    )]
    OtherLog {
        /// The topic.
        topic: String,
        /// The log that its records name.
        found: Uuid,
        /// This one.
        log: Uuid,
    },
    /// The topic has events that the log does not have.
    #[error(
        "topic {topic} is at {sent}, but that partition of the log ends at {head}: the log was set back, and consumers have \
         seen what it lost; restore the log, or delete the topic and let every consumer begin anew"
    )]
    Ahead {
        /// The topic.
        topic: String,
        /// Where it is.
        sent: LogPosition,
        /// Where the log ends.
        head: i64,
    },
    /// Records of the topic are gone, or never were there.
    #[error(
        "topic {topic} has {records} records up to {at}, fewer than that position: some are missing, as when it was made \
         anew while a relay wrote into it; delete the topic, and start the relay again, which fills it from position 1"
    )]
    Hole {
        /// The topic.
        topic: String,
        /// Where it ends.
        at: LogPosition,
        /// How many records that partition has had.
        records: i64,
    },
    /// The topic has another event at a position than the log.
    #[error(
        "topic {topic} and the log have different events at {at}: the log was set back and went on differently; restore it, \
         or delete the topic and let every consumer begin anew"
    )]
    Differs {
        /// The topic.
        topic: String,
        /// Where.
        at: LogPosition,
    },
}

impl Failure {
    /// Whether trying again can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(_) => true,
            Self::Topic(error) => error.is_transient(),
            Self::Send(error) => error.is_transient(),
            Self::OtherLog { .. } | Self::Ahead { .. } | Self::Hole { .. } | Self::Differs { .. } => false,
        }
    }
}
