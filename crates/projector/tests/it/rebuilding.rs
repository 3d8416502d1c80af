//! Rebuilding and verifying, with the live read model there, absent, running, wrong.

use crate::tally::{Tally, append, checkpoints, counts, inventory, projector, tamper};
use holdfast_projector::{Failure, Progress, RebuildError, rebuild, testing::TestLog, verify_model};
use holdfast_testkit::database;
use sqlx::PgPool;
use std::sync::mpsc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn quiet(_: Progress) {}

/// Schemas of this read model, beside the live one.
async fn leftovers(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'tally\\_of\\_events\\_%'")
        .fetch_all(pool)
        .await
        .unwrap()
}

/// Identity of the live table: a switch changes it.
async fn live_table(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT 'tally_of_events.tally'::regclass::oid::int8").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_rebuild_ends_in_rows_equal_to_live_and_the_live_projector_goes_on() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 3).await;
    for nth in 0..30 {
        append(&mut log, nth, 7).await;
    }
    let mut live = projector(&pool);
    assert_eq!(live.run_once().await.unwrap().events, 210);
    let before = live_table(&pool).await;

    let mut told = vec![];
    let rebuilt = rebuild::<Tally>(&pool, false, |progress| told.push(progress)).await.unwrap();
    assert!(rebuilt.compared && rebuilt.switched && rebuilt.differences.is_empty(), "{rebuilt:?}");
    assert_eq!((rebuilt.events, rebuilt.rows), (210, 30));
    assert_eq!(told.last(), Some(&Progress { done: 210, total: 210 }));
    assert_ne!(live_table(&pool).await, before, "the tables are new");
    assert!(leftovers(&pool).await.is_empty());

    append(&mut log, 0, 1).await;
    assert_eq!(live.run_once().await.unwrap().events, 1, "its prepared statement finds the new tables");
    assert_eq!(counts(&pool).await[0], 8);
    assert_eq!(checkpoints(&pool).await, log.heads());
}

/// A live projector that is behind: what is beyond it is not compared, but it is applied.
#[tokio::test]
async fn a_rebuild_overtakes_a_live_read_model_that_is_behind() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 4).await;
    let mut live = projector(&pool);
    live.run_once().await.unwrap();
    append(&mut log, 1, 6).await;
    let rebuilt = rebuild::<Tally>(&pool, false, quiet).await.unwrap();
    assert!(rebuilt.compared && rebuilt.rows == 1, "{rebuilt:?}");
    assert_eq!((counts(&pool).await, checkpoints(&pool).await), (vec![4, 6], vec![4, 6]));
    let step = live.run_once().await.unwrap();
    assert_eq!((step.events, counts(&pool).await), (0, vec![4, 6]), "the slow one applies nothing again");
}

#[tokio::test]
async fn without_a_live_read_model_there_is_nothing_to_compare_and_a_rebuild_makes_it() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 4).await;
    assert!(matches!(verify_model::<Tally>(&pool, quiet).await, Err(RebuildError::NotThere { .. })));
    let rebuilt = rebuild::<Tally>(&pool, false, quiet).await.unwrap();
    assert!(!rebuilt.compared && rebuilt.switched, "{rebuilt:?}");
    assert_eq!(counts(&pool).await, [4]);
    assert_eq!(projector(&pool).run_once().await.unwrap().events, 0);
}

#[tokio::test]
async fn a_tampered_row_is_found_and_repaired_only_when_that_is_wanted() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 2).await;
    for nth in 0..10 {
        append(&mut log, nth, 3).await;
    }
    projector(&pool).run_once().await.unwrap();
    assert!(verify_model::<Tally>(&pool, quiet).await.unwrap().differences.is_empty());

    let (one, two, three) = (inventory(1).0, inventory(2).0, uuid::Uuid::from_u128(3));
    tamper(&pool, &format!("UPDATE tally_of_events.tally SET events = 4 WHERE inventory_id = '{one}'")).await;
    tamper(&pool, &format!("DELETE FROM tally_of_events.tally WHERE inventory_id = '{two}'")).await;
    tamper(&pool, &format!("INSERT INTO tally_of_events.tally VALUES ('{three}', 1, 0, 1)")).await;
    let verified = verify_model::<Tally>(&pool, quiet).await.unwrap();
    assert_eq!((verified.events, verified.rows), (30, 10));
    let [difference] = verified.differences.as_slice() else { panic!("{verified:?}") };
    assert_eq!((difference.changed, difference.only_fresh, difference.only_live), (1, 1, 1));
    assert_eq!(difference.examples, [three.to_string(), one.to_string(), two.to_string()]);
    assert!(leftovers(&pool).await.is_empty());

    let refused = rebuild::<Tally>(&pool, false, quiet).await.unwrap();
    assert!(!refused.switched && refused.differences == verified.differences, "{refused:?}");
    assert_eq!(counts(&pool).await.iter().sum::<i64>(), 29, "the live one is as it was");

    let accepted = rebuild::<Tally>(&pool, true, quiet).await.unwrap();
    assert!(accepted.switched && accepted.differences == verified.differences, "{accepted:?}");
    assert_eq!(counts(&pool).await, [3; 10]);
    assert!(verify_model::<Tally>(&pool, quiet).await.unwrap().differences.is_empty());
}

