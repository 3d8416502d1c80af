//! The read model and the aggregates, fed with the same random history, agree in every booking.

use holdfast_booking_history::{BookingHistory, page};
use holdfast_domain::{
    BookingCancelled, BookingConfirmed, BookingId, BookingStatus, Currency, InventoryId, Money,
    SeatsReserved, Timestamp, UserId,
};
use holdfast_projector::{
    LogSource, Positions, Projector, rebuild,
    testing::{Happened, Market, Sliced, TestLog, drain, rows},
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

/// The late one knows only the confirmation; the other has applied the cancellation as well.
#[tokio::test]
async fn a_projector_that_was_overtaken_does_not_bring_an_older_status_back() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    let (made, confirmed, cancelled) = a_booking_that_is_confirmed_and_cancelled();
    log.append(&[made]).await;
    let late = Sliced { source: LogSource::new(&pool), at_most: 1 };
    let mut late = Projector::<BookingHistory, _>::new(&pool, late, Positions::of::<BookingHistory>(&pool));
    assert_eq!(late.run_once().await.unwrap().events, 1);
    log.append(&[confirmed, cancelled]).await;
    drain::<BookingHistory>(&pool, LogSource::new(&pool)).await;
    let before = rows::<BookingHistory>(&pool).await;
    assert_eq!(before["bookings"][0]["status"], "cancelled");
    assert_eq!(late.run_once().await.unwrap().events, 0);
    assert_eq!(rows::<BookingHistory>(&pool).await, before);
}

fn a_booking_that_is_confirmed_and_cancelled() -> (Happened, Happened, Happened) {
    let booking_id = BookingId::default();
    let total = Money { amount: 1, currency: Currency::from_code("EUR").unwrap() };
    let at = Timestamp::default();
    let user_id = UserId::default();
    let happened = |event| Happened { inventory_id: InventoryId::default(), event, at };
    let reserved = SeatsReserved { booking_id, user_id, quantity: 1, total, expires_at: Some(at) };
    let cancelled = BookingCancelled {
        booking_id,
        previous_status: BookingStatus::Confirmed,
        released: 1,
        reason: "customer".to_owned(),
    };
    (
        happened(reserved.into()),
        happened(BookingConfirmed { booking_id, quantity: 1 }.into()),
        happened(cancelled.into()),
    )
}
