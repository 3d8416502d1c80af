//! Two projectors of one name, in both interleavings. Take `AND c.position = m.before` out of the statement
//! in `feed`, and all of these count events twice.

use crate::{
    tally::{Tally, append, checkpoints, counts, projector},
    waiting,
};
use holdfast_projector::{
    LogSource, Positions, Projector,
    testing::{Sliced, TestLog},
};
use holdfast_testkit::{database, eventually};
use sqlx::Connection;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// The other commits before our statement begins.
#[tokio::test]
async fn two_projectors_of_one_name_do_not_apply_an_event_twice() {
    let db = database().await;
    let mut log = TestLog::create(&db.pool(), 2).await;
    let (mut first, mut second) = (projector(&db.pool()), projector(&db.pool()));
    second.run_once().await.unwrap(); // it knows the checkpoints now, and believes them for ever
    append(&mut log, 0, 5).await;
    append(&mut log, 1, 2).await;
    assert_eq!(first.run_once().await.unwrap().events, 7);

    let overtaken = second.run_once().await.unwrap();
    assert!(overtaken.events == 0 && overtaken.more, "{overtaken:?}");
    assert_eq!(counts(&db.pool()).await, [5, 2]);

    append(&mut log, 0, 1).await;
    assert_eq!(second.run_once().await.unwrap().events, 1, "it goes on after what the other applied");
    assert_eq!(counts(&db.pool()).await, [6, 2]);
}

/// The other commits while our statement waits for its row lock: the partition it moved is left out, the
/// other partition is applied.
#[tokio::test]
async fn a_projector_that_waited_for_another_applies_only_the_rest() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    let mut ours = projector(&pool);
    ours.run_once().await.unwrap();
    append(&mut log, 0, 5).await;
    append(&mut log, 1, 2).await;

    let mut other = pool.begin().await.unwrap();
    sqlx::query("UPDATE tally_of_events.checkpoints SET position = 5 WHERE log_partition = 0")
        .execute(&mut *other)
        .await
        .unwrap();
    let held = tokio::spawn(async move {
        let step = ours.run_once().await.unwrap();
        (ours, step)
    });
    eventually(SOON, "our statement waits for the other's row lock", async || {
        waiting(&pool, "WITH moved").await == 1
    })
    .await;
    other.commit().await.unwrap();

    let (_ours, step) = held.await.unwrap();
    assert!(step.more, "{step:?}");
    assert_eq!(counts(&pool).await, [2], "inventory 0 is the other's, inventory 1 ours");
    assert_eq!(checkpoints(&pool).await, [5, 2]);
}

/// No order at all: whoever comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_projectors_at_once_count_every_event_once() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 4).await;
    for nth in 0..40 {
        append(&mut log, nth, 25).await;
    }
    let heads = log.heads();
    let racers = (1..=3).map(|nth| {
        let (pool, heads) = (pool.clone(), heads.clone());
        tokio::spawn(async move {
            let source = Sliced { source: LogSource::new(&pool), at_most: 5 + nth };
            let mut projector = Projector::<Tally, _>::new(&pool, source, Positions::of::<Tally>(&pool));
            while checkpoints_or_none(&pool).await != heads {
                projector.run_once().await.unwrap();
            }
        })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap();
    }
    assert_eq!(counts(&pool).await, [25; 40]);
}

async fn checkpoints_or_none(pool: &sqlx::PgPool) -> Vec<i64> {
    let sql = "SELECT position FROM tally_of_events.checkpoints ORDER BY log_partition";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap_or_default()
}

/// The kill comes after the checkpoint was moved and before the rows are written: somebody else's
/// uncommitted row holds the statement there.
#[tokio::test]
async fn rows_and_checkpoint_commit_together_or_not_at_all() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    let mut projector = projector(&pool);
    projector.run_once().await.unwrap();
    append(&mut log, 0, 3).await;

    let mut blocker = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO tally_of_events.tally VALUES ($1, 0, 0, 0)")
        .bind(crate::tally::inventory(0).0)
        .execute(&mut *blocker)
        .await
        .unwrap();
    let killed = tokio::spawn(async move {
        let failure = projector.run_once().await.unwrap_err();
        (projector, failure)
    });
    eventually(SOON, "the statement waits in the middle", async || waiting(&pool, "WITH moved").await == 1)
        .await;
    // Proof that it is in the middle: the checkpoint's row is locked by it, not free to be locked.
    let mut probe = pool.acquire().await.unwrap();
    let mut tx = probe.begin().await.unwrap();
    let free: Vec<i16> =
        sqlx::query_scalar("SELECT log_partition FROM tally_of_events.checkpoints FOR UPDATE SKIP LOCKED")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    assert!(free.is_empty(), "the checkpoint is not moved yet");
    tx.rollback().await.unwrap();
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
        .execute(&pool)
        .await
        .unwrap();
    let (mut projector, failure) = killed.await.unwrap();
    assert!(failure.is_transient(), "{failure}");
    blocker.rollback().await.unwrap();
    assert_eq!((counts(&pool).await, checkpoints(&pool).await), (vec![], vec![0]), "neither");

    assert_eq!(projector.run_once().await.unwrap().events, 3);
    assert_eq!((counts(&pool).await, checkpoints(&pool).await), (vec![3], vec![3]), "both");
}
