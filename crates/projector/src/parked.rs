//! Events that cannot be applied, and the streams that wait behind them.
//!
//! An event that is not understood, or whose change the tables refuse, *parks* its stream: it and all later events of the
//! stream are noted in the table `parked` beside the rows, in the transaction that moves the checkpoint past them. All other
//! streams flow, and nothing is skipped silently: `retry` applies a stream's parked events in their order, and `skip` leaves
//! one out for good, with a reason that is kept (`skipped_events`), so that a rebuild leaves out the same ones.
//!
//! Correctness: what is parked is decided by what a feed knows of the table, loaded after its checkpoints. Whoever parks
//! moves a checkpoint, so a feed with older knowledge finds its checkpoint moved and loads both again. Whoever sets a stream
//! free holds the checkpoints' lock, and a feed that parks behind it looks whether the stream still waits.

use crate::{Failure, batch::Batch, projection::schema_of, status::in_words};
use holdfast_event_log::{LogPosition, Recorded};
use sqlx::{PgConnection, PgExecutor, PgPool, Row as _, postgres::PgRow};
use std::collections::HashSet;

mod free;
mod list;

pub use free::{Freed, ParkedError, retry, skip};
pub use list::{ParkedStream, SkippedEvent, parked, parked_streams, skipped};

/// Streams that one follower may park. One poison event in many streams is a build that lacks a type: beyond this it
/// stops, instead of setting the whole log aside.
const PARKED_STREAMS_MAX: usize = 1_000;

/// The table beside a read model's checkpoints.
pub(crate) fn table_sql(schema: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {schema}.parked (
             log_partition smallint NOT NULL,
             position      bigint NOT NULL,
             stream        text COLLATE \"C\" NOT NULL,
             reason        text,                    -- null: it only waits behind another
             parked_at     timestamptz NOT NULL DEFAULT now(),
             PRIMARY KEY (log_partition, position)
         );
         -- Serves `retry`, and whoever asks whether a stream waits.
         CREATE INDEX IF NOT EXISTS parked_stream ON {schema}.parked (stream, position);"
    )
}

/// The streams in that table, by one look into its index for each: behind a stream there may be millions of events.
pub(crate) fn streams_sql(schema: &str) -> String {
    format!(
        "WITH RECURSIVE streams AS (
             (SELECT stream FROM {schema}.parked ORDER BY stream LIMIT 1)
             UNION ALL
             SELECT (SELECT p.stream FROM {schema}.parked p WHERE p.stream > s.stream ORDER BY p.stream LIMIT 1)
             FROM streams s WHERE s.stream IS NOT NULL)
         SELECT stream FROM streams WHERE stream IS NOT NULL"
    )
}

/// How many streams wait in a schema; none in one that sets no streams aside.
pub(crate) async fn streams_in(conn: &mut PgConnection, schema: &str) -> Result<i64, sqlx::Error> {
    if !crate::model::has_tables(&mut *conn, schema, &["parked"]).await? {
        return Ok(0);
    }
    sqlx::query_scalar(&format!("SELECT count(*) FROM ({}) s", streams_sql(schema))).fetch_one(conn).await
}

/// An event that is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParkedEvent {
    pub(crate) at: LogPosition,
    pub(crate) stream: String,
    /// Why it cannot be applied; none: it waits behind another.
    pub(crate) reason: Option<String>,
}

/// What a feed leaves out.
#[derive(Debug, Default)]
pub(crate) struct Exceptions {
    /// Streams with events in the table.
    parked: HashSet<String>,
    /// Events that somebody has skipped.
    skipped: HashSet<LogPosition>,
}

impl Exceptions {
    /// To be loaded after the checkpoints, never before.
    pub(crate) async fn load(conn: &mut PgConnection, name: &str, schema: &str) -> Result<Self, sqlx::Error> {
        let parked = sqlx::query_scalar(&streams_sql(schema)).fetch_all(&mut *conn).await?;
        let skipped = skipped_by(conn, name).await?;
        Ok(Self { parked: parked.into_iter().collect(), skipped })
    }

    pub(crate) fn parks(&self) -> bool {
        !self.parked.is_empty()
    }

