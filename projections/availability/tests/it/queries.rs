//! The queries: what they return, that an index serves them, and that a switch does not disturb them.

use holdfast_availability::{Availability, InventoryRow, find, shows};
use holdfast_domain::InventoryId;
use holdfast_projector::{
    LogSource, rebuild,
    testing::{Market, TestLog, drain, plan},
};
use holdfast_testkit::database;
use sqlx::Connection;
use std::collections::BTreeSet;

#[tokio::test]
async fn pages_of_shows_are_the_latest_first_without_gap_or_repetition() {
    let db = database().await;
    let pool = db.pool();
    let mut market = Market::new(11, 25);
    let mut log = TestLog::create(&pool, 4).await;
    log.append(&market.history(600)).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    let (mut after, mut seen) = (None, vec![]);
    loop {
        let page = shows(&pool, after, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = Some(last.after());
        seen.extend(page);
    }
    assert!(seen.is_sorted_by_key(|row| std::cmp::Reverse((row.opened_at, row.inventory_id))));
    let ids: BTreeSet<_> = seen.iter().map(|row| row.inventory_id).collect();
    let opened = market.inventories().iter().filter(|(_, i)| i.terms().is_some());
    assert_eq!(ids, opened.map(|(id, _)| *id).collect());
    assert_eq!(ids.len(), seen.len());
}

/// Each pooled connection has the statement prepared before the tables change under it.
#[tokio::test]
async fn prepared_queries_go_on_through_a_switch() {
    let db = database().await;
    let pool = db.pool();
    let mut market = Market::new(12, 3);
    let mut log = TestLog::create(&pool, 2).await;
    log.append(&market.history(100)).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    let id = *market.inventories().keys().next().unwrap();
    let mut held = pool.acquire().await.unwrap();
    // Past the fifth use Postgres may keep one plan for all parameters.
    for _ in 0..8 {
        find(&mut *held, id).await.unwrap().unwrap();
        shows(&mut *held, None, 10).await.unwrap();
    }
    let mut tx = held.begin().await.unwrap();
    let before = find(&mut *tx, id).await.unwrap().unwrap();
    // The switch does not wait for a transaction that reads; dropping the old tables does.
    let switching = tokio::spawn({
        let pool = pool.clone();
        async move { rebuild::<Availability>(&pool, false, |_| ()).await }
    });
    let switched = "SELECT 'availability.inventories'::regclass::oid <> $1::oid";
    let old: i64 = table(&mut tx).await;
    holdfast_testkit::eventually(std::time::Duration::from_secs(20), "the new tables are live", async || {
        sqlx::query_scalar(switched)
            .bind(sqlx::postgres::types::Oid(old as u32))
            .fetch_one(&pool)
            .await
            .unwrap()
    })
    .await;
    assert_eq!(find(&mut *tx, id).await.unwrap().unwrap(), before, "in the middle of a transaction");
    tx.commit().await.unwrap();
    assert!(switching.await.unwrap().unwrap().switched);
    assert_eq!(find(&mut *held, id).await.unwrap().unwrap(), before);
    assert_eq!(shows(&mut *held, None, 10).await.unwrap().len(), 3);
}

async fn table(conn: &mut sqlx::PgConnection) -> i64 {
    sqlx::query_scalar("SELECT 'availability.inventories'::regclass::oid::int8")
        .fetch_one(conn)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_index_serves_every_query() {
    let db = database().await;
    let pool = db.pool();
    TestLog::create(&pool, 2).await;
    drain::<Availability>(&pool, LogSource::new(&pool)).await;
    sqlx::query(
        "INSERT INTO availability.inventories (
             inventory_id, kind, name, capacity, overbooking_allowance, held, confirmed, blocked, sales,
             price_amount, currency, seats_per_booking, live_bookings_per_user, hold_seconds, version, opened_at,
             log_partition, position)
         SELECT gen_random_uuid(), 'show', 'x', 10, 0, 0, 0, 0, 'open', 1, 'EUR', 1, 0, 0, 1,
                now() - n * interval '1 second', n % 2, n
         FROM generate_series(1, 100000) n",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("ANALYZE availability.inventories").execute(&pool).await.unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    assert!(find(&mut *conn, InventoryId::default()).await.unwrap().is_none());
    let plan_of_find = plan(conn, "'00000000-0000-0000-0000-000000000000'").await;
    assert!(plan_of_find.contains("Index Scan using inventories_pkey"), "{plan_of_find}");

    let page = shows(&mut *conn, None, 200).await.unwrap();
    let first = plan(conn, "200").await;
    shows(&mut *conn, page.last().map(InventoryRow::after), 200).await.unwrap();
    let next = plan(conn, "200, now() - interval '1 h', '80000000-0000-0000-0000-000000000000'").await;
    for plan in [first, next] {
        assert!(plan.contains("Index Scan Backward using inventories_opened"), "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    }
}
