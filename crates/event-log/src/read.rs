//! Reading the log: partitions after a position, the answers of commands, a booking's events.

use crate::LogPosition;
use holdfast_domain::{AGGREGATE_TYPE, BookingId, DecodeError, InventoryEvent, InventoryId, Timestamp};
use sqlx::{PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

/// Serves `read_raw_after`.
pub const READ_RAW_AFTER: &str = "
    SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type, event_version,
           payload::text AS payload, metadata::text AS metadata, event_id, command_id, recorded_at
    FROM events WHERE log_partition = $1 AND position > $2 ORDER BY position LIMIT $3";

/// Serves `read_raw_after_each`.
pub const READ_RAW_AFTER_EACH: &str = "
    SELECT e.* FROM unnest($1::smallint[], $2::bigint[]) AS a (log_partition, position)
    CROSS JOIN LATERAL (
        SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type, event_version,
               payload::text AS payload, metadata::text AS metadata, event_id, command_id, recorded_at
        FROM events WHERE events.log_partition = a.log_partition AND events.position > a.position
        ORDER BY events.position LIMIT $3) e
    LIMIT $3";

/// Serves `read_raw_at`.
pub const READ_RAW_AT: &str = "
    SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type, event_version,
           payload::text AS payload, metadata::text AS metadata, event_id, command_id, recorded_at
    FROM events WHERE log_partition = $1 AND position = ANY($2) ORDER BY position";

/// Serves `read_stream_after`.
pub const READ_STREAM_AFTER: &str = "
    SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type, event_version,
           payload::text AS payload, metadata::text AS metadata, event_id, command_id, recorded_at
    FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence > $3
    ORDER BY sequence LIMIT $4";

/// Serves `read_after`.
pub const READ_AFTER: &str = "
    SELECT e.* FROM unnest($1::smallint[], $2::bigint[]) AS a (log_partition, position)
    CROSS JOIN LATERAL (
        SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type,
               event_version, payload::text AS payload, recorded_at
        FROM events WHERE events.log_partition = a.log_partition AND events.position > a.position
        ORDER BY events.position LIMIT $3) e
    LIMIT $3";

/// Serves `read_at`.
pub const READ_AT: &str = "
    SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type,
           event_version, payload::text AS payload, recorded_at
    FROM events WHERE log_partition = $1 AND position = $2";

/// Serves `read_each`.
pub const READ_EACH: &str = "
    SELECT e.log_partition, e.position, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type,
           e.event_version, e.payload::text AS payload, e.recorded_at
    FROM unnest($1::smallint[], $2::bigint[]) AS a (log_partition, position)
    JOIN events e USING (log_partition, position)";

/// Serves `read_openings`.
pub const READ_OPENINGS: &str = "
    SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type,
           event_version, payload::text AS payload, recorded_at
    FROM events WHERE aggregate_type = $1 AND aggregate_id = ANY($2) AND sequence = 1";

/// Serves `read_sequences`.
pub const READ_SEQUENCES: &str = "
    SELECT log_partition, position, aggregate_type, aggregate_id, sequence, event_type,
           event_version, payload::text AS payload, recorded_at
    FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence = ANY($3)
    ORDER BY sequence";

/// Serves `last_sequence`.
pub const LAST_SEQUENCE: &str =
    "SELECT max(sequence) FROM events WHERE aggregate_type = $1 AND aggregate_id = $2";

/// Serves `find_commands`, `find_answers` and `find_booking`.
pub const FIND_COMMANDS: &str = "
    SELECT c.command_id, c.fingerprint, e.log_partition, e.position, e.aggregate_type, e.aggregate_id,
           e.sequence, e.event_type, e.event_version, e.payload::text AS payload, e.recorded_at
    FROM commands c JOIN events e USING (log_partition, position) WHERE c.command_id = ANY($1)";

/// A scalar sub-select for a statement of another table's owner in the same database: the id of the event that stands
/// where two expressions of that statement say, or null.
#[must_use]
pub fn event_id_sql(log_partition: &str, position: &str) -> String {
    format!(
        "(SELECT events.event_id FROM events
          WHERE events.log_partition = {log_partition} AND events.position = {position})"
    )
}

