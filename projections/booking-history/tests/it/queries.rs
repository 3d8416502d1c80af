//! The queries against a random history: complete, in order, page by page.

use holdfast_booking_history::{
    Booking, BookingHistory, numbered_count, numbered_page, overdue_inventories, page, page_of_inventory,
};
use holdfast_domain::{BookingStatus, InventoryId, UserId};
use holdfast_projector::{
    LogSource, rebuild,
    testing::{Market, TestLog, drain},
};
use holdfast_testkit::{TestDatabase, database};
use sqlx::PgPool;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

async fn filled(seed: u64) -> (TestDatabase, PgPool, Market) {
    let db = database().await;
    let pool = db.pool();
    let mut market = Market::new(seed, 5);
    let mut log = TestLog::create(&pool, 4).await;
    log.append(&market.history(1_500)).await;
    drain::<BookingHistory>(&pool, LogSource::new(&pool)).await;
    (db, pool, market)
}

/// Users with the number of their bookings, of one status or of all.
fn bookings_of(market: &Market, status: Option<BookingStatus>) -> BTreeMap<UserId, usize> {
    let mut users = BTreeMap::new();
    for (_, booking) in market.inventories().values().flat_map(|inventory| inventory.bookings()) {
        *users.entry(booking.user_id).or_default() +=
            usize::from(status.is_none_or(|status| status == booking.status));
    }
    users
}

#[tokio::test]
async fn a_users_pages_are_the_latest_first_without_gap_or_repetition() {
    let (_db, pool, market) = filled(21).await;
    for status in [None, Some(BookingStatus::Cancelled), Some(BookingStatus::Expired)] {
        for (user, expected) in bookings_of(&market, status) {
            let (mut after, mut seen) = (None, Vec::<Booking>::new());
            loop {
                let page = page(&pool, user, status, after, 3).await.unwrap();
                assert!(page.len() <= 3);
                let Some(last) = page.last() else { break };
                after = Some(last.after());
                seen.extend(page);
            }
            assert!(seen.is_sorted_by_key(|b| Reverse((b.reserved_at, b.booking_id))));
            assert!(seen.iter().all(|b| b.user_id == user && status.is_none_or(|s| s == b.status)));
            let ids: BTreeSet<_> = seen.iter().map(|b| b.booking_id).collect();
            assert_eq!((ids.len(), seen.len()), (expected, expected));
        }
    }
}

#[tokio::test]
async fn an_inventorys_pages_are_the_latest_first_without_gap_or_repetition() {
    let (_db, pool, market) = filled(25).await;
    let mut found = 0;
    for status in [None, Some(BookingStatus::Held), Some(BookingStatus::Cancelled)] {
        for (id, inventory) in market.inventories() {
            let wanted = inventory.bookings().filter(|(_, b)| status.is_none_or(|status| status == b.status));
            let expected: BTreeSet<_> = wanted.map(|(id, _)| id).collect();
            let (mut after, mut seen) = (None, Vec::<Booking>::new());
            loop {
                let page = page_of_inventory(&pool, *id, status, after, 7).await.unwrap();
                assert!(page.len() <= 7);
                let Some(last) = page.last() else { break };
                after = Some(last.after());
                seen.extend(page);
            }
            assert!(seen.is_sorted_by_key(|b| Reverse((b.reserved_at, b.booking_id))));
            assert!(seen.iter().all(|b| b.inventory_id == *id));
            let ids: BTreeSet<_> = seen.iter().map(|b| b.booking_id).collect();
            assert_eq!((&ids, seen.len()), (&expected, expected.len()));
            found += seen.len();
        }
    }
    assert!(found > 200, "{found}");
    assert_eq!(page_of_inventory(&pool, InventoryId::default(), None, None, 7).await.unwrap(), []);
}

#[tokio::test]
async fn the_numbered_history_has_all_users_with_a_number_and_nobody_else() {
    let (_db, pool, market) = filled(22).await;
    for status in [None, Some(BookingStatus::Confirmed)] {
        let word = status.map(BookingStatus::as_str);
        let users = bookings_of(&market, status).into_iter();
        let expected: usize = users.filter(|(user, _)| user.number().is_some()).map(|(_, count)| count).sum();
        let mut seen = vec![];
        for offset in (0..).step_by(7) {
            let page = numbered_page(&pool, word, 7, offset).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(numbered_count(&pool, word).await.unwrap(), expected as i64);
        assert!(expected > 20 && seen.len() == expected, "{expected} expected, {} seen", seen.len());
        assert!(seen.iter().all(|b| b.user_id.number().is_some()));
        assert!(seen.is_sorted_by_key(|b| Reverse((b.reserved_at, b.booking_id))));
    }
    assert_eq!(numbered_count(&pool, Some("paid")).await.unwrap(), 0);
}

#[tokio::test]
async fn overdue_holds_lead_to_their_inventories_and_live_ones_do_not() {
    let (_db, pool, market) = filled(23).await;
    let overdue_at = |now| -> BTreeSet<InventoryId> {
        let overdue =
            market.inventories().iter().filter(|(_, i)| i.next_expiry().is_some_and(|at| at <= now));
        overdue.map(|(id, _)| *id).collect()
    };
    let later = market.now() + chrono::TimeDelta::hours(1);
    for now in [market.now() - chrono::TimeDelta::hours(1), market.now(), later] {
        let found = overdue_inventories(&pool, now, 100).await.unwrap();
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), overdue_at(now));
    }
    assert!(!overdue_at(later).is_empty(), "the history ends without a hold");
    assert_eq!(overdue_inventories(&pool, later, 1).await.unwrap().len(), 1);
}

/// The statements are prepared on this connection before the tables change under it.
#[tokio::test]
async fn prepared_queries_go_on_through_a_switch() {
    let (_db, pool, market) = filled(24).await;
    let user = *bookings_of(&market, None).keys().next().unwrap();
    let mut held = pool.acquire().await.unwrap();
    // Past the fifth use Postgres may keep one plan for all parameters.
    for _ in 0..8 {
        page(&mut *held, user, None, None, 10).await.unwrap();
        overdue_inventories(&mut *held, market.now(), 10).await.unwrap();
    }
    let before = page(&mut *held, user, None, None, 10).await.unwrap();
    assert!(rebuild::<BookingHistory>(&pool, false, |_| ()).await.unwrap().switched);
    assert_eq!(page(&mut *held, user, None, None, 10).await.unwrap(), before);
    overdue_inventories(&mut *held, market.now(), 10).await.unwrap();
}
