//! The read model and the aggregates, fed with the same random history, agree in every booking.

use holdfast_booking_history::{BookingHistory, page};
use holdfast_domain::UserId;
use holdfast_projector::{
    LogSource, rebuild,
    testing::{Market, Sliced, TestLog, drain, rows},
};
use holdfast_testkit::database;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test]
async fn bookings_are_the_aggregates_bookings_whatever_the_batches_were() {
    for (seed, batch) in [(1, 1), (2, 7), (3, 64), (4, 1_000)] {
        let db = database().await;
        let pool = db.pool();
        let mut market = Market::new(seed, 5);
        let mut log = TestLog::create(&pool, 3).await;
        log.append(&market.history(400)).await;
        drain::<BookingHistory>(&pool, Sliced { source: LogSource::new(&pool), at_most: batch }).await;

        let mut expected = BTreeMap::new();
        for (inventory_id, inventory) in market.inventories() {
            for (id, b) in inventory.bookings() {
                expected.insert(id, (*inventory_id, b.user_id, b.quantity, b.status, b.expires_at));
            }
        }
        assert!(expected.len() > 50, "a history of {} bookings shows little", expected.len());
        let users: BTreeSet<UserId> = expected.values().map(|(_, user, ..)| *user).collect();
        let mut found = BTreeMap::new();
        for user in users {
            for b in page(&pool, user, None, None, 200).await.unwrap() {
                assert_eq!(b.ended_at.is_some(), !b.status.is_live(), "{b:?}");
                assert_eq!(b.user_id, user);
                found.insert(b.booking_id, (b.inventory_id, user, b.quantity, b.status, b.expires_at));
            }
        }
        assert_eq!(found, expected, "seed {seed}, batches of {batch}");
    }
}

#[tokio::test]
async fn a_rebuild_gives_the_same_rows_as_small_batches_did() {
    let db = database().await;
    let pool = db.pool();
    let mut market = Market::new(5, 5);
    let mut log = TestLog::create(&pool, 3).await;
    for _ in 0..10 {
        log.append(&market.history(40)).await;
        drain::<BookingHistory>(&pool, Sliced { source: LogSource::new(&pool), at_most: 9 }).await;
    }
    let before = rows::<BookingHistory>(&pool).await;
    let rebuilt = rebuild::<BookingHistory>(&pool, false, |_| ()).await.unwrap();
    assert!(rebuilt.compared && rebuilt.switched && rebuilt.differences.is_empty(), "{rebuilt:?}");
    assert_eq!(before, rows::<BookingHistory>(&pool).await);
}