/// A scalar sub-select like [`event_id_sql`]: the user who holds the booking whose id an expression of that statement gives,
/// or null. A booking's id is the id of the command that made it.
#[must_use]
pub fn booking_user_sql(booking_id: &str) -> String {
    format!(
        "(SELECT (made.payload ->> 'user_id')::uuid FROM commands
          JOIN events made USING (log_partition, position)
          WHERE commands.command_id = {booking_id} AND made.event_type = 'SeatsReserved')"
    )
}

/// An event as it is stored, payload and metadata byte for byte.
#[derive(Clone, Debug)]
pub struct RawEvent {
    /// Where it stands.
    pub at: LogPosition,
    /// The stream's type.
    pub aggregate_type: String,
    /// The stream's id.
    pub aggregate_id: String,
    /// Its place in the stream, from 1.
    pub sequence: i64,
    /// The event's type.
    pub event_type: String,
    /// The version of the type.
    pub event_version: String,
    /// The event's JSON.
    pub payload: String,
    /// JSON object of strings.
    pub metadata: String,
    /// Names the event for ever.
    pub event_id: Uuid,
    /// The command it answers; none: time passed.
    pub command_id: Option<Uuid>,
    /// When it was decided.
    pub recorded_at: Timestamp,
}

/// An event that was read and understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Where it stands.
    pub at: LogPosition,
    /// The stream.
    pub inventory_id: InventoryId,
    /// Its place in the stream, from 1.
    pub sequence: i64,
    /// What happened.
    pub event: InventoryEvent,
    /// When it was decided.
    pub recorded_at: Timestamp,
}

/// What the log knows of an accepted command.
#[derive(Clone, Debug)]
pub struct StoredCommand {
    /// The command.
    pub command_id: Uuid,
    /// Of the request that was accepted.
    pub fingerprint: Uuid,
    /// The command's last event: its answer.
    pub answer: Recorded,
}

/// The log could not be read. The reader stops; nothing is skipped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Postgres said no.
    #[error("the log could not be read")]
    Database(#[from] sqlx::Error),
    /// An event is not understood.
    #[error("the event at {at} cannot be decoded")]
    Decode {
        /// Where it stands.
        at: LogPosition,
        /// Of which stream it is.
        inventory_id: InventoryId,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A stream is named by something that is no inventory's id.
    #[error("the event at {at} belongs to {aggregate_type} {aggregate_id}, which this build does not know")]
    Stream {
        /// Where it stands.
        at: LogPosition,
        /// The stored type.
        aggregate_type: String,
        /// The stored id.
        aggregate_id: String,
    },
}

impl RawEvent {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            at: position(row)?,
            aggregate_type: row.try_get("aggregate_type")?,
            aggregate_id: row.try_get("aggregate_id")?,
            sequence: row.try_get("sequence")?,
            event_type: row.try_get("event_type")?,
            event_version: row.try_get("event_version")?,
            payload: row.try_get::<&str, _>("payload")?.to_owned(),
            metadata: row.try_get::<&str, _>("metadata")?.to_owned(),
            event_id: row.try_get("event_id")?,
            command_id: row.try_get("command_id")?,
            recorded_at: row.try_get("recorded_at")?,
        })
    }

    /// Understands the event.
    ///
    /// # Errors
    /// `Decode` or `Stream`.
    pub fn decode(&self) -> Result<Recorded, ReadError> {
        let inventory_id = stream(self.at, &self.aggregate_type, &self.aggregate_id)?;
        let event = InventoryEvent::decode(&self.event_type, &self.event_version, &self.payload)
            .map_err(|source| ReadError::Decode { at: self.at, inventory_id, source })?;
        let Self { at, sequence, recorded_at, .. } = *self;
        Ok(Recorded { at, inventory_id, sequence, event, recorded_at })
    }
}

/// Reads up to `limit` raw events of one partition after a position, in order.
///
/// # Errors
/// Whatever Postgres says.
pub async fn read_raw_after(
    db: impl PgExecutor<'_>,
    after: LogPosition,
    limit: i64,
) -> Result<Vec<RawEvent>, sqlx::Error> {
    sqlx::query(READ_RAW_AFTER)
        .bind(after.log_partition.cast_signed())
        .bind(after.position)
        .bind(limit)
        .try_map(|row: PgRow| RawEvent::from_row(&row))
        .fetch_all(db)
        .await
}

