//! Sets parked streams free: their events are applied in order, in small transactions that hold the feeds for one batch.

use super::{existing, list::parked, refusal, skipped_by};
use crate::{
    Failure, Projection,
    feed::write_sql,
    link::{Link, Role},
    model::{self, hold},
    status::in_words,
};
use holdfast_event_log::{LogPosition, ReadError, Recorded, read_raw_at};
use sqlx::{Connection as _, PgConnection, PgPool};
use std::collections::HashSet;

/// Events of one transaction: bounds how long the feeds wait, as a batch of theirs does.
const EVENTS_MAX: i64 = 1_000;
/// Characters of a reason: a sentence or two, or the number of a ticket.
const REASON_CHARACTERS_MAX: usize = 500;
/// Streams that one call of [`retry`] looks at; a follower parks no more.
const STREAMS_MAX: u32 = 10_000;

/// What became of parked streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Streams that flow again.
    pub streams: u64,
    /// Events that were applied.
    pub events: u64,
    /// Streams that still wait.
    pub waiting: u64,
}

/// Parked streams were not set free, or an event not skipped.
#[derive(Debug, thiserror::Error)]
pub enum ParkedError {
    /// There is nothing of that name to look into.
    #[error("there is no {name} in this database yet; whoever feeds it has not run")]
    NotThere {
        /// The follower.
        name: &'static str,
    },
    /// The stream does not wait.
    #[error("stream {stream} is not parked at {name}; `holdfast parked list` shows those that are")]
    NoSuchStream {
        /// The follower.
        name: &'static str,
        /// What was asked for.
        stream: String,
    },
    /// The event is not what holds a stream up.
    #[error(
        "the event at {at} holds no stream up at {name}; `holdfast parked list` shows those that do, and only \
         they can be skipped"
    )]
    NotToBlame {
        /// The follower.
        name: &'static str,
        /// What was asked for.
        at: LogPosition,
    },
    /// The reason says nothing, or too much.
    #[error("give a reason of 1 to {REASON_CHARACTERS_MAX} characters; it is kept with the skipped event")]
    Reason,
    /// Its tables are not those that this build writes to.
    #[error("nothing can be applied")]
    Unfit(#[source] Failure),
    /// The log or the rows could not be read or written.
    #[error("parked events could not be looked at")]
    Database(#[from] sqlx::Error),
}

/// Applies what is parked at the read model `P`: of `stream`, or of all. An event that still cannot be applied goes on
/// holding its stream up. Works beside running projectors.
///
/// # Errors
/// What was applied before stays applied.
pub async fn retry<P: Projection>(pool: &PgPool, stream: Option<&str>) -> Result<Freed, ParkedError> {
    let schema = existing(pool, P::NAME).await?.ok_or(ParkedError::NotThere { name: P::NAME })?;
    let mut streams: Vec<String> =
        parked(pool, P::NAME, STREAMS_MAX).await?.into_iter().map(|parked| parked.stream).collect();
    if let Some(wanted) = stream {
        streams.retain(|stream| stream == wanted);
        if streams.is_empty() {
            return Err(ParkedError::NoSuchStream { name: P::NAME, stream: wanted.to_owned() });
        }
    }
    let mut link = Link::new(pool, Role::Writer);
    let conn = link.connection().await?;
    model::live::<P>(conn).await.map_err(ParkedError::Unfit)?;
    let skipped = skipped_by(&mut *conn, P::NAME).await?;
    let mut stream =
        Stream::<P> { schema: &schema, skipped: &skipped, page: EVENTS_MAX, of: std::marker::PhantomData };
    let mut freed = Freed::default();
    for name in &streams {
        stream.page = EVENTS_MAX;
        loop {
            match stream.step(conn, name).await? {
                Stepped::Applied(events) => freed.events += events,
                Stepped::Refused => stream.page = 1,
                Stepped::Free => break freed.streams += 1,
                Stepped::Stuck => break freed.waiting += 1,
            }
        }
    }
    Ok(freed)
}

/// Leaves out for good, at the read model `P`, the event that holds a stream up; then applies what waits behind it.
///
/// # Errors
/// Only an event that is to blame can be skipped, and only with a reason.
pub async fn skip<P: Projection>(pool: &PgPool, at: LogPosition, reason: &str) -> Result<Freed, ParkedError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARACTERS_MAX {
        return Err(ParkedError::Reason);
    }
    let schema = existing(pool, P::NAME).await?.ok_or(ParkedError::NotThere { name: P::NAME })?;
    let mut tx = pool.begin().await?;
    hold(&mut tx, &schema).await?;
    let remove = format!(
        "DELETE FROM {schema}.parked WHERE log_partition = $1 AND position = $2 AND reason IS NOT NULL RETURNING stream"
    );
    let stream: Option<String> = sqlx::query_scalar(&remove)
        .bind(at.log_partition.cast_signed())
        .bind(at.position)
        .fetch_optional(&mut *tx)
        .await?;
    let stream = stream.ok_or(ParkedError::NotToBlame { name: P::NAME, at })?;
    sqlx::query(
        "INSERT INTO skipped_events (follower, log_partition, position, stream, reason) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (follower, log_partition, position) DO NOTHING",
    )
    .bind(P::NAME)
    .bind(at.log_partition.cast_signed())
    .bind(at.position)
    .bind(&stream)
    .bind(reason)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    match retry::<P>(pool, Some(&stream)).await {
        // Nothing waited behind it.
        Err(ParkedError::NoSuchStream { .. }) => Ok(Freed { streams: 1, ..Freed::default() }),
        freed => freed,
    }
}

