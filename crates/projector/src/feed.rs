//! The loop's one step: read a batch, fold it, write it.
//!
//! Shape: one statement writes a batch. Its first part moves the checkpoints by compare-and-swap; rows are
//! written only for partitions whose checkpoint was where we believed it to be. There is no transaction
//! around it, so a batch costs one read and one write, whatever its size.
//! When there is more to come, the next batch is read while this one is written.
//!
//! An event that cannot be applied is set aside with its stream (`parked`). A batch that does so is a transaction of its
//! own; no other pays for it.
//!
//! Correctness: the checkpoint's row lock orders two feeds of one read model. The second waits, finds the
//! position changed, moves nothing and writes nothing of that partition; it loads the checkpoints and goes on.

use crate::{
    Failure, Projection, Source, SourceError,
    batch::{Batch, Checkpoints, events_between, places, position_in},
    model,
    parked::{self, Exceptions, ParkedEvent},
    status::in_words,
};
use sqlx::{Connection as _, PgConnection};
use std::marker::PhantomData;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// There was nothing to apply.
    Nothing,
    /// So many events were applied, or set aside; `more` are likely to wait.
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
    exceptions: Exceptions,
    /// So many of the next events are applied one by one: the tables refused one of them.
    one_by_one: usize,
    /// Somebody's transaction is around every batch: what the tables refuse must not end it.
    in_transaction: bool,
    /// The partition that is served first: it changes with every batch, so that none starves another.
    turn: usize,
    /// The next batch, if it was read while the last one was written.
    ahead: Option<Result<Batch, Failure>>,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection, S: Source> Feed<P, S> {
    pub(crate) fn new(source: S, schema: &str) -> Self {
        let statement = write_sql::<P>(
            schema,
            &format!(
                "UPDATE {schema}.checkpoints c SET position = m.after
                 FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS m (log_partition, before, after)
                 WHERE c.log_partition = m.log_partition AND c.position = m.before
                 RETURNING c.log_partition"
            ),
        );
        let (schema, projection) = (schema.to_owned(), PhantomData);
        let (checkpoints, exceptions) = (vec![], Exceptions::default());
        Self {
            source,
            schema,
            statement,
            checkpoints,
            exceptions,
            one_by_one: 0,
            in_transaction: false,
            turn: 0,
            ahead: None,
            projection,
        }
    }

    /// Begins, or begins anew, after the stored checkpoints.
    pub(crate) async fn start(&mut self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.ahead = None;
        self.checkpoints = model::checkpoints(&mut *conn, &self.schema).await?;
        // After the checkpoints: whoever parks a stream moves one of them.
        self.exceptions = Exceptions::load(conn, P::NAME, &self.schema).await?;
        Ok(())
    }

    pub(crate) fn checkpoints(&self) -> &[i64] {
        &self.checkpoints
    }

    /// Whether streams are set aside, as far as it knows.
    pub(crate) fn parks(&self) -> bool {
        self.exceptions.parks()
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
        let limit = if self.one_by_one > 0 { 1 } else { limit };
        let batch = match self.ahead.take() {
            Some(batch) => batch?,
            None => {
                self.turn += 1;
                read::<P, S>(&mut self.source, &self.exceptions, &self.checkpoints, self.turn, limit, until)
                    .await?
            }
        };
        if batch.moved.is_empty() {
            return Ok(Fed::Nothing);
        }
        if !batch.parked.is_empty() || self.one_by_one > 0 || self.in_transaction {
            return self.step_with_care(conn, batch).await;
        }
        let changes = P::fold(&batch.events);
        let write = write::<P>(conn, &self.statement, &batch, &changes);
        let moved = if batch.full {
            self.turn += 1;
            let next = read::<P, S>(&mut self.source, &self.exceptions, &batch.then, self.turn, limit, until);
            let (moved, next) = tokio::join!(write, next);
            self.ahead = Some(next);
            moved
        } else {
            write.await
        };
        match moved {
            Err(Failure::Contradiction { source, .. }) => self.refused(conn, batch, &source).await,
            moved => self.passed(conn, &batch, moved?).await,
        }
    }

    /// A step that sets events aside, or that is about to find out which.
    async fn step_with_care(&mut self, conn: &mut PgConnection, batch: Batch) -> Result<Fed, Failure> {
        let changes = P::fold(&batch.events);
        let mut tx = conn.begin().await?;
        let moved = match write::<P>(&mut tx, &self.statement, &batch, &changes).await {
            Err(Failure::Contradiction { source, .. }) => {
                tx.rollback().await?;
                return Box::pin(self.refused(conn, batch, &source)).await;
            }
            moved => moved?,
        };
        let whole = moved == batch.moved.len();
        if whole && parked::park(&mut tx, &self.schema, &batch).await? {
            tx.commit().await?;
            self.exceptions.note(P::NAME, self.schema == P::schema(), batch.parked.clone());
            self.passed(conn, &batch, moved).await
        } else {
            tx.rollback().await?;
            self.passed(conn, &batch, 0).await
        }
    }

    /// The tables refused an event of this batch: which of them it is, is found out one by one, and then it is set aside.
    async fn refused(
        &mut self,
        conn: &mut PgConnection,
        batch: Batch,
        why: &sqlx::Error,
    ) -> Result<Fed, Failure> {
        self.ahead = None;
        if batch.len() > 1 {
            self.one_by_one = batch.len();
            return Ok(Fed::Applied { events: 0, more: true });
        }
        let Some(event) = batch.events.first() else { return Ok(Fed::Applied { events: 0, more: true }) };
        let (at, stream) = (event.at, event.inventory_id.to_string());
        let poison = ParkedEvent { at, stream, reason: Some(parked::refusal(why)) };
        let parked = self.exceptions.poison(P::NAME, poison)?;
        let batch = Batch::without(&self.checkpoints, at, parked)?;
        self.step_with_care(conn, batch).await
    }

    /// Goes on behind a batch, if all its checkpoints were where we believed them to be.
    async fn passed(&mut self, conn: &mut PgConnection, batch: &Batch, moved: usize) -> Result<Fed, Failure> {
        if moved != batch.moved.len() {
            self.start(conn).await?;
            return Ok(Fed::Overtaken);
        }
        self.checkpoints.clone_from(&batch.then);
        self.one_by_one = self.one_by_one.saturating_sub(batch.len());
        Ok(Fed::Applied { events: batch.len(), more: batch.full || self.one_by_one > 0 })
    }

    /// [`Feed::run_to`] within the caller's transaction.
    pub(crate) async fn run_to_in_tx(
        &mut self,
        tx: &mut PgConnection,
        limit: usize,
        until: &[i64],
    ) -> Result<(), Failure> {
        self.in_transaction = true;
        let done = self.run_to(tx, limit, until, |_| ()).await;
        self.in_transaction = false;
        done
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

/// Reads and checks a batch. What stands before an event that is not understood is applied first; then that event is a
/// batch of its own.
async fn read<P: Projection, S: Source>(
    source: &mut S,
    exceptions: &Exceptions,
    from: &[i64],
    turn: usize,
    limit: usize,
    until: Option<&[i64]>,
) -> Result<Batch, Failure> {
    let left = until.map_or(i64::MAX, |until| events_between(from, until));
    let limit = limit.min(usize::try_from(left).unwrap_or(usize::MAX));
    let after = places(from, turn, until);
    if after.is_empty() {
        return Batch::check(from, vec![], false, exceptions);
    }
    let (mut events, full) = match source.read(&after, limit).await {
        Err(SourceError::Poison { at, stream, source: why }) => {
            let sound = at.position - 1 - position_in(from, at.log_partition);
            if sound < 0 {
                // Another feed has passed it meanwhile.
                return Batch::check(from, vec![], true, exceptions);
            }
            let Some(sound) = usize::try_from(sound).ok().filter(|sound| *sound > 0) else {
                let poison = ParkedEvent { at, stream, reason: Some(in_words(&*why)) };
                return Batch::without(from, at, exceptions.poison(P::NAME, poison)?);
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
    Batch::check(from, events, full, exceptions)
}

/// The statement that writes a batch's changes, for the partitions that `moved` returns.
pub(crate) fn write_sql<P: Projection>(schema: &str, moved: &str) -> String {
    format!("WITH moved AS ({moved}), {} SELECT log_partition FROM moved", P::write_sql(schema))
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
