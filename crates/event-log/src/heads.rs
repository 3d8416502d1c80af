//! Who owns which partition, and where its chain ends.
//!
//! Taking over raises the epoch. The row lock makes it wait for an append that is under way, so
//! afterwards that append either is in the chain or never will be: this settles unknown outcomes.
//!
//! Only an append holds one head while it waits for another. What is here takes the heads that nobody
//! holds at once, and then waits for the rest one by one, holding none: otherwise a renewal and an
//! append would wait for each other, until Postgres aborts one of them after a second.

use holdfast_domain::Timestamp;
use sqlx::{PgConnection, PgExecutor, Row, postgres::PgRow};
use uuid::Uuid;

/// How long a lease lasts unless it is renewed: a crashed owner is replaced after this.
const LEASE_SECONDS: f64 = 3.0;

/// Locks the heads that nobody holds, and waits for none.
const FREE: &str = "FOR UPDATE OF h SKIP LOCKED";
/// Locks a head, waiting for whoever holds it; for one head a statement.
const WAITING: &str = "FOR UPDATE OF h";

/// The end of a partition's chain, as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which partition.
    pub log_partition: u16,
    /// Raised by every take-over; an append of an older epoch writes nothing.
    pub epoch: i64,
    /// Position of the last event; 0 = none.
    pub position: i64,
}

/// A partition that was taken over.
#[derive(Clone, Copy, Debug)]
pub struct TakenOver {
    /// The head to append to.
    pub head: Head,
    /// When the last event was recorded; the owner's time starts here. None: no event yet.
    pub recorded_at: Option<Timestamp>,
}

/// Who takes over, and against whom.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Names this process.
    pub owner: Uuid,
    /// Where it listens. A lease of the same address is a dead predecessor's and is not waited for.
    pub owner_address: &'a str,
    /// Take live leases too: the caller knows that their owners are dead.
    pub force: bool,
}

/// The log's identity is missing or contradicts what was asked.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// Postgres said no.
    #[error("the log's heads could not be read or changed")]
    Database(#[from] sqlx::Error),
    /// A log has the partitions it was created with.
    #[error("the log has {stored} partitions, which is fixed at creation; {asked} were asked for")]
    Partitions {
        /// What the log has.
        stored: u16,
        /// What was asked for.
        asked: u16,
    },
}

/// Writes the log's identity and heads if they are missing. Returns the number of partitions.
///
/// # Errors
/// `Partitions` if the log exists with another number of them.
pub async fn initialize(conn: &mut PgConnection, asked: Option<u16>) -> Result<u16, HeadError> {
    let wanted = asked.unwrap_or(crate::PARTITIONS_DEFAULT);
    sqlx::query("INSERT INTO log_identity (partitions) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(i16::try_from(wanted).unwrap_or(i16::MAX))
        .execute(&mut *conn)
        .await?;
    let stored = partitions(&mut *conn).await?;
    if let Some(asked) = asked.filter(|asked| *asked != stored) {
        return Err(HeadError::Partitions { stored, asked });
    }
    sqlx::query(
        "INSERT INTO log_heads (log_partition) SELECT generate_series(0, $1 - 1) ON CONFLICT DO NOTHING",
    )
    .bind(i32::from(stored))
    .execute(&mut *conn)
    .await?;
    Ok(stored)
}

/// How many partitions the log has.
///
/// # Errors
/// Whatever Postgres says, `RowNotFound` for a log that is not initialised.
pub async fn partitions(db: impl PgExecutor<'_>) -> Result<u16, sqlx::Error> {
    let stored: i16 = sqlx::query_scalar("SELECT partitions FROM log_identity").fetch_one(db).await?;
    Ok(stored.cast_unsigned())
}

/// What tells one log from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names this log; a copy that is restored elsewhere has the same.
    pub log_id: Uuid,
    /// How many partitions it has.
    pub partitions: u16,
}

/// Which log this is.
///
/// # Errors
/// Whatever Postgres says, `RowNotFound` for a log that is not initialised.
pub async fn identity(db: impl PgExecutor<'_>) -> Result<Identity, sqlx::Error> {
    let identity = |row: PgRow| {
        let partitions: i16 = row.try_get("partitions")?;
        Ok(Identity { log_id: row.try_get("log_id")?, partitions: partitions.cast_unsigned() })
    };
    sqlx::query("SELECT log_id, partitions FROM log_identity").try_map(identity).fetch_one(db).await
}

/// All heads, by partition.
///
/// # Errors
/// Whatever Postgres says.
pub async fn heads(db: impl PgExecutor<'_>) -> Result<Vec<Head>, sqlx::Error> {
    sqlx::query("SELECT log_partition, epoch, position FROM log_heads ORDER BY log_partition")
        .try_map(|row: PgRow| head(&row))
        .fetch_all(db)
        .await
}

/// A process that may extend partitions, for people to look at.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Owner {
    /// Where it listens, with the boot of its machine; none: nobody has these partitions.
    pub owner_address: Option<String>,
    /// How many it has.
    pub partitions: i64,
    /// What is left of its lease by Postgres's clock; less than 0: it has ended, and nobody has taken over.
    pub lease_seconds: Option<f64>,
}