    /// What of these events is to be applied, and what waits behind a parked one.
    pub(crate) fn split(&self, mut events: Vec<Recorded>) -> (Vec<Recorded>, Vec<ParkedEvent>) {
        let mut waiting = vec![];
        if !self.skipped.is_empty() {
            events.retain(|event| !self.skipped.contains(&event.at));
        }
        if !self.parked.is_empty() {
            events.retain(|Recorded { at, inventory_id, .. }| {
                let stream = inventory_id.to_string();
                let waits = self.parked.contains(&stream);
                if waits {
                    waiting.push(ParkedEvent { at: *at, stream, reason: None });
                }
                !waits
            });
        }
        (events, waiting)
    }

    /// An event that cannot be applied: set aside, unless somebody has skipped it.
    pub(crate) fn poison(&self, name: &'static str, event: ParkedEvent) -> Result<Vec<ParkedEvent>, Failure> {
        if self.skipped.contains(&event.at) {
            return Ok(vec![]);
        }
        if self.parked.len() >= PARKED_STREAMS_MAX && !self.parked.contains(&event.stream) {
            return Err(Failure::TooManyParked { name, at: event.at, streams: self.parked.len() });
        }
        Ok(vec![event])
    }

    /// Notes what was written to the table, and says it once for each stream of the `live` read model: a build beside it meets
    /// the same events.
    pub(crate) fn note(&mut self, name: &'static str, live: bool, parked: Vec<ParkedEvent>) {
        for ParkedEvent { at, stream, reason } in parked {
            if let Some(reason) = reason.filter(|_| live && !self.parked.contains(&stream)) {
                tracing::error!(
                    follower = name, %at, stream,
                    "the event at {at} cannot be applied to {name} and parks its stream: {reason}; \
                     see `holdfast parked list`"
                );
            }
            self.parked.insert(stream);
        }
    }
}

/// Writes what a batch sets aside, in the transaction that moves its checkpoints. False: a stream does not wait any more,
/// so what stands in this batch is not to be set aside.
pub(crate) async fn park(conn: &mut PgConnection, schema: &str, batch: &Batch) -> Result<bool, sqlx::Error> {
    if batch.parked.is_empty() {
        return Ok(true);
    }
    let behind: HashSet<&str> = batch
        .parked
        .iter()
        .filter(|event| event.reason.is_none())
        .map(|event| event.stream.as_str())
        .collect();
    let behind: Vec<&str> = behind.into_iter().collect();
    let waiting = format!(
        "SELECT count(*) FROM unnest($1::text[]) AS b (stream)
         WHERE EXISTS (SELECT FROM {schema}.parked p WHERE p.stream = b.stream)"
    );
    let waiting: i64 = sqlx::query_scalar(&waiting).bind(&behind).fetch_one(&mut *conn).await?;
    if usize::try_from(waiting) != Ok(behind.len()) {
        return Ok(false);
    }
    let insert = format!(
        "INSERT INTO {schema}.parked (log_partition, position, stream, reason)
         SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[])"
    );
    let column = |of: fn(&ParkedEvent) -> i64| batch.parked.iter().map(of).collect::<Vec<_>>();
    sqlx::query(&insert)
        .bind(batch.parked.iter().map(|event| event.at.log_partition.cast_signed()).collect::<Vec<_>>())
        .bind(column(|event| event.at.position))
        .bind(batch.parked.iter().map(|event| event.stream.as_str()).collect::<Vec<_>>())
        .bind(batch.parked.iter().map(|event| event.reason.as_deref()).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(true)
}

/// What Postgres said against a change, in words.
pub(crate) fn refusal(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(said) => format!("the tables refuse its change: {}", said.message()),
        None => in_words(error),
    }
}

async fn skipped_by(db: impl PgExecutor<'_>, name: &str) -> Result<HashSet<LogPosition>, sqlx::Error> {
    let skipped = sqlx::query("SELECT log_partition, position FROM skipped_events WHERE follower = $1")
        .bind(name)
        .try_map(|row: PgRow| place(&row))
        .fetch_all(db)
        .await?;
    Ok(skipped.into_iter().collect())
}

/// A place in the log, of a row with these two columns.
fn place(row: &PgRow) -> Result<LogPosition, sqlx::Error> {
    let log_partition: i16 = row.try_get("log_partition")?;
    Ok(LogPosition { log_partition: log_partition.cast_unsigned(), position: row.try_get("position")? })
}

/// The schema of a follower of this name, if it is there.
async fn existing(pool: &PgPool, name: &str) -> Result<Option<String>, sqlx::Error> {
    let schema = schema_of(name);
    let there = crate::model::has_tables(pool, &schema, &["checkpoints", "parked"]).await?;
    Ok(there.then_some(schema))
}