/// How to go on with a stream.
struct Stream<'a, P> {
    schema: &'a str,
    skipped: &'a HashSet<LogPosition>,
    /// Events of the next transaction.
    page: i64,
    of: std::marker::PhantomData<fn() -> P>,
}

/// What one transaction did.
enum Stepped {
    /// So many events were applied; there may be more.
    Applied(u64),
    /// The tables refused more than one event at once: one by one then.
    Refused,
    /// Nothing waits any more.
    Free,
    /// The first event still cannot be applied.
    Stuck,
}

impl<P: Projection> Stream<'_, P> {
    async fn step(&self, conn: &mut PgConnection, stream: &str) -> Result<Stepped, sqlx::Error> {
        let mut tx = conn.begin().await?;
        hold(&mut tx, self.schema).await?;
        let page = format!(
            "SELECT log_partition, position FROM {}.parked WHERE stream = $1 ORDER BY position LIMIT $2",
            self.schema
        );
        let page: Vec<(i16, i64)> =
            sqlx::query_as(&page).bind(stream).bind(self.page).fetch_all(&mut *tx).await?;
        let Some((log_partition, first)) = page.first().copied() else { return Ok(Stepped::Free) };
        let positions: Vec<i64> = page.into_iter().map(|(_, position)| position).collect();
        let raw = read_raw_at(&mut *tx, log_partition.cast_unsigned(), &positions).await?;
        let decoded: Result<Vec<Recorded>, ReadError> = raw
            .iter()
            .filter(|event| !self.skipped.contains(&event.at))
            .map(holdfast_event_log::RawEvent::decode)
            .collect();
        let refused = match decoded {
            Ok(_) if raw.len() < positions.len() => Some("it is missing in the log".to_owned()),
            Ok(events) => {
                let written = self.apply(&mut tx, log_partition, &events).await;
                match written.map_err(|error| Failure::of_write(P::NAME, error)) {
                    Ok(()) => None,
                    Err(Failure::Contradiction { source, .. }) => Some(refusal(&source)),
                    Err(Failure::Database(error)) => return Err(error),
                    Err(other) => Some(in_words(&other)),
                }
            }
            Err(error) => Some(in_words(&error)),
        };
        match refused {
            None => {
                self.remove(&mut tx, log_partition, &positions).await?;
                tx.commit().await?;
                Ok(Stepped::Applied(positions.len() as u64))
            }
            Some(_) if positions.len() > 1 => Ok(Stepped::Refused), // dropping rolls it back
            Some(why) => {
                drop(tx);
                let told = format!(
                    "UPDATE {}.parked SET reason = $3 WHERE log_partition = $1 AND position = $2",
                    self.schema
                );
                sqlx::query(&told).bind(log_partition).bind(first).bind(why).execute(conn).await?;
                Ok(Stepped::Stuck)
            }
        }
    }

    /// Writes as a feed does; the checkpoint is beyond these events already.
    async fn apply(
        &self,
        tx: &mut PgConnection,
        log_partition: i16,
        events: &[Recorded],
    ) -> Result<(), sqlx::Error> {
        let changes = P::fold(events);
        let statement = write_sql::<P>(
            self.schema,
            "SELECT m.log_partition FROM unnest($1::smallint[], $2::bigint[], $3::bigint[])
                 AS m (log_partition, before, after)",
        );
        let query = sqlx::query(&statement).bind(vec![log_partition]).bind(vec![0_i64]).bind(vec![0_i64]);
        P::bind(query, &changes).execute(tx).await.map(|_| ())
    }

    async fn remove(
        &self,
        tx: &mut PgConnection,
        log_partition: i16,
        positions: &[i64],
    ) -> Result<(), sqlx::Error> {
        let remove =
            format!("DELETE FROM {}.parked WHERE log_partition = $1 AND position = ANY ($2)", self.schema);
        sqlx::query(&remove).bind(log_partition).bind(positions).execute(tx).await.map(|_| ())
    }
}
