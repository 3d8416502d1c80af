//! Who sends which partition: the only code that changes `relays` and `relay_partitions`.
//!
//! Every relay has one lease and takes its fair share of the partitions: all of them if it is alone. One that joins gets
//! its share as the others, at their next renewal, let go of what is beyond theirs; one that dies leaves its partitions
//! free when its lease ends.

use sqlx::{Connection as _, FromRow, PgConnection, PgExecutor};
use uuid::Uuid;

/// How long a lease lasts: how late a dead relay is replaced.
const LEASE_SECONDS: f64 = 5.0;

/// Renews the lease and returns the partitions that are this relay's until then, in order.
pub(crate) async fn renew(
    conn: &mut PgConnection,
    relay_id: Uuid,
    partitions: u16,
) -> Result<Vec<u16>, sqlx::Error> {
    let mut tx = conn.begin().await?;
    // Ended leases first, and in an order, so that two relays that renew at once do not wait for each other.
    sqlx::query(
        "DELETE FROM relays WHERE relay_id IN (
             SELECT relay_id FROM relays WHERE lease_until <= now() AND relay_id <> $1
             ORDER BY relay_id FOR UPDATE SKIP LOCKED)",
    )
    .bind(relay_id)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO relays (relay_id, lease_until) VALUES ($1, now() + make_interval(secs => $2))
         ON CONFLICT (relay_id) DO UPDATE SET lease_until = excluded.lease_until",
    )
    .bind(relay_id)
    .bind(LEASE_SECONDS)
    .execute(&mut *tx)
    .await?;
    let relays: i64 = sqlx::query_scalar("SELECT count(*) FROM relays").fetch_one(&mut *tx).await?;
    let relays = u64::try_from(relays).unwrap_or(1).max(1);
    let share = u64::from(partitions).div_ceil(relays).cast_signed();
    sqlx::query(
        "DELETE FROM relay_partitions WHERE log_partition IN (
             SELECT log_partition FROM relay_partitions WHERE relay_id = $1 ORDER BY log_partition OFFSET $2)",
    )
    .bind(relay_id)
    .bind(share)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO relay_partitions (log_partition, relay_id)
         SELECT free, $1 FROM generate_series(0, $2 - 1) AS free
         WHERE NOT EXISTS (SELECT FROM relay_partitions WHERE log_partition = free)
         ORDER BY free
         LIMIT greatest(0, $3 - (SELECT count(*) FROM relay_partitions WHERE relay_id = $1))
         ON CONFLICT DO NOTHING",
    )
    .bind(relay_id)
    .bind(i32::from(partitions))
    .bind(share)
    .execute(&mut *tx)
    .await?;
    let mine: Vec<i16> = sqlx::query_scalar(
        "SELECT log_partition FROM relay_partitions WHERE relay_id = $1 ORDER BY log_partition",
    )
    .bind(relay_id)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(mine.into_iter().map(i16::cast_unsigned).collect())
}

/// Gives everything back, so that another need not wait for the lease to end.
pub(crate) async fn release(conn: &mut PgConnection, relay_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM relays WHERE relay_id = $1").bind(relay_id).execute(conn).await.map(|_| ())
}

/// A relay's lease and its share, for people to look at.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct RelayLease {
    /// Names the process.
    pub relay_id: Uuid,
    /// What is left of its lease by Postgres's clock; less than 0: it has ended, and nobody has taken its place.
    pub lease_seconds: f64,
    /// Partitions it sends.
    pub partitions: i64,
}

/// The relays that have a lease, or had one that nobody has taken over.
///
/// # Errors
/// Whatever Postgres says.
pub async fn relay_leases(db: impl PgExecutor<'_>) -> Result<Vec<RelayLease>, sqlx::Error> {
    sqlx::query_as(
        "SELECT relay_id, extract(epoch FROM lease_until - now())::float8 AS lease_seconds,
                count(log_partition) AS partitions
         FROM relays LEFT JOIN relay_partitions USING (relay_id) GROUP BY relay_id ORDER BY relay_id",
    )
    .fetch_all(db)
    .await
}
