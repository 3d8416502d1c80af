//! The loop's one step: read a batch, fold it, write it.
//!
//! Shape: one statement writes a batch. Its first part moves the checkpoints by compare-and-swap; rows are
//! written only for partitions whose checkpoint was where we believed it to be. There is no transaction
//! around it, so a batch costs one read and one write, whatever its size.
//! When there is more to come, the next batch is read while this one is written.
//!
//! Correctness: the checkpoint's row lock orders two feeds of one read model. The second waits, finds the
//! position changed, moves nothing and writes nothing of that partition; it loads the checkpoints and goes on.

use crate::{
    Failure, Projection, Source, SourceError,
    batch::{Batch, Checkpoints, events_between, places, position_in},
    model,
};
use sqlx::PgConnection;
use std::marker::PhantomData;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// There was nothing to apply.
    Nothing,
    /// So many events were applied; `more` are likely to wait.
    Applied { events: usize, more: bool },
    /// Another feed moved a checkpoint first. The checkpoints are loaded anew.
    Overtaken,
}

/// Feeds one schema's read model from one source.
#[derive(Debug)]
pub(crate) struct Feed<P, S> {
    source: S,
    schema: String,
    statement: String,
    checkpoints: Checkpoints,
    /// The partition that is served first: it changes with every batch, so that none starves another.
    turn: usize,
    /// The next batch, if it was read while the last one was written.
    ahead: Option<Result<Batch, Failure>>,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection, S: Source> Feed<P, S> {
    pub(crate) fn new(source: S, schema: &str) -> Self {
        let statement = format!(
            "WITH moved AS (
                 UPDATE {schema}.checkpoints c SET position = m.after
                 FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS m (log_partition, before, after)
                 WHERE c.log_partition = m.log_partition AND c.position = m.before
                 RETURNING c.log_partition
             ), {}
             SELECT log_partition FROM moved",
            P::write_sql(schema)
        );
        let (schema, projection) = (schema.to_owned(), PhantomData);
        Self { source, schema, statement, checkpoints: vec![], turn: 0, ahead: None, projection }
    }

    /// Begins, or begins anew, after these checkpoints.
    pub(crate) fn start_at(&mut self, checkpoints: Checkpoints) {
        self.checkpoints = checkpoints;
        self.ahead = None;
    }

    pub(crate) fn checkpoints(&self) -> &[i64] {
        &self.checkpoints
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// Applies up to `limit` events, none of them beyond `until`.
    pub(crate) async fn step(
        &mut self,
        conn: &mut PgConnection,
        limit: usize,
        until: Option<&[i64]>,
    ) -> Result<Fed, Failure> {
        let batch = match self.ahead.take() {
            Some(batch) => batch?,
            None => {
                self.turn += 1;
                read::<S>(&mut self.source, &self.checkpoints, self.turn, limit, until).await?
            }
        };
        if batch.events.is_empty() {
            return Ok(Fed::Nothing);
        }
        let changes = P::fold(&batch.events);
        let write = write::<P>(conn, &self.statement, &batch, &changes);
        let moved = if batch.full {
            self.turn += 1;
            let next = read::<S>(&mut self.source, &batch.then, self.turn, limit, until);
            let (moved, next) = tokio::join!(write, next);
            self.ahead = Some(next);
            moved?
        } else {
            write.await?
        };
        if moved != batch.moved.len() {
            self.start_at(model::checkpoints(conn, &self.schema).await?);
            return Ok(Fed::Overtaken);
        }
        self.checkpoints = batch.then;
        Ok(Fed::Applied { events: batch.events.len(), more: batch.full })
    }

    /// Applies everything up to exactly `until`, telling `applied` the checkpoints after each batch.
    pub(crate) async fn run_to(
        &mut self,
        conn: &mut PgConnection,
        limit: usize,
        until: &[i64],
        mut applied: impl FnMut(&[i64]) + Send,
    ) -> Result<(), Failure> {
        self.ahead = None; // it may have been read for a nearer goal
        while let Some(place) = places(&self.checkpoints, 0, Some(until)).first() {
            if self.step(conn, limit, Some(until)).await? == Fed::Nothing {
                return Err(Failure::Missing {
                    at: holdfast_event_log::LogPosition { position: place.position + 1, ..*place },
                });
            }
            applied(&self.checkpoints);
        }
        Ok(())
    }
}

/// Reads and checks a batch. What stands before an event that is not understood is still applied, so that
/// the checkpoint tells where the projector stopped.
async fn read<S: Source>(
    source: &mut S,
    from: &[i64],
    turn: usize,
    limit: usize,
    until: Option<&[i64]>,
) -> Result<Batch, Failure> {
    let left = until.map_or(i64::MAX, |until| events_between(from, until));
    let limit = limit.min(usize::try_from(left).unwrap_or(usize::MAX));
    let after = places(from, turn, until);
    if after.is_empty() {
        return Batch::check(from, vec![], false);
    }
    let (mut events, full) = match source.read(&after, limit).await {
        Err(SourceError::Poison { at, source: why }) => {
            let sound = at.position - 1 - position_in(from, at.log_partition);
            let Some(sound) = usize::try_from(sound).ok().filter(|sound| *sound > 0) else {
                return Err(Failure::Poison { at, source: why });
            };
            let place: Vec<_> = after.into_iter().filter(|a| a.log_partition == at.log_partition).collect();
            (source.read(&place, sound.min(limit)).await?, true)
        }
        read => {
            let events = read?;
            let full = events.len() >= limit;
            (events, full)
        }
    };
    if let Some(until) = until {
        events.retain(|e| e.at.position <= position_in(until, e.at.log_partition));
    }
    Batch::check(from, events, full)
}

/// Writes a batch, and returns how many partitions moved.
async fn write<P: Projection>(
    conn: &mut PgConnection,
    statement: &str,
    batch: &Batch,
    changes: &P::Changes,
) -> Result<usize, Failure> {
    let query = sqlx::query(statement).bind(&batch.moved).bind(&batch.before).bind(&batch.after);
    let moved = P::bind(query, changes).fetch_all(conn).await;
    moved.map(|rows| rows.len()).map_err(|source| Failure::of_write(P::NAME, source))
}