/// Reads raw events of several partitions in one statement, as [`read_after`] reads decoded ones.
///
/// # Errors
/// Whatever Postgres says.
pub async fn read_raw_after_each(
    db: impl PgExecutor<'_>,
    after: &[LogPosition],
    limit: i64,
) -> Result<Vec<RawEvent>, sqlx::Error> {
    let (partitions, positions) = columns(after);
    sqlx::query(READ_RAW_AFTER_EACH)
        .bind(partitions)
        .bind(positions)
        .bind(limit)
        .try_map(|row: PgRow| RawEvent::from_row(&row))
        .fetch_all(db)
        .await
}

/// Reads the raw events of one partition that stand at `positions`, in order.
///
/// # Errors
/// Whatever Postgres says.
pub async fn read_raw_at(
    db: impl PgExecutor<'_>,
    log_partition: u16,
    positions: &[i64],
) -> Result<Vec<RawEvent>, sqlx::Error> {
    sqlx::query(READ_RAW_AT)
        .bind(log_partition.cast_signed())
        .bind(positions)
        .try_map(|row: PgRow| RawEvent::from_row(&row))
        .fetch_all(db)
        .await
}

/// Reads up to `limit` raw events of one stream after a sequence, in order.
///
/// # Errors
/// Whatever Postgres says.
pub async fn read_stream_after(
    db: impl PgExecutor<'_>,
    inventory_id: InventoryId,
    after_sequence: i64,
    limit: i64,
) -> Result<Vec<RawEvent>, sqlx::Error> {
    sqlx::query(READ_STREAM_AFTER)
        .bind(AGGREGATE_TYPE)
        .bind(inventory_id.to_string())
        .bind(after_sequence)
        .bind(limit)
        .try_map(|row: PgRow| RawEvent::from_row(&row))
        .fetch_all(db)
        .await
}

/// Reads events of several partitions in one statement: after each of `after`, up to `limit` events
/// in all, in order within each partition. When there are more than `limit`, the partitions that
/// stand first in `after` are served first: a caller rotates them.
///
/// # Errors
/// `Decode` or `Stream` at the first event that is not understood.
pub async fn read_after(
    db: impl PgExecutor<'_>,
    after: &[LogPosition],
    limit: i64,
) -> Result<Vec<Recorded>, ReadError> {
    let (partitions, positions) = columns(after);
    let rows = sqlx::query(READ_AFTER).bind(partitions).bind(positions).bind(limit).fetch_all(db).await?;
    rows.iter().map(recorded).collect()
}

/// Places, column by column as Postgres takes them.
fn columns(after: &[LogPosition]) -> (Vec<i16>, Vec<i64>) {
    after.iter().map(|a| (a.log_partition.cast_signed(), a.position)).unzip()
}

/// Reads one event.
///
/// # Errors
/// `Decode` or `Stream` if it is not understood.
pub async fn read_at(db: impl PgExecutor<'_>, at: LogPosition) -> Result<Option<Recorded>, ReadError> {
    let row = sqlx::query(READ_AT)
        .bind(at.log_partition.cast_signed())
        .bind(at.position)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(recorded).transpose()
}

/// Reads the events at many places, each of which is given once; in no order, and without those that are not there. One that
/// is not understood fails for itself.
///
/// # Errors
/// Whatever Postgres says.
pub async fn read_each(
    db: impl PgExecutor<'_>,
    places: &[LogPosition],
) -> Result<Vec<(LogPosition, Result<Recorded, ReadError>)>, sqlx::Error> {
    let (partitions, positions) = columns(places);
    let rows = sqlx::query(READ_EACH).bind(partitions).bind(positions).fetch_all(db).await?;
    rows.iter().map(|row| Ok((position(row)?, recorded(row)))).collect()
}

/// Reads the first event of each of these streams, as [`read_each`] does.
///
/// # Errors
/// Whatever Postgres says.
pub async fn read_openings(
    db: impl PgExecutor<'_>,
    inventories: &[InventoryId],
) -> Result<Vec<(InventoryId, Result<Recorded, ReadError>)>, sqlx::Error> {
    let streams: Vec<_> = inventories.iter().map(InventoryId::to_string).collect();
    let rows = sqlx::query(READ_OPENINGS).bind(AGGREGATE_TYPE).bind(streams).fetch_all(db).await?;
    let opening = |row: &PgRow| {
        // It was asked for by these ids, and is one of them.
        let id =
            row.try_get::<&str, _>("aggregate_id")?.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
        Ok((InventoryId(id), recorded(row)))
    };
    rows.iter().map(opening).collect()
}

