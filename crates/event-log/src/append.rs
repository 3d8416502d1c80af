//! The append: one statement that advances the heads of several partitions and writes their events
//! and commands.
//!
//! Each head is compared and swapped on (epoch, position); events and commands are joined to the
//! heads that matched. A partition whose head did not match contributes no row (it is *fenced*), the
//! others commit. One round trip, no open transaction around it, and cost per statement is shared by
//! everything that gathered while the last one ran.

use crate::{Head, LogPosition};
use holdfast_domain::{AGGREGATE_TYPE, InventoryId, Timestamp};
use sqlx::{
    PgConnection,
    postgres::{PgDatabaseError, PgSeverity},
};
use uuid::Uuid;

/// Name of the key that a repeated command violates.
const COMMANDS_KEY: &str = "commands_pkey";

/// Compares and swaps the heads; events and commands join those that matched.
pub const APPEND: &str = "
    WITH head AS (
        UPDATE log_heads h
        SET position = h.position + c.events, recorded_at = greatest(h.recorded_at, c.recorded_at)
        FROM unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
             AS c (log_partition, epoch, position, events, recorded_at)
        WHERE h.log_partition = c.log_partition AND h.epoch = c.epoch AND h.position = c.position
        RETURNING h.log_partition
    ), new_events AS (
        INSERT INTO events (log_partition, position, aggregate_type, aggregate_id, sequence, event_type,
                            event_version, payload, metadata, event_id, command_id, recorded_at)
        SELECT e.log_partition, e.position, $6, e.aggregate_id::text, e.sequence, e.event_type,
               e.event_version, e.payload::json, e.metadata::json, e.event_id, e.command_id, e.recorded_at
        FROM unnest($7::smallint[], $8::bigint[], $9::uuid[], $10::bigint[], $11::text[], $12::text[],
                    $13::text[], $14::text[], $15::uuid[], $16::uuid[], $17::timestamptz[])
             AS e (log_partition, position, aggregate_id, sequence, event_type, event_version, payload,
                   metadata, event_id, command_id, recorded_at)
        JOIN head USING (log_partition)
    ), new_commands AS (
        INSERT INTO commands (command_id, fingerprint, log_partition, position)
        SELECT k.command_id, k.fingerprint, k.log_partition, k.position
        FROM unnest($18::uuid[], $19::uuid[], $20::smallint[], $21::bigint[])
             AS k (command_id, fingerprint, log_partition, position)
        JOIN head USING (log_partition)
    )
    SELECT log_partition FROM head";

/// One event to be written.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The stream.
    pub inventory_id: InventoryId,
    /// Its place in the stream, from 1.
    pub sequence: i64,
    /// The event's type.
    pub event_type: &'static str,
    /// The version of the type.
    pub event_version: &'static str,
    /// The event's JSON; stored byte for byte.
    pub payload: String,
    /// JSON object of strings: actor, correlation_id, causation_id, traceparent.
    pub metadata: String,
    /// Names the event for ever (UUIDv7).
    pub event_id: Uuid,
    /// The command it answers; none: time passed.
    pub command_id: Option<Uuid>,
    /// When it was decided. Never earlier than the event before it in the partition.
    pub recorded_at: Timestamp,
}

/// The events and commands of one statement, gathered column by column as Postgres takes them.
#[derive(Debug, Default)]
pub struct Append {
    heads: Vec<Head>,
    head_partitions: Vec<i16>,
    head_epochs: Vec<i64>,
    head_positions: Vec<i64>,
    head_events: Vec<i64>,
    head_recorded_at: Vec<Timestamp>,
    partitions: Vec<i16>,
    positions: Vec<i64>,
    aggregate_ids: Vec<Uuid>,
    sequences: Vec<i64>,
    event_types: Vec<&'static str>,
    event_versions: Vec<&'static str>,
    payloads: Vec<String>,
    metadata: Vec<String>,
    event_ids: Vec<Uuid>,
    command_ids: Vec<Option<Uuid>>,
    recorded_at: Vec<Timestamp>,
    key_ids: Vec<Uuid>,
    key_fingerprints: Vec<Uuid>,
    key_partitions: Vec<i16>,
    key_positions: Vec<i64>,
}

/// What became of an append that Postgres answered.
#[derive(Debug)]
pub struct Appended {
    /// The heads as they are now, of the partitions that committed.
    pub committed: Vec<Head>,
    /// Partitions whose head did not match: nothing of theirs was written.
    pub fenced: Vec<u16>,
}

