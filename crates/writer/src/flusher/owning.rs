//! Owning partitions: taking them over, renewing the leases, and the one connection for it all.

use super::Flusher;
use crate::ask::ExecuteError;
use crate::message::Message;
use crate::partition::Partition;
use holdfast_event_log::{self as log, Claim, ReadError};
use sqlx::{Connection, PgConnection};
use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// Connecting, taking over and looking commands up after a failure, together. Clients are waiting.
pub(super) const RECOVER_MAX: Duration = Duration::from_millis(700);
/// Every other statement of the flusher.
const STATEMENT_MAX: Duration = Duration::from_secs(2);

/// On whose behalf partitions are taken over.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) id: Uuid,
    pub(crate) address: String,
    pub(crate) force: bool,
}

/// Something Postgres did not do for the flusher, other than an append.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("Postgres could not be reached")]
    Database(#[from] sqlx::Error),
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error("Postgres did not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

impl Flusher {
    pub(super) fn drop_memory(&mut self, log_partition: u16) -> Vec<Message> {
        self.partitions.get_mut(&log_partition).map(Partition::drop_memory).unwrap_or_default()
    }

    /// Takes over what is not owned, as far as the leases of others allow.
    pub(crate) async fn take_over(&mut self) {
        if let Err(error) = self.try_take_over().await {
            self.connection = None;
            tracing::warn!(error = &error as &dyn Error, "partitions could not be taken over; trying again");
        }
    }

    pub(super) async fn try_take_over(&mut self) -> Result<(), StoreError> {
        let numbers: Vec<i16> =
            self.partitions.values().filter(|p| p.owned.is_none()).map(|p| p.number.cast_signed()).collect();
        if !numbers.is_empty() {
            let taken = self.with_connection(async |conn, owner| {
                let claim = Claim { owner: owner.id, owner_address: &owner.address, force: owner.force };
                Ok(log::take_over(conn, &numbers, claim).await?)
            });
            for taken in taken.await? {
                if let Some(partition) = self.partitions.get_mut(&taken.head.log_partition) {
                    partition.take(taken);
                }
            }
            self.owner.force = false; // only what was there at the start is known to be dead
        }
        self.publish_owned();
        Ok(())
    }

    pub(super) fn publish_owned(&self) {
        let owned = self.partitions.values().filter(|p| p.owned.is_some()).count();
        self.gauge.owned.store(u16::try_from(owned).unwrap_or(u16::MAX), Ordering::Relaxed);
    }

    pub(super) async fn renew(&mut self) {
        let heads: Vec<_> = self.partitions.values().filter_map(|p| p.owned.map(|o| o.head)).collect();
        let kept =
            self.with_connection(async |conn, owner| Ok(log::renew(conn, &heads, owner.id).await?)).await;
        match kept {
            Ok(kept) => {
                for head in heads.iter().filter(|head| !kept.contains(&head.log_partition)) {
                    tracing::warn!(partition = head.log_partition, "another process took the partition over");
                    for message in self.drop_memory(head.log_partition) {
                        message.fail(ExecuteError::Unavailable);
                    }
                }
            }
            // Not renewed is not lost: each append proves the ownership anew.
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "the leases were not renewed");
            }
        }
        self.publish_owned();
    }

    pub(super) async fn connected(&mut self) -> Result<PgConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(timeout(RECOVER_MAX, PgConnection::connect_with(&self.connect)).await??),
        }
    }

    /// Runs one statement, bounded in time. After an error the connection is not used again.
    pub(super) async fn with_connection<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection, &Owner) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.gauge.statement_sent(Some(Instant::now()));
        let answer = async {
            let mut connection = self.connected().await?;
            let answer = timeout(STATEMENT_MAX, statement(&mut connection, &self.owner)).await??;
            self.connection = Some(connection);
            Ok(answer)
        };
        let answer = answer.await;
        self.gauge.statement_sent(None);
        answer
    }
}