/// Reads events of one stream by their sequences, in order.
///
/// # Errors
/// `Decode` or `Stream` if one is not understood.
pub async fn read_sequences(
    db: impl PgExecutor<'_>,
    inventory_id: InventoryId,
    sequences: &[i64],
) -> Result<Vec<Recorded>, ReadError> {
    let rows = sqlx::query(READ_SEQUENCES)
        .bind(AGGREGATE_TYPE)
        .bind(inventory_id.to_string())
        .bind(sequences)
        .fetch_all(db)
        .await?;
    rows.iter().map(recorded).collect()
}

/// Sequence of a stream's last event; 0 if there is none.
///
/// # Errors
/// Whatever Postgres says.
pub async fn last_sequence(db: impl PgExecutor<'_>, inventory_id: InventoryId) -> Result<i64, sqlx::Error> {
    let last: Option<i64> = sqlx::query_scalar(LAST_SEQUENCE)
        .bind(AGGREGATE_TYPE)
        .bind(inventory_id.to_string())
        .fetch_one(db)
        .await?;
    Ok(last.unwrap_or(0))
}

/// Which of these commands were accepted, with their answers.
///
/// # Errors
/// `Decode` or `Stream` if an answer is not understood.
pub async fn find_commands(
    db: impl PgExecutor<'_>,
    command_ids: &[Uuid],
) -> Result<Vec<StoredCommand>, ReadError> {
    let rows = sqlx::query(FIND_COMMANDS).bind(command_ids).fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            Ok(StoredCommand {
                command_id: row.try_get("command_id")?,
                fingerprint: row.try_get("fingerprint")?,
                answer: recorded(row)?,
            })
        })
        .collect()
}

/// The answers of those of these commands that were accepted, as [`read_each`] reads events.
///
/// # Errors
/// Whatever Postgres says.
pub async fn find_answers(
    db: impl PgExecutor<'_>,
    command_ids: &[Uuid],
) -> Result<Vec<(Uuid, Result<Recorded, ReadError>)>, sqlx::Error> {
    let rows = sqlx::query(FIND_COMMANDS).bind(command_ids).fetch_all(db).await?;
    rows.iter().map(|row| Ok((row.try_get("command_id")?, recorded(row)))).collect()
}

/// The reservation that made a booking, found without any read model: a booking's id is the id of the
/// command that made it.
///
/// # Errors
/// `Decode` or `Stream` if the booking's first event is not understood.
pub async fn find_booking(
    db: impl PgExecutor<'_>,
    booking_id: BookingId,
) -> Result<Option<Recorded>, ReadError> {
    let found = find_commands(db, &[booking_id.0]).await?;
    let made_a_booking = |c: &StoredCommand| matches!(c.answer.event, InventoryEvent::SeatsReserved(_));
    Ok(found.into_iter().find(made_a_booking).map(|c| c.answer))
}

fn position(row: &PgRow) -> Result<LogPosition, sqlx::Error> {
    let log_partition: i16 = row.try_get("log_partition")?;
    Ok(LogPosition { log_partition: log_partition.cast_unsigned(), position: row.try_get("position")? })
}

fn stream(at: LogPosition, aggregate_type: &str, aggregate_id: &str) -> Result<InventoryId, ReadError> {
    let id = aggregate_id.parse().ok().filter(|_| aggregate_type == AGGREGATE_TYPE);
    id.map(InventoryId).ok_or_else(|| ReadError::Stream {
        at,
        aggregate_type: aggregate_type.to_owned(),
        aggregate_id: aggregate_id.to_owned(),
    })
}

/// Decodes straight from the row's buffer: nothing is copied but what the event keeps.
fn recorded(row: &PgRow) -> Result<Recorded, ReadError> {
    let at = position(row)?;
    let inventory_id = stream(at, row.try_get("aggregate_type")?, row.try_get("aggregate_id")?)?;
    let event = InventoryEvent::decode(
        row.try_get("event_type")?,
        row.try_get("event_version")?,
        row.try_get("payload")?,
    )
    .map_err(|source| ReadError::Decode { at, inventory_id, source })?;
    Ok(Recorded {
        at,
        inventory_id,
        sequence: row.try_get("sequence")?,
        event,
        recorded_at: row.try_get("recorded_at")?,
    })
}