/// The append did not commit, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// One of the commands was accepted before. Nothing was written.
    #[error("a command of the batch was accepted before")]
    DuplicateCommand,
    /// Postgres refused. Nothing was written, nor will it be by this statement.
    #[error("Postgres refused the append")]
    Refused(#[source] sqlx::Error),
    /// Postgres gave it up for the sake of another statement, or because it took too long. Nothing was
    /// written; the same again may be.
    #[error("Postgres gave the append up")]
    GivenUp(#[source] sqlx::Error),
    /// Events are where these were to be: what the writer has in memory is not what the log says.
    /// Nothing was written.
    #[error("the log has other events there")]
    Contradicted(#[source] sqlx::Error),
    /// Nothing can be written at the moment: a full disk, a read-only server. Nothing was.
    #[error("Postgres writes nothing at the moment")]
    Unwritable(#[source] sqlx::Error),
    /// The connection failed before the answer. It may have committed: never send it again; take
    /// over, then ask the log.
    #[error("the connection failed before the append was answered")]
    OutcomeUnknown(#[source] sqlx::Error),
}

impl From<sqlx::Error> for AppendError {
    /// Only an ERROR of the server proves that nothing was written: its transaction is rolled back.
    /// FATAL (the backend ends) and PANIC (the server does, say because the WAL could not be flushed)
    /// may come after the commit was on its way to disk; SQLSTATE class 08 speaks of the connection.
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(answer) = &error else { return Self::OutcomeUnknown(error) };
        let severity = answer.try_downcast_ref().map(PgDatabaseError::severity);
        let code = answer.code().filter(|_| severity == Some(PgSeverity::Error)).unwrap_or_default();
        match (code.get(..2).unwrap_or_default(), &*code) {
            ("" | "08", _) => Self::OutcomeUnknown(error),
            (_, "23505") if answer.constraint() == Some(COMMANDS_KEY) => Self::DuplicateCommand,
            (_, "23505") => Self::Contradicted(error),
            ("40", _) | (_, "55P03" | "57014") => Self::GivenUp(error),
            ("25" | "53" | "58", _) => Self::Unwritable(error),
            _ => Self::Refused(error),
        }
    }
}

impl Append {
    /// Begins the events of a partition, after its `head`. What follows belongs to it.
    pub fn begin(&mut self, head: Head, now: Timestamp) {
        self.heads.push(head);
        self.head_partitions.push(head.log_partition.cast_signed());
        self.head_epochs.push(head.epoch);
        self.head_positions.push(head.position);
        self.head_events.push(0);
        self.head_recorded_at.push(now);
    }

    /// Adds an event to the partition begun last. Returns its place; none if no partition was begun.
    pub fn event(&mut self, event: NewEvent) -> Option<LogPosition> {
        let (head, count) = (self.heads.last()?, self.head_events.last_mut()?);
        *count += 1;
        if let Some(latest) = self.head_recorded_at.last_mut() {
            *latest = event.recorded_at.max(*latest);
        }
        let at = LogPosition { log_partition: head.log_partition, position: head.position + *count };
        self.partitions.push(at.log_partition.cast_signed());
        self.positions.push(at.position);
        self.aggregate_ids.push(event.inventory_id.0);
        self.sequences.push(event.sequence);
        self.event_types.push(event.event_type);
        self.event_versions.push(event.event_version);
        self.payloads.push(event.payload);
        self.metadata.push(event.metadata);
        self.event_ids.push(event.event_id);
        self.command_ids.push(event.command_id);
        self.recorded_at.push(event.recorded_at);
        Some(at)
    }

    /// Adds the command whose last event is at `answer`.
    pub fn command(&mut self, command_id: Uuid, fingerprint: Uuid, answer: LogPosition) {
        self.key_ids.push(command_id);
        self.key_fingerprints.push(fingerprint);
        self.key_partitions.push(answer.log_partition.cast_signed());
        self.key_positions.push(answer.position);
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The commands of this append.
    #[must_use]
    pub fn command_ids(&self) -> &[Uuid] {
        &self.key_ids
    }

    /// Sends the statement, outside of any transaction of the caller's.
    ///
    /// # Errors
    /// See [`AppendError`]: it says whether anything may have been written.
    pub async fn send(&self, conn: &mut PgConnection) -> Result<Appended, AppendError> {
        let rows: Vec<i16> = sqlx::query_scalar(APPEND)
            .bind(&self.head_partitions)
            .bind(&self.head_epochs)
            .bind(&self.head_positions)
            .bind(&self.head_events)
            .bind(&self.head_recorded_at)
            .bind(AGGREGATE_TYPE)
            .bind(&self.partitions)
            .bind(&self.positions)
            .bind(&self.aggregate_ids)
            .bind(&self.sequences)
            .bind(&self.event_types)
            .bind(&self.event_versions)
            .bind(&self.payloads)
            .bind(&self.metadata)
            .bind(&self.event_ids)
            .bind(&self.command_ids)
            .bind(&self.recorded_at)
            .bind(&self.key_ids)
            .bind(&self.key_fingerprints)
            .bind(&self.key_partitions)
            .bind(&self.key_positions)
            .fetch_all(conn)
            .await?;
        let (mut committed, mut fenced) = (Vec::with_capacity(rows.len()), Vec::new());
        for (head, events) in self.heads.iter().zip(&self.head_events) {
            if rows.contains(&head.log_partition.cast_signed()) {
                committed.push(Head { position: head.position + events, ..*head });
            } else {
                fenced.push(head.log_partition);
            }
        }
        Ok(Appended { committed, fenced })
    }
}
