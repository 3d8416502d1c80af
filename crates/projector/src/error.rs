//! What ends or delays a projector, and what ends a rebuild.

use crate::SourceError;
use holdfast_event_log::LogPosition;
use uuid::Uuid;

/// Why a batch was not applied.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A position is missing in the log. Applying what follows would make every count wrong.
    #[error("log partition {log_partition} has a hole: expected position {expected}, found {found}")]
    Hole {
        /// Where.
        log_partition: u16,
        /// The position after the last one applied.
        expected: i64,
        /// The position that came instead.
        found: i64,
    },
    /// The log's heads promise an event that is not there.
    #[error("the event at {at} is missing, though the log's head is at or after it")]
    Missing {
        /// Where it should be.
        at: LogPosition,
    },
    /// So many streams are set aside that it is not a matter of single events any more.
    #[error(
        "the event at {at} cannot be applied, and {streams} streams of {name} are parked already: this is not about \
         single events; see `holdfast parked list`"
    )]
    TooManyParked {
        /// The read model.
        name: &'static str,
        /// Where it stands; everything before it in its partition is applied or parked.
        at: LogPosition,
        /// Streams that are parked.
        streams: usize,
    },
    /// The read model was made from another log, such as the one before a restore.
    #[error("read model {name} was made from log {model}, this is log {log}; {remedy}")]
    OtherLog {
        /// The read model.
        name: &'static str,
        /// The log it was made from.
        model: Uuid,
        /// The log that is here.
        log: Uuid,
        /// What can be done.
        remedy: String,
    },
    /// The read model's tables were made by another build.
    #[error("the tables of read model {name} are not those of this build; {remedy}")]
    OtherTables {
        /// The read model.
        name: &'static str,
        /// What can be done.
        remedy: String,
    },
    /// The read model contains events that the log does not have (any more).
    #[error(
        "read model {name} is at {checkpoint}, but that partition of the log ends at {head}: the log was set \
         back; {remedy}"
    )]
    AheadOfLog {
        /// The read model.
        name: &'static str,
        /// Where it believes to be.
        checkpoint: LogPosition,
        /// Where the log ends.
        head: i64,
        /// What can be done.
        remedy: String,
    },
    /// Rows and log contradict each other: a row is there already, a number does not fit.
    #[error("the rows of read model {name} contradict the log; `holdfast rebuild {name}` repairs them")]
    Contradiction {
        /// The read model.
        name: &'static str,
        /// What Postgres said.
        #[source]
        source: sqlx::Error,
    },
    /// The source of events cannot be reached. Goes away by itself.
    #[error("the events could not be read")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The source is not one that this log's events can come from.
    #[error("the source of events cannot be used")]
    Unfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else writes into the source of events.
    #[error("the source of events is not this log's alone")]
    Foreign(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database took a statement and did not answer. Goes away by itself.
    #[error("the read model's database fell silent")]
    Silent,
    /// The database cannot be reached or is busy. Goes away by itself.
    #[error("the read model's database did not answer")]
    Database(#[from] sqlx::Error),
}

impl Failure {
    /// Whether trying again later can help. All others need somebody.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Source(_) | Self::Silent | Self::Database(_))
    }

    /// What a refused write means. SQLSTATE classes 22 (data) and 23 (constraints) come again with every
    /// attempt; connections, locks and shutdowns do not.
    pub(crate) fn of_write(name: &'static str, source: sqlx::Error) -> Self {
        let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.is_some_and(|code| code.starts_with("22") || code.starts_with("23")) {
            return Self::Contradiction { name, source };
        }
        Self::Database(source)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            // An event that is not understood is set aside where it stands first; until then it is only in the way.
            SourceError::Unreachable(source) | SourceError::Poison { source, .. } => Self::Source(source),
            SourceError::Unfit(source) => Self::Unfit(source),
            SourceError::Foreign { .. } => Self::Foreign(Box::new(error)),
        }
    }
}

/// Why a read model was not rebuilt or verified. The live one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another process builds this read model.
    #[error("{schema} is being built by another process")]
    Busy {
        /// What both want to build.
        schema: String,
    },
    /// There is nothing to verify.
    #[error("there is no read model {name}; its projector has not run yet")]
    NotThere {
        /// The read model.
        name: &'static str,
    },
    /// The live read model was deleted and begun again meanwhile.
    #[error("the live read model {name} went back while it was being compared; try again")]
    LiveWentBack {
        /// The read model.
        name: &'static str,
    },
    /// The log could not be applied.
    #[error("the log could not be applied")]
    Feed(#[from] Failure),
    /// Postgres said no.
    #[error("Postgres refused while {doing}")]
    Database {
        /// The step.
        doing: &'static str,
        /// What it said.
        #[source]
        source: sqlx::Error,
    },
}
