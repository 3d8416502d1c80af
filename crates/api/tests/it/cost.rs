//! What a sale costs Postgres, counted and not timed: rows written and statements run for each accepted booking.
//!
//! A booking is one row each of `events`, `commands` and the history, 3.03 in all: the rest is a few rows for each append and fold,
//! and the leases' renewals. Statements are 0.17 a booking. The bounds leave room for smaller batches and a slow machine; a row or a
//! statement that is added to each booking breaks them.

use crate::app::App;
use futures::future::join_all;
use holdfast_testkit::Proxy;
use serde_json::json;
use sqlx::PgPool;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

const BOOKINGS: i64 = 2_000;
/// Bookings under way at a time.
const AT_ONCE: i64 = 200;
/// Rows that 100 bookings write.
const ROWS_OF_100_MAX: i64 = 325;
/// Statements that 100 bookings run.
const STATEMENTS_OF_100_MAX: i64 = 50;

/// Counts the rows that are inserted, updated and deleted in each table: at once and exactly, which Postgres's own statistics are not.
const COUNT_ROWS: &str = "
    CREATE SCHEMA counted;
    CREATE FUNCTION counted.count_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM nextval(format('counted.%I', TG_ARGV[0])::regclass);
        RETURN NULL;
    END $$;
    DO $$
    DECLARE t record;
    BEGIN
        FOR t IN SELECT schemaname, tablename, schemaname || '.' || tablename AS name FROM pg_tables
                 WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
        LOOP
            EXECUTE format('CREATE SEQUENCE counted.%I', t.name);
            EXECUTE format('CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE ON %I.%I
                            FOR EACH ROW EXECUTE FUNCTION counted.count_row(%L)', t.schemaname, t.tablename, t.name);
        END LOOP;
    END $$";

/// Rows written since [`COUNT_ROWS`], by table.
async fn rows(pool: &PgPool) -> BTreeMap<String, i64> {
    let sql = "SELECT sequencename::text, last_value FROM pg_sequences
               WHERE schemaname = 'counted' AND last_value IS NOT NULL";
    sqlx::query_as(sql).fetch_all(pool).await.unwrap().into_iter().collect()
}

/// Counts the statements that pass the proxy from now on, by their text.
fn statements(proxy: &Proxy) -> Arc<Mutex<BTreeMap<String, i64>>> {
    let counts = Arc::<Mutex<BTreeMap<String, i64>>>::default();
    let counting = counts.clone();
    proxy.lose_requests(move |sql| {
        *counting.lock().unwrap().entry(sql.to_owned()).or_default() += 1;
        false
    });
    counts
}

/// Sold as booking_monitor sells, to users without an account, while mails are open.
#[tokio::test]
async fn a_sale_writes_few_rows_and_runs_few_statements_for_each_booking() {
    let (app, proxy) = App::counted().await;
    let opened = app.post("/api/v1/events").json(&json!({"name": "Sale", "total_tickets": BOOKINGS}));
    let event = opened.send().await.ok(201)["id"].as_i64().unwrap();
    let open_mails = "INSERT INTO mail_channel (after_positions, open_until)
                      SELECT array_agg(0::bigint), '2100-01-01' FROM log_heads";
    sqlx::raw_sql(open_mails).execute(&app.pool).await.unwrap();
    app.project().await;
    app.notify().await;
    sqlx::raw_sql(COUNT_ROWS).execute(&app.pool).await.unwrap();
    let statements = statements(&proxy);
    for first in (0..BOOKINGS).step_by(usize::try_from(AT_ONCE).unwrap()) {
        join_all((first + 1..=first + AT_ONCE).map(async |user| {
            let body = json!({"user_id": user, "event_id": event, "quantity": 1});
            app.post("/api/v1/book").json(&body).send().await.ok(200);
        }))
        .await;
        app.project().await;
        app.notify().await;
    }
    let statements = statements.lock().unwrap().clone();
    let rows = rows(&app.pool).await;
    let [rows_in_all, statements_in_all] = [&rows, &statements].map(|counts| counts.values().sum::<i64>());
    for table in ["public.events", "public.commands", "booking_history.bookings"] {
        assert_eq!(rows.get(table), Some(&BOOKINGS), "{table} of {rows:#?}");
    }
    assert!(rows_in_all * 100 <= BOOKINGS * ROWS_OF_100_MAX, "{rows_in_all} rows: {rows:#?}");
    assert!(
        statements_in_all * 100 <= BOOKINGS * STATEMENTS_OF_100_MAX,
        "{statements_in_all} statements: {statements:#?}"
    );
}