/// Who owns the partitions, those with most of them first.
///
/// # Errors
/// Whatever Postgres says.
pub async fn owners(db: impl PgExecutor<'_>) -> Result<Vec<Owner>, sqlx::Error> {
    sqlx::query_as(
        "SELECT CASE WHEN owner IS NOT NULL THEN owner_address END AS owner_address, count(*) AS partitions,
                extract(epoch FROM min(nullif(lease_until, '-infinity')) - now())::float8 AS lease_seconds
         FROM log_heads GROUP BY owner, 1 ORDER BY partitions DESC, 1",
    )
    .fetch_all(db)
    .await
}

/// Takes partitions over: those whose lease has ended, is of the same address, or all with `force`.
/// What another process holds is missing from the answer.
///
/// # Errors
/// Whatever Postgres says. Some may be taken then; taking them again does no harm.
pub async fn take_over(
    conn: &mut PgConnection,
    log_partitions: &[i16],
    claim: Claim<'_>,
) -> Result<Vec<TakenOver>, sqlx::Error> {
    let mut taken = take(conn, log_partitions, claim, FREE).await?;
    for busy in log_partitions {
        if !taken.iter().any(|t| t.head.log_partition.cast_signed() == *busy) {
            taken.extend(take(conn, &[*busy], claim, WAITING).await?);
        }
    }
    taken.sort_by_key(|t| t.head.log_partition);
    Ok(taken)
}

async fn take(
    conn: &mut PgConnection,
    log_partitions: &[i16],
    claim: Claim<'_>,
    lock: &str,
) -> Result<Vec<TakenOver>, sqlx::Error> {
    sqlx::query(&format!(
        "WITH mine AS (
             SELECT log_partition FROM log_heads h
             WHERE log_partition = ANY($1)
               AND (lease_until < clock_timestamp() OR owner = $2 OR owner_address = $3 OR $4)
             {lock})
         UPDATE log_heads h
         SET epoch = h.epoch + 1, owner = $2, owner_address = $3,
             lease_until = clock_timestamp() + make_interval(secs => $5)
         FROM mine WHERE h.log_partition = mine.log_partition
         RETURNING h.log_partition, h.epoch, h.position, nullif(h.recorded_at, '-infinity') AS recorded_at"
    ))
    .bind(log_partitions)
    .bind(claim.owner)
    .bind(claim.owner_address)
    .bind(claim.force)
    .bind(LEASE_SECONDS)
    .try_map(|row: PgRow| Ok(TakenOver { head: head(&row)?, recorded_at: row.try_get("recorded_at")? }))
    .fetch_all(conn)
    .await
}

/// Renews the leases of these heads. A partition missing from the answer was taken by another process.
///
/// # Errors
/// Whatever Postgres says.
pub async fn renew(conn: &mut PgConnection, heads: &[Head], owner: Uuid) -> Result<Vec<u16>, sqlx::Error> {
    let mut renewed = extend(conn, heads, owner, FREE).await?;
    for busy in heads {
        if !renewed.contains(&busy.log_partition) {
            renewed.extend(extend(conn, &[*busy], owner, WAITING).await?);
        }
    }
    Ok(renewed)
}

async fn extend(
    conn: &mut PgConnection,
    heads: &[Head],
    owner: Uuid,
    lock: &str,
) -> Result<Vec<u16>, sqlx::Error> {
    let (partitions, epochs): (Vec<i16>, Vec<i64>) =
        heads.iter().map(|h| (h.log_partition.cast_signed(), h.epoch)).unzip();
    sqlx::query_scalar::<_, i16>(&format!(
        "WITH mine AS (
             SELECT log_partition
             FROM log_heads h JOIN unnest($1::smallint[], $2::bigint[]) AS c (log_partition, epoch)
                  USING (log_partition)
             WHERE h.epoch = c.epoch AND h.owner = $3
             {lock})
         UPDATE log_heads h SET lease_until = clock_timestamp() + make_interval(secs => $4)
         FROM mine WHERE h.log_partition = mine.log_partition
         RETURNING h.log_partition"
    ))
    .bind(partitions)
    .bind(epochs)
    .bind(owner)
    .bind(LEASE_SECONDS)
    .fetch_all(conn)
    .await
    .map(|rows| rows.into_iter().map(i16::cast_unsigned).collect())
}

/// Gives up the leases of these heads, so that a successor need not wait. One that is busy keeps its lease
/// until it ends by itself.
///
/// # Errors
/// Whatever Postgres says.
pub async fn release(db: impl PgExecutor<'_>, heads: &[Head], owner: Uuid) -> Result<(), sqlx::Error> {
    let numbers: Vec<i16> = heads.iter().map(|h| h.log_partition.cast_signed()).collect();
    sqlx::query(&format!(
        "WITH mine AS (SELECT log_partition FROM log_heads h WHERE owner = $1 AND log_partition = ANY($2) {FREE})
         UPDATE log_heads h SET lease_until = '-infinity', owner = NULL
         FROM mine WHERE h.log_partition = mine.log_partition"
    ))
    .bind(owner)
    .bind(numbers)
    .execute(db)
    .await
    .map(|_| ())
}

fn head(row: &PgRow) -> Result<Head, sqlx::Error> {
    let log_partition: i16 = row.try_get("log_partition")?;
    Ok(Head {
        log_partition: log_partition.cast_unsigned(),
        epoch: row.try_get("epoch")?,
        position: row.try_get("position")?,
    })
}
