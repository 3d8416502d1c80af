//! Waiting until a read model includes what the caller has seen.

use crate::tally::{Tally, append, projector};
use holdfast_event_log::LogPosition;
use holdfast_projector::{LogSource, Positions, Projector, testing::TestLog};
use holdfast_testkit::database;
use std::time::Duration;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(10);

fn at(log_partition: u16, position: i64) -> LogPosition {
    LogPosition { log_partition, position }
}

/// Another process's projector: only the table knows.
#[tokio::test]
async fn what_is_reached_already_is_answered_at_once_and_what_is_not_with_how_far_it_is() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 2).await;
    let positions = Positions::of::<Tally>(&db.pool());
    let unmade = positions.wait_for(at(0, 1), Duration::ZERO).await.unwrap();
    assert!(!unmade.reached && unmade.position == at(0, 0), "no read model yet is stale, not an error");

    append(&mut log, 0, 3).await;
    projector(&db.pool()).run_once().await.unwrap();
    let reached = positions.wait_for(at(0, 3), LONG).await.unwrap();
    assert!(reached.reached && reached.position == at(0, 3), "{reached:?}");

    let short = Duration::from_millis(50);
    let stale = positions.wait_for(at(0, 4), short).await.unwrap();
    assert!(!stale.reached && stale.position == at(0, 3), "{stale:?}");
    assert_eq!(positions.lag().await.unwrap(), 0);
}

#[tokio::test]
async fn a_partition_that_does_not_exist_is_not_waited_for() {
    let db = database().await;
    TestLog::create(&db.pool(), 2).await;
    projector(&db.pool()).run_once().await.unwrap();
    let positions = Positions::of::<Tally>(&db.pool());
    positions.wait_for(at(0, 0), LONG).await.unwrap();
    let began = Instant::now();
    assert!(!positions.wait_for(at(7, 1), LONG).await.unwrap().reached);
    assert!(began.elapsed() < LONG / 2);
}

/// Both ways to learn it: the projector of this process publishes, another's table is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_wait_all_learn_of_the_event() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    let (wake, commits) = watch::channel(0);
    let here = Positions::of::<Tally>(&pool);
    let elsewhere = Positions::of::<Tally>(&pool);
    let projector = Projector::<Tally, _>::new(&pool, LogSource::new(&pool), here.clone());
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(projector.run(Some(commits), shutdown.clone()));
    let waiting: Vec<_> = (0..40)
        .map(|nth| {
            let positions = if nth % 2 == 0 { here.clone() } else { elsewhere.clone() };
            tokio::spawn(async move { positions.wait_for(at(1, 5), LONG).await.unwrap() })
        })
        .collect();
    append(&mut log, 1, 5).await;
    assert!(elsewhere.lag().await.unwrap() <= 5);
    wake.send_modify(|commits| *commits += 1);
    for waiting in waiting {
        let freshness = waiting.await.unwrap();
        assert!(freshness.reached && freshness.position == at(1, 5), "{freshness:?}");
    }
    shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn lag_is_right_without_a_projector() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 2).await;
    append(&mut log, 0, 3).await;
    append(&mut log, 1, 4).await;
    let positions = Positions::of::<Tally>(&db.pool());
    assert_eq!(positions.lag().await.unwrap(), 7, "no read model yet");
    projector(&db.pool()).run_once().await.unwrap();
    append(&mut log, 1, 2).await;
    assert_eq!(positions.lag().await.unwrap(), 2);
}