/// What stops a projector is repaired by a rebuild.
#[tokio::test]
async fn tables_of_another_build_or_log_are_replaced_without_comparing() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    append(&mut log, 0, 4).await;
    projector(&pool).run_once().await.unwrap();
    for harm in [
        "UPDATE tally_of_events.origin SET tables = 'those of last year'",
        "UPDATE tally_of_events.origin SET log_id = gen_random_uuid()",
        "UPDATE tally_of_events.checkpoints SET position = 1000",
    ] {
        tamper(&pool, harm).await;
        let verified = verify_model::<Tally>(&pool, quiet).await;
        assert!(matches!(verified, Err(RebuildError::Feed(_))), "{verified:?}");
        let rebuilt = rebuild::<Tally>(&pool, false, quiet).await.unwrap();
        assert!(!rebuilt.compared && rebuilt.switched, "{rebuilt:?}");
        assert!(verify_model::<Tally>(&pool, quiet).await.unwrap().differences.is_empty());
        assert!(leftovers(&pool).await.is_empty());
    }
    sqlx::query("DROP TABLE tally_of_events.checkpoints").execute(&pool).await.unwrap();
    assert!(rebuild::<Tally>(&pool, false, quiet).await.unwrap().switched);
    assert_eq!(counts(&pool).await, [4]);
}

#[tokio::test]
async fn a_log_with_a_hole_or_a_missing_end_cannot_be_rebuilt_from() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    append(&mut log, 0, 9).await;
    projector(&pool).run_once().await.unwrap();
    tamper(&pool, "DELETE FROM events WHERE position = 9").await;
    let ended = rebuild::<Tally>(&pool, true, quiet).await.unwrap_err();
    assert!(matches!(ended, RebuildError::Feed(Failure::Missing { at }) if at.position == 9), "{ended:?}");
    tamper(&pool, "DELETE FROM events WHERE position = 4").await;
    let hole = verify_model::<Tally>(&pool, quiet).await.unwrap_err();
    assert!(matches!(hole, RebuildError::Feed(Failure::Hole { expected: 4, .. })), "{hole:?}");
    assert_eq!(counts(&pool).await, [9], "the live one is as it was");
    assert!(leftovers(&pool).await.is_empty());
}

/// The first builder is inside its callback when the second asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_builder_is_refused_and_what_a_crashed_one_left_is_dropped() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    append(&mut log, 0, 4).await;
    sqlx::raw_sql("CREATE SCHEMA tally_of_events_next; CREATE TABLE tally_of_events_next.tally (wrong text)")
        .execute(&pool)
        .await
        .unwrap();
    let (started, mut starts) = watch::channel(false);
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let first = tokio::spawn({
        let pool = pool.clone();
        async move {
            let hold = move |_| {
                started.send_replace(true);
                // Returns when the sender is gone, the first time and all others.
                tokio::task::block_in_place(|| may_go_on.recv().unwrap_err());
            };
            rebuild::<Tally>(&pool, false, hold).await
        }
    });
    starts.wait_for(|started| *started).await.unwrap();
    let second = rebuild::<Tally>(&pool, false, quiet).await;
    drop(go_on);
    assert!(matches!(second, Err(RebuildError::Busy { .. })), "{second:?}");
    assert!(first.await.unwrap().unwrap().switched);
    assert_eq!(counts(&pool).await, [4]);
}

/// Writers append and a projector runs all the time; each rebuild switches in the middle of it, and a reader
/// with prepared statements never fails and never sees a count go down.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rebuilds_beside_a_live_projector_under_writes_lose_and_double_nothing() {
    const REBUILDS: usize = 4;
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 4).await;
    append(&mut log, 0, 1).await;
    let mut first = projector(&pool);
    first.run_once().await.unwrap();
    let (wake, commits) = watch::channel(0u64);
    let shutdown = CancellationToken::new();
    let live = tokio::spawn(first.run(Some(commits), shutdown.clone()));
    let writer = tokio::spawn({
        let done = shutdown.clone();
        async move {
            let mut rounds = 0i64;
            while !done.is_cancelled() {
                for nth in 0..8 {
                    append(&mut log, nth, 5).await;
                }
                rounds += 1;
                wake.send_modify(|commits| *commits += 1);
            }
            (log, rounds)
        }
    });
    let reader = tokio::spawn({
        let (pool, done) = (pool.clone(), shutdown.clone());
        async move {
            let mut last = 0;
            while !done.is_cancelled() {
                let sum: i64 = sqlx::query_scalar("SELECT sum(events)::int8 FROM tally_of_events.tally")
                    .fetch_one(&pool)
                    .await
                    .expect("a reader is never disturbed");
                assert!(sum >= last, "the read model went back from {last} to {sum}");
                last = sum;
            }
        }
    });
    for _ in 0..REBUILDS {
        let rebuilt = rebuild::<Tally>(&pool, false, quiet).await.unwrap();
        assert!(rebuilt.compared && rebuilt.switched, "{rebuilt:?}");
    }
    shutdown.cancel();
    reader.await.unwrap();
    live.await.unwrap().unwrap();
    let (log, rounds) = writer.await.unwrap();
    let mut last = projector(&pool);
    while last.run_once().await.unwrap().more {}
    let mut expected = vec![5 * rounds; 8];
    expected[0] += 1;
    assert_eq!((counts(&pool).await, checkpoints(&pool).await), (expected, log.heads()));
    assert!(verify_model::<Tally>(&pool, quiet).await.unwrap().differences.is_empty());
}
