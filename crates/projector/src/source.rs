//! Where events come from: the log itself, or its copy in Kafka (`messaging`).

use crate::link::{Link, Role};
use holdfast_event_log::{LogPosition, ReadError, Recorded, read_after};
use sqlx::PgPool;
use std::future::Future;

/// Events could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source does not answer. Goes away by itself.
    #[error("the source of events does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An event is not understood.
    #[error("the event at {at} is not understood")]
    Poison {
        /// Where it stands.
        at: LogPosition,
        /// Of which stream it is.
        stream: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The source is not one that this log's events can come from.
    #[error("the source of events cannot be used")]
    Unfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else wrote into the source.
    #[error("the source has a foreign record in partition {partition} (offset {offset})")]
    Foreign {
        /// In which of its partitions.
        partition: i32,
        /// Where.
        offset: i64,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A place to read events from.
pub trait Source: Send + 'static {
    /// Whether a read waits for events where there are none: then nobody has to poll.
    const WAITS: bool = false;

    /// Reads the events after each of `after`, at most `limit` in all, those of a partition in order.
    /// When there are more than `limit`, partitions that stand first in `after` are served first.
    ///
    /// # Errors
    /// `Poison` if an event among them is not understood; nothing is skipped.
    fn read(
        &mut self,
        after: &[LogPosition],
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Recorded>, SourceError>> + Send;
}

/// The log in Postgres, read over a connection of its own.
#[derive(Debug)]
pub struct LogSource {
    link: Link,
}

impl LogSource {
    /// Reads the log of the database that `pool` is connected to.
    #[must_use]
    pub fn new(pool: &PgPool) -> Self {
        Self { link: Link::new(pool, Role::Reader) }
    }
}

impl Source for LogSource {
    async fn read(&mut self, after: &[LogPosition], limit: usize) -> Result<Vec<Recorded>, SourceError> {
        // Taken out, and put back when it has answered: a read that is given up takes its connection along.
        let mut conn = self.link.take().await.map_err(unreachable)?;
        let read = read_after(&mut conn, after, i64::try_from(limit).unwrap_or(i64::MAX)).await;
        if !matches!(read, Err(ReadError::Database(_))) {
            self.link.put_back(conn);
        }
        read.map_err(|error| match error {
            ReadError::Decode { at, inventory_id, .. } => {
                SourceError::Poison { at, stream: inventory_id.to_string(), source: Box::new(error) }
            }
            ReadError::Stream { at, ref aggregate_id, .. } => {
                SourceError::Poison { at, stream: aggregate_id.clone(), source: Box::new(error) }
            }
            ReadError::Database(_) => unreachable(error),
        })
    }
}

fn unreachable(error: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError::Unreachable(Box::new(error))
}
