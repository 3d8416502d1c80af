//! Tells others how far the topic is: the only code that writes `topic_positions`.
//!
//! Best effort, and only to be looked at: where a relay goes on is read from the topic itself.
//!
//! Correctness: only who has a partition's lease tells of it, and the row that says so is locked while it does. A relay that
//! was replaced and does not know it therefore sets nothing back; and a topic that was made anew is told as it is.

use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Tells where these partitions of the topic end; those that are another relay's are left alone.
pub(crate) async fn tell(
    conn: &mut PgConnection,
    relay_id: Uuid,
    sent: &BTreeMap<u16, i64>,
) -> Result<(), sqlx::Error> {
    let partitions: Vec<i16> = sent.keys().map(|number| number.cast_signed()).collect();
    let positions: Vec<i64> = sent.values().copied().collect();
    // What is locked is changing hands, and will be told by whoever gets it: waiting here could end in a deadlock.
    sqlx::query(
        "WITH mine AS (
             SELECT log_partition FROM relay_partitions WHERE relay_id = $1 FOR KEY SHARE SKIP LOCKED)
         INSERT INTO topic_positions AS t (log_partition, position, told_at)
         SELECT log_partition, position, clock_timestamp()
         FROM unnest($2::smallint[], $3::bigint[]) AS sent (log_partition, position) JOIN mine USING (log_partition)
         ON CONFLICT (log_partition) DO UPDATE SET position = excluded.position, told_at = excluded.told_at
         WHERE t.position <> excluded.position",
    )
    .bind(relay_id)
    .bind(partitions)
    .bind(positions)
    .execute(conn)
    .await
    .map(|_| ())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::leases::{release, renew};
    use holdfast_testkit::database;

    /// The zombie still believes in its lease. Without the join to `relay_partitions`, it would set the topic back.
    #[tokio::test]
    async fn only_who_has_the_lease_tells_how_far_the_topic_is() {
        let db = database().await;
        let mut conn = db.pool().acquire().await.unwrap();
        let (zombie, heir) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(renew(&mut conn, zombie, 2).await.unwrap(), [0, 1]);
        tell(&mut conn, zombie, &BTreeMap::from([(0, 10), (1, 7)])).await.unwrap();
        release(&mut conn, zombie).await.unwrap();
        assert_eq!(renew(&mut conn, heir, 2).await.unwrap(), [0, 1]);
        tell(&mut conn, heir, &BTreeMap::from([(0, 20)])).await.unwrap();
        tell(&mut conn, zombie, &BTreeMap::from([(0, 11), (1, 8)])).await.unwrap();
        let told = "SELECT position FROM topic_positions ORDER BY log_partition";
        assert_eq!(sqlx::query_scalar::<_, i64>(told).fetch_all(&mut *conn).await.unwrap(), [20, 7]);
        // Somebody deleted the topic, and it is filled again.
        tell(&mut conn, heir, &BTreeMap::from([(0, 3)])).await.unwrap();
        assert_eq!(sqlx::query_scalar::<_, i64>(told).fetch_all(&mut *conn).await.unwrap(), [3, 7]);
    }
}
