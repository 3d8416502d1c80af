//! What the log has of bookings, to hold against what was answered; and chance, for moments that nobody chose.

use holdfast_ambient::{Ambient, Machine};
use holdfast_cluster::Cluster;
use sqlx::{ConnectOptions, PgConnection, Row};
use std::collections::HashMap;

/// Bookings: id → (inventory, quantity).
pub(crate) type Bookings = HashMap<String, (String, u64)>;

/// A number below `below`.
pub(crate) fn chance(below: u64) -> u64 {
    let mut bytes = [0; 8];
    Machine.random(&mut bytes);
    u64::from_le_bytes(bytes) % below
}

/// A connection to the system's database.
pub(crate) async fn connection(cluster: &Cluster) -> PgConnection {
    cluster.connect_options("holdfast").connect().await.unwrap()
}

/// Bookings in the log. One that is doubled, and a show of which more is sold than it has, fail the test here.
pub(crate) async fn stored(log: &mut PgConnection, shows: &[String], capacities: &[u32]) -> Bookings {
    let rows = sqlx::query(
        "SELECT payload ->> 'booking_id' AS id, aggregate_id, (payload ->> 'quantity')::bigint AS quantity
         FROM events WHERE event_type = 'SeatsReserved'",
    )
    .fetch_all(log)
    .await
    .unwrap();
    let mut seats: HashMap<String, u64> = HashMap::new();
    let mut bookings = HashMap::new();
    for row in &rows {
        let (id, show): (String, String) = (row.get("id"), row.get("aggregate_id"));
        let quantity = u64::try_from(row.get::<i64, _>("quantity")).unwrap();
        *seats.entry(show.clone()).or_default() += quantity;
        assert!(bookings.insert(id, (show, quantity)).is_none(), "a booking is stored twice");
    }
    for (show, capacity) in shows.iter().zip(capacities) {
        let sold = seats.get(show).copied().unwrap_or(0);
        assert!(sold <= u64::from(*capacity), "{sold} seats sold of {capacity}");
    }
    bookings
}
