//! What is wrong stops the projector, loudly and at its place; what goes away is waited for.

use crate::tally::{append, checkpoints, counts, projector, tamper};
use holdfast_projector::{Failure, State, testing::TestLog};
use holdfast_testkit::{cluster, database, eventually};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);

/// Runs until the projector stops by itself, and returns why.
async fn stopped(pool: &PgPool) -> (Failure, String) {
    let projector = projector(pool);
    let status = projector.status();
    let run = projector.run(None, CancellationToken::new());
    let failure = tokio::time::timeout(SOON, run).await.expect("it stops").unwrap_err();
    let State::Stopped { why, .. } = status.borrow().state.clone() else { panic!("{:?}", status.borrow()) };
    (failure, why)
}

#[tokio::test]
async fn a_hole_stops_the_projector_loudly() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 2).await;
    append(&mut log, 1, 9).await;
    tamper(&db.pool(), "DELETE FROM events WHERE log_partition = 1 AND position = 5").await;
    let (failure, why) = stopped(&db.pool()).await;
    assert!(matches!(failure, Failure::Hole { log_partition: 1, expected: 5, found: 6 }), "{failure:?}");
    assert_eq!(why, "log partition 1 has a hole: expected position 5, found 6");
    assert_eq!(checkpoints(&db.pool()).await, [0, 0], "nothing of that batch is applied");
}

/// In a server the projector outlives what stopped it: nobody has to restart the server after a repair.
#[tokio::test]
async fn a_projector_that_stopped_goes_on_when_it_is_mended() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 2).await;
    append(&mut log, 1, 9).await;
    tamper(&db.pool(), "UPDATE events SET position = 50 WHERE log_partition = 1 AND position = 5").await;
    let (projector, shutdown) = (projector(&db.pool()), CancellationToken::new());
    let status = projector.status();
    let running = tokio::spawn(projector.keep_running(None, shutdown.clone()));
    eventually(SOON, "it stops", async || matches!(status.borrow().state, State::Stopped { .. })).await;
    tamper(&db.pool(), "UPDATE events SET position = 5 WHERE position = 50").await;
    eventually(SOON, "it goes on", async || counts(&db.pool()).await == [9]).await;
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_read_model_of_another_log_is_not_mixed_with_this_one() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 1).await;
    append(&mut log, 0, 2).await;
    projector(&db.pool()).run_once().await.unwrap();
    tamper(&db.pool(), "UPDATE log_identity SET log_id = gen_random_uuid()").await;
    let (failure, why) = stopped(&db.pool()).await;
    assert!(matches!(failure, Failure::OtherLog { .. }), "{failure:?}");
    assert!(why.contains("holdfast rebuild tally-of-events"), "{why}");
}

#[tokio::test]
async fn tables_of_another_build_are_not_written_to() {
    let db = database().await;
    TestLog::create(&db.pool(), 1).await;
    projector(&db.pool()).run_once().await.unwrap();
    tamper(&db.pool(), "UPDATE tally_of_events.origin SET tables = 'those of last year'").await;
    assert!(matches!(stopped(&db.pool()).await.0, Failure::OtherTables { .. }));
    sqlx::query("DROP TABLE tally_of_events.tally").execute(&db.pool()).await.unwrap();
    assert!(matches!(stopped(&db.pool()).await.0, Failure::OtherTables { .. }));
}

/// A log restored from a copy ends before what the read model has seen; its next events have other meanings
/// at the same positions.
#[tokio::test]
async fn a_log_that_was_set_back_stops_the_projector() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 1).await;
    append(&mut log, 0, 5).await;
    projector(&db.pool()).run_once().await.unwrap();
    tamper(&db.pool(), "DELETE FROM events WHERE position > 3").await;
    tamper(&db.pool(), "UPDATE log_heads SET position = 3").await;
    let (failure, _) = stopped(&db.pool()).await;
    assert!(matches!(failure, Failure::AheadOfLog { head: 3, .. }), "{failure:?}");
}

#[tokio::test]
async fn when_postgres_returns_the_projector_goes_on_by_itself() {
    let mut server = cluster().await;
    let db = server.database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    append(&mut log, 0, 2).await;
    let shutdown = CancellationToken::new();
    let projector = projector(&pool);
    let mut status = projector.status();
    let running = tokio::spawn(projector.run(None, shutdown.clone()));
    status.wait_for(|status| status.checkpoints == [2]).await.unwrap();

    server.kill();
    let retrying = status.wait_for(|status| matches!(status.state, State::Retrying(_)));
    tokio::time::timeout(SOON, retrying).await.expect("it says that it waits").unwrap();

    server.start_again().await;
    let mut log = TestLog::resume(&pool).await;
    append(&mut log, 1, 3).await;
    let applied = status.wait_for(|status| status.state == State::Running && status.checkpoints == [5]);
    tokio::time::timeout(SOON, applied).await.expect("it goes on").unwrap();
    assert_eq!(counts(&pool).await, [2, 3]);
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

/// Bytes are held back in both directions, for both connections; nothing is closed. The clock jumps to the
/// next deadline, because nothing else is left to happen.
#[tokio::test]
async fn a_database_that_falls_silent_is_given_up_and_tried_again() {
    let db = database().await;
    let proxy = db.proxy();
    let through_proxy = PgPoolOptions::new().connect_lazy_with(proxy.connect_options());
    let mut log = TestLog::create(&db.pool(), 1).await;
    let mut projector = projector(&through_proxy);
    append(&mut log, 0, 2).await;
    projector.run_once().await.unwrap();
    append(&mut log, 0, 3).await;

    proxy.stall();
    tokio::time::pause();
    for _ in 0..2 {
        let step = tokio::time::timeout(Duration::from_secs(60), projector.run_once()).await;
        let failure = step.expect("it gives up within a minute").unwrap_err();
        assert!(matches!(failure, Failure::Silent) && failure.is_transient(), "{failure:?}");
    }
    tokio::time::resume();
    proxy.pass();
    assert_eq!(projector.run_once().await.unwrap().events, 3);
    assert_eq!(counts(&db.pool()).await, [5]);
}
