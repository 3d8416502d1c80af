//! Where a projection that does not begin with the first event begins.
//!
//! Its checkpoints are all it has: whoever registers for its work makes sure that they are there first
//! ([`stand_by`]), and an operator may set them ([`begin_at`]). Never for a read model: its rows would
//! contradict the log.

use crate::{Failure, Projection, batch::Checkpoints, model, projection::schema_of};
use holdfast_event_log::LogPosition;
use sqlx::{Executor, PgConnection};

/// The position to begin at is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// There is no such partition.
    #[error("{at}: this log has the partitions 0 to {last}")]
    Partition {
        /// What was asked for.
        at: LogPosition,
        /// The last partition.
        last: usize,
    },
    /// The partition does not reach so far.
    #[error("{at}: that partition can be begun at 1 to {next}, where its next event will stand")]
    Position {
        /// What was asked for.
        at: LogPosition,
        /// The next position to be written.
        next: i64,
    },
    /// A partition is named twice.
    #[error("{at}: the partition is named twice")]
    Twice {
        /// The second one.
        at: LogPosition,
    },
    /// The database did not do it.
    #[error("the checkpoints could not be set")]
    Database(#[from] sqlx::Error),
}

/// Makes the checkpoints where there are none, so that every event from now on will be seen, whenever the
/// projector runs for the first time.
///
/// # Errors
/// What would stop the projector, too.
pub async fn stand_by<P: Projection>(conn: &mut PgConnection) -> Result<(), Failure> {
    model::open::<P>(conn).await.map(|_| ())
}

/// Sets the checkpoints, within the caller's transaction, so that the events at `first` are the next of their
/// partitions; other partitions stay where they are. Checkpoints that do not fit this log or this build are
/// made anew. Returns all of them.
///
/// # Errors
/// The positions are checked against the log.
pub async fn begin_at<P: Projection>(
    tx: &mut PgConnection,
    first: &[LogPosition],
) -> Result<Vec<i64>, BeginError> {
    let schema = schema_of(P::NAME);
    model::lock_schemas(&mut *tx, P::NAME).await?;
    let heads = model::heads(&mut *tx).await?;
    let fits = match model::live::<P>(tx).await {
        Ok(there) => there,
        Err(Failure::Database(error)) => return Err(error.into()),
        Err(_) => None,
    };
    let is_there = fits.is_some();
    let mut checkpoints = fits.unwrap_or_else(|| heads.clone());
    name(&mut checkpoints, &heads, first)?;
    if !is_there {
        tx.execute(format!("DROP SCHEMA IF EXISTS {schema} CASCADE").as_str()).await?;
        model::create::<P>(tx, &schema).await?;
    }
    model::set_checkpoints(&mut *tx, &schema, &checkpoints).await?;
    // What comes again is not set aside twice.
    let again = format!(
        "DELETE FROM {schema}.parked p USING {schema}.checkpoints c
         WHERE p.log_partition = c.log_partition AND p.position > c.position"
    );
    tx.execute(again.as_str()).await?;
    Ok(checkpoints)
}

fn name(checkpoints: &mut Checkpoints, heads: &[i64], first: &[LogPosition]) -> Result<(), BeginError> {
    for (nth, at) in first.iter().copied().enumerate() {
        let partition = usize::from(at.log_partition);
        let (Some(checkpoint), Some(head)) = (checkpoints.get_mut(partition), heads.get(partition)) else {
            return Err(BeginError::Partition { at, last: heads.len().saturating_sub(1) });
        };
        if at.position < 1 || at.position > *head + 1 {
            return Err(BeginError::Position { at, next: *head + 1 });
        }
        if first.iter().take(nth).any(|other| other.log_partition == at.log_partition) {
            return Err(BeginError::Twice { at });
        }
        *checkpoint = at.position - 1;
    }
    Ok(())
}
