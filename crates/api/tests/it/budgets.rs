//! Connections are in budgets: reads that hang stop reads.

use crate::app::{App, PASSWORD, PATIENCE};
use chrono::TimeDelta;
use futures::future::{join, join_all};
use holdfast_testkit::eventually;
use serde_json::json;
use sqlx::{Executor, PgConnection};
use std::{cell::Cell, time::Duration};
use tokio::time::timeout;

/// Reads at a time: many more than any pool has connections.
const READS: usize = 40;

/// Locks every table of both read models until the transaction of `connection` ends.
async fn lock_read_models(connection: &mut PgConnection) {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
         WHERE schemaname IN ('availability', 'booking_history')",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    assert!(tables.contains(&"availability.inventories".to_owned()), "{tables:?}");
    connection.execute(format!("LOCK TABLE {}", tables.join(", ")).as_str()).await.unwrap();
}

/// How many statements wait for a lock in this database.
async fn waiting(connection: &mut PgConnection) -> i64 {
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    sqlx::query_scalar(waiting).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn while_all_reads_hang_bookings_sign_ins_and_readiness_go_on() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 1_000, 900).await;
    let flights = format!("/v1/inventories/{show}/availability");
    app.project().await;
    let mut held = app.pool.begin().await.unwrap();
    lock_read_models(&mut held).await;
    let done = Cell::new(false);
    let reads = join_all((0..READS).map(|nth| {
        let path = if nth % 2 == 0 { flights.as_str() } else { "/v1/bookings" };
        let (app, ada, done) = (&app, &ada, &done);
        async move {
            while !done.get() {
                let answer = app.get(path).by(ada).send().await;
                assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
            }
        }
    }));
    let bookings = async {
        eventually(PATIENCE, "reads hang", async || waiting(&mut held).await >= 4).await;
        for nth in 0..5 {
            let booking = app.reserve(&ada, &show, 1, &format!("k{nth}")).send().await.ok(201);
            let path = format!("/v1/bookings/{}", booking["id"].as_str().unwrap());
            assert_eq!(
                app.post(&format!("{path}/confirm")).by(&ada).send().await.ok(200)["status"],
                "confirmed"
            );
            assert_eq!(app.get(&path).by(&ada).send().await.ok(200)["status"], "confirmed");
            app.post(&format!("{path}/cancel")).by(&ada).json(&json!({})).send().await.ok(200);
            app.signed_in("ada@example.com").await;
            app.clock.advance(TimeDelta::seconds(1));
            assert_eq!(app.operator("/health/ready").send().await.ok(200)["log"]["ready"], true);
        }
        let bob = json!({"email": "bob@example.com", "password": PASSWORD});
        app.post("/v1/users").json(&bob).send().await.ok(201);
        done.set(true);
    };
    join(reads, bookings).await;
    held.rollback().await.unwrap();
    app.get(&flights).by(&ada).send().await.ok(200);
}

/// Anybody can invent keys; each is looked up once, and one at a time.
#[tokio::test]
async fn while_look_ups_of_invented_keys_hang_bookings_and_sign_ins_go_on() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    let show = app.show(&admin, 1_000, 900).await;
    let mut held = app.pool.begin().await.unwrap();
    held.execute("LOCK TABLE api_keys").await.unwrap();
    let done = Cell::new(false);
    let invented = join_all((0..READS).map(|nth| {
        let (app, done) = (&app, &done);
        async move {
            let mut tried = nth;
            while !done.get() {
                let key = format!("Bearer hfk_{tried:064}");
                let answer = app.get("/v1/users/me").header("authorization", &key).send().await;
                assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
                tried += READS;
            }
        }
    }));
    let others = async {
        eventually(PATIENCE, "a look-up hangs", async || waiting(&mut held).await >= 1).await;
        for nth in 0..5 {
            app.reserve(&ada, &show, 1, &format!("k{nth}")).send().await.ok(201);
            app.signed_in("ada@example.com").await;
        }
        done.set(true);
    };
    join(invented, others).await;
    held.rollback().await.unwrap();
}

/// Their clients have gone: Postgres ends what they asked, and the connections serve others, with the lock still held.
#[tokio::test]
async fn abandoned_reads_give_their_connections_back() {
    let app = App::new().await;
    let (admin, ada) = (app.admin().await, app.customer("ada").await);
    app.show(&admin, 10, 900).await;
    app.project().await;
    let mut held = app.pool.begin().await.unwrap();
    lock_read_models(&mut held).await;
    let reads = join_all((0..READS).map(|_| app.get("/v1/bookings").by(&ada).send()));
    assert!(timeout(Duration::from_millis(100), reads).await.is_err());
    eventually(PATIENCE, "no statement waits any more", async || waiting(&mut held).await == 0).await;
    let cities = join_all((0..READS).map(|_| app.get("/v1/cities").by(&ada).send()));
    assert!(cities.await.iter().all(|answer| answer.status == 200));
    held.rollback().await.unwrap();
}

/// The readiness page costs Postgres the same however often it is asked for.
#[tokio::test]
async fn readiness_asks_postgres_at_most_once_a_second() {
    let (app, proxy) = App::behind_proxy().await;
    let ready = async || app.operator("/health/ready").send().await.ok(200);
    ready().await;
    proxy.lose_requests(|sql| sql == "SELECT");
    join_all((0..READS).map(|_| ready())).await;
    assert_eq!(proxy.losses(), 0);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(app.operator("/health/ready").send().await.ok(503)["log"]["ready"], false);
    assert_eq!(proxy.losses(), 1);
}

/// Anybody may ask for the history, and it can be long: its requests wait for each other and leave the reads their connections.
#[tokio::test]
async fn histories_that_hang_leave_the_other_reads_their_connections() {
    let app = App::with(|config| config.compat = true).await;
    app.project().await;
    let mut held = app.pool.begin().await.unwrap();
    lock_read_models(&mut held).await;
    let done = Cell::new(false);
    let histories = join_all((0..READS).map(|nth| {
        let path = ["/api/v1/history", "/api/v1/history?status=expired"][nth % 2];
        let (app, done) = (&app, &done);
        async move {
            while !done.get() {
                assert_eq!(app.get(path).send().await.status, 503);
            }
        }
    }));
    let others = async {
        eventually(PATIENCE, "a history hangs", async || waiting(&mut held).await > 0).await;
        for _ in 0..5 {
            assert_eq!(waiting(&mut held).await.max(1), 1);
            app.get("/api/v1/city").send().await.ok(200);
            assert_eq!(app.get("/api/v1/history?status=paid").send().await.ok(200)["meta"]["total"], 0);
        }
        done.set(true);
    };
    join(histories, others).await;
    held.rollback().await.unwrap();
    app.get("/api/v1/history").send().await.ok(200);
}
