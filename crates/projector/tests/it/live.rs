//! A projector that runs: it applies everything, fairly, and ends when it is told to.

use crate::tally::{Tally, append, checkpoints, counts, inventory, projector};
use holdfast_projector::{
    LogSource, Positions, Projector, State,
    testing::{Sliced, TestLog},
};
use holdfast_testkit::{database, eventually};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn every_event_is_applied_once_and_the_checkpoints_say_so() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 4).await;
    let mut projector = projector(&db.pool());
    for round in 1..=3 {
        for nth in 0..8 {
            append(&mut log, nth, 3).await;
        }
        assert_eq!(projector.run_once().await.unwrap().events, 24);
        assert_eq!(counts(&db.pool()).await, [3 * round; 8]);
        assert_eq!(checkpoints(&db.pool()).await, log.heads());
    }
    assert_eq!(projector.run_once().await.unwrap().events, 0);
}

/// Without rotation the first partition's thousand events would come before the second's one.
#[tokio::test]
async fn a_busy_partition_does_not_starve_another() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 1_000).await;
    append(&mut log, 1, 1).await;
    let source = Sliced { source: LogSource::new(&pool), at_most: 10 };
    let mut projector = Projector::<Tally, _>::new(&pool, source, Positions::of::<Tally>(&pool));
    for _ in 0..2 {
        projector.run_once().await.unwrap();
    }
    assert_eq!(checkpoints(&pool).await[1], 1);
}

/// More than a batch waits: it is applied without a pause, and the lag is told on the way.
#[tokio::test]
async fn a_backlog_is_worked_off_in_full_batches() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 2).await;
    append(&mut log, 0, 2_500).await;
    append(&mut log, 1, 700).await;
    let mut projector = projector(&db.pool());
    let status = projector.status();
    let step = projector.run_once().await.unwrap();
    assert!(step.more && step.events == 2_000, "{step:?}");
    assert_eq!(status.borrow().state, State::CatchingUp);
    assert_eq!(status.borrow().lag_events, 1_200);
    while projector.run_once().await.unwrap().more {}
    assert_eq!(counts(&db.pool()).await, [2_500, 700]);
    assert_eq!(status.borrow().lag_events, 0);
}

/// Beside a wake it polls every 500 ms; that alone is never faster than half of it. (The fastest of several
/// rounds, because a busy machine may be slow once.)
#[tokio::test]
async fn a_commit_wakes_the_projector_and_shutdown_ends_it() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    let (wake, commits) = watch::channel(0);
    let shutdown = CancellationToken::new();
    let projector = projector(&pool);
    let mut status = projector.status();
    let running = tokio::spawn(projector.run(Some(commits), shutdown.clone()));
    status.wait_for(|status| status.state == State::Running).await.unwrap();

    let mut fastest = SOON;
    for round in 1..=5 {
        append(&mut log, 0, 1).await;
        let began = Instant::now();
        wake.send_modify(|commits| *commits += 1);
        let applied = status.wait_for(|status| status.checkpoints == [round]);
        tokio::time::timeout(SOON, applied).await.expect("it is woken, or polls").unwrap();
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(250), "{fastest:?}");

    shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(counts(&pool).await, [5]);
}

#[tokio::test]
async fn without_a_wake_it_polls_and_when_the_writer_is_gone_too() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    let shutdown = CancellationToken::new();
    let (wake, commits) = watch::channel(0);
    drop(wake);
    for commits in [None, Some(commits)] {
        let projector = projector(&pool);
        let mut status = projector.status();
        let stop = shutdown.child_token();
        let running = tokio::spawn(projector.run(commits, stop.clone()));
        append(&mut log, 0, 1).await;
        let heads = log.heads();
        let applied = status.wait_for(|status| status.checkpoints == heads);
        tokio::time::timeout(SOON, applied).await.expect("it polls").unwrap();
        stop.cancel();
        running.await.unwrap().unwrap();
    }
    assert_eq!(counts(&pool).await, [2]);
}

/// Derived state can be deleted on any afternoon.
#[tokio::test]
async fn a_read_model_that_is_deleted_is_made_again_from_the_log() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 3).await;
    let shutdown = CancellationToken::new();
    let projector = projector(&pool);
    let mut status = projector.status();
    let running = tokio::spawn(projector.run(None, shutdown.clone()));
    status.wait_for(|status| status.checkpoints == [3, 0]).await.unwrap();

    sqlx::query("DROP SCHEMA tally_of_events CASCADE").execute(&pool).await.unwrap();
    append(&mut log, 1, 4).await;
    eventually(SOON, "it is made again", async || {
        let sql = "SELECT events FROM tally_of_events.tally WHERE inventory_id = $1";
        let found = sqlx::query_scalar(sql).bind(inventory(1).0).fetch_optional(&pool).await;
        matches!(found, Ok(Some(4i64)))
    })
    .await;
    assert_eq!(counts(&pool).await, [3, 4]);
    shutdown.cancel();
    running.await.unwrap().unwrap();
}
