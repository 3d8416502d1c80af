//! Which index serves which query, on a table of 100,000 bookings.

use holdfast_booking_history::{
    Booking, BookingHistory, numbered_count, numbered_page, overdue_inventories, page, page_of_inventory,
};
use holdfast_domain::{BookingStatus, InventoryId, UserId};
use holdfast_projector::{
    LogSource,
    testing::{TestLog, drain, pages_looked_at, plan},
};
use holdfast_testkit::{TestDatabase, database};
use sqlx::PgPool;

/// A user with a fifth of all bookings. Another tenth belongs to users with a number; a fiftieth is on hold.
const BUSY_USER: &str = "80000000-0000-0000-0000-000000000000";

async fn filled() -> (TestDatabase, PgPool) {
    let db = database().await;
    let pool = db.pool();
    TestLog::create(&pool, 2).await;
    drain::<BookingHistory>(&pool, LogSource::new(&pool)).await;
    let fill = format!(
        "INSERT INTO booking_history.bookings
         SELECT gen_random_uuid(),
                CASE WHEN n % 10 = 0 THEN ('00000000-0000-8003-8000-' || lpad(to_hex(n % 500), 12, '0'))::uuid
                     WHEN n % 5 = 1 THEN '{BUSY_USER}' ELSE md5((n % 2000)::text)::uuid END,
                md5((n % 200)::text)::uuid, 1, CASE WHEN n % 50 = 0 THEN 'held' ELSE 'confirmed' END, 1, 'EUR',
                now() - n / 3 * interval '1 second', now() + n * interval '1 second', NULL, NULL, NULL, n % 2, n
         FROM generate_series(1, 100000) n"
    );
    sqlx::query(&fill).execute(&pool).await.unwrap();
    sqlx::query("VACUUM (ANALYZE) booking_history.bookings").execute(&pool).await.unwrap();
    (db, pool)
}

#[tokio::test]
async fn an_index_serves_every_query() {
    let (_db, pool) = filled().await;
    let conn = &mut *pool.acquire().await.unwrap();
    let busy = UserId(BUSY_USER.parse().unwrap());
    let first = page(&mut *conn, busy, None, None, 200).await.unwrap();
    assert_eq!(first.len(), 200);
    let of_user = plan(conn, &format!("'{BUSY_USER}', NULL, 200")).await;
    page(&mut *conn, busy, None, first.last().map(Booking::after), 200).await.unwrap();
    let next = plan(conn, &format!("'{BUSY_USER}', NULL, 200, now() - interval '1 h', '{BUSY_USER}'")).await;
    for plan in [of_user, next] {
        assert!(plan.contains("Index Scan Backward using bookings_of_user"), "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    }

    assert_eq!(numbered_count(&mut *conn, None).await.unwrap(), 10_000);
    let count = plan(conn, "NULL").await;
    assert!(count.contains("bookings_numbered") && !count.contains("Seq Scan on bookings"), "{count}");

    overdue_inventories(&mut *conn, chrono::DateTime::UNIX_EPOCH, 10).await.unwrap();
    let overdue = plan(conn, "now(), 10").await;
    assert!(overdue.contains("bookings_held"), "{overdue}");
}

/// An inventory with 300,000 bookings, of which few are of one status: a page of these looks at no others.
#[tokio::test]
async fn a_page_of_an_inventory_with_300_000_bookings_reads_its_index_and_no_more_than_it_shows() {
    let (_db, pool) = filled().await;
    let inventory = InventoryId("70000000-0000-7000-8000-000000000000".parse().unwrap());
    let fill = format!(
        "INSERT INTO booking_history.bookings
         SELECT gen_random_uuid(), '{BUSY_USER}', '{}', 1, CASE WHEN n % 10000 = 0 THEN 'held' ELSE 'cancelled' END, 1, 'EUR',
                now() - n / 3 * interval '1 second', NULL, NULL, NULL, NULL, n % 2, n
         FROM generate_series(1, 300000) n",
        inventory.0
    );
    sqlx::query(&fill).execute(&pool).await.unwrap();
    sqlx::query("VACUUM (ANALYZE) booking_history.bookings").execute(&pool).await.unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    let first = page_of_inventory(&mut *conn, inventory, None, None, 50).await.unwrap();
    let after = first.last().map(Booking::after);
    let cases = [
        (None, None, "'{held,confirmed,cancelled,expired}', 50"),
        (Some(BookingStatus::Held), None, "'{held}', 50"),
        (
            None,
            after,
            "'{held,confirmed,cancelled,expired}', 50, now(), '80000000-0000-0000-0000-000000000000'",
        ),
    ];
    for (status, after, arguments) in cases {
        let page = page_of_inventory(&mut *conn, inventory, status, after, 50).await.unwrap();
        assert_eq!(page.len(), if status.is_some() { 30 } else { 50 });
        let arguments = format!("'{}', {arguments}", inventory.0);
        let plan = plan(conn, &arguments).await;
        assert!(plan.contains("Index Scan Backward using bookings_of_inventory"), "{plan}");
        let pages = pages_looked_at(conn, &arguments).await;
        assert!(pages < 1_000, "{pages} pages: {plan}");
    }
}

/// Bookings made by one statement of the writer share an instant: they may be sorted among themselves.
#[tokio::test]
async fn the_numbered_history_is_read_in_the_order_of_its_index() {
    let (_db, pool) = filled().await;
    let conn = &mut *pool.acquire().await.unwrap();
    numbered_page(&mut *conn, None, 10, 0).await.unwrap();
    let plan = plan(conn, "NULL, 10, 0").await;
    assert!(plan.contains("Incremental Sort") && plan.contains("bookings_numbered"), "{plan}");
}

/// The range in the index's condition is exactly the ids that `UserId::from_number` makes.
#[tokio::test]
async fn every_number_lies_in_the_range_of_the_index_and_other_ids_do_not() {
    let db = database().await;
    let pool = db.pool();
    TestLog::create(&pool, 1).await;
    drain::<BookingHistory>(&pool, LogSource::new(&pool)).await;
    let numbers = [0, 1, -1, i64::from(i32::MIN), i64::from(i32::MAX), (1 << 61) - 1, -(1 << 61)];
    let numbered = numbers.map(|number| UserId::from_number(number).unwrap().0);
    let others = ["00000000-0000-8003-7fff-ffffffffffff", "00000000-0000-8003-c000-000000000000"];
    let others = others.map(|id| id.parse::<uuid::Uuid>().unwrap());
    assert!(others.iter().all(|id| UserId(*id).number().is_none()));
    sqlx::query(
        "INSERT INTO booking_history.bookings
         SELECT gen_random_uuid(), id, id, 1, 'confirmed', 1, 'EUR', now(), NULL, NULL, NULL, NULL, 0, 1
         FROM unnest($1::uuid[]) AS u (id)",
    )
    .bind([numbered.as_slice(), &others].concat())
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(numbered_count(&pool, None).await.unwrap(), numbers.len() as i64);
}
