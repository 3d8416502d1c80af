//! The two moments of a rebuild in which the live projector could disturb it: the comparison and the switch.
//! Locks of a third session hold each open for as long as the test needs.

use crate::{
    tally::{Tally, append, checkpoints, counts, projector},
    waiting,
};
use holdfast_projector::{rebuild, testing::TestLog, verify_model};
use holdfast_testkit::{database, eventually};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// The live read model moves after its positions were read and before its rows are. With READ COMMITTED in
/// `Build::compare`, the row that moved counts as a difference.
#[tokio::test]
async fn the_comparison_sees_one_moment_whatever_the_live_projector_does() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    append(&mut log, 0, 3).await;
    projector(&pool).run_once().await.unwrap();
    append(&mut log, 0, 1).await;

    let mut live = pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tally_of_events.tally").execute(&mut *live).await.unwrap();
    let verifying = tokio::spawn({
        let pool = pool.clone();
        async move { verify_model::<Tally>(&pool, |_| ()).await.unwrap() }
    });
    eventually(SOON, "the comparison is about to read the rows", async || {
        waiting(&pool, "WITH differing").await == 1
    })
    .await;
    sqlx::raw_sql(
        "UPDATE tally_of_events.checkpoints SET position = 4;
         UPDATE tally_of_events.tally SET events = 4, position = 4",
    )
    .execute(&mut *live)
    .await
    .unwrap();
    live.commit().await.unwrap();
    let verified = verifying.await.unwrap();
    assert_eq!((verified.events, verified.differences), (3, vec![]));
}

/// The live projector commits between the last look at the log and the renaming: rows that were visible
/// would be gone for a moment. Without `LOCK TABLE` in `switch` it does.
#[tokio::test]
async fn the_switch_holds_the_live_projector_until_the_new_tables_are_there() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    append(&mut log, 0, 3).await;
    let mut live = projector(&pool);
    live.run_once().await.unwrap();

    // The switch begins with this lock; while it waits for it, there is something new in the log.
    let mut schemas = pool.acquire().await.unwrap();
    let lock = "SELECT pg_advisory_lock(1212568387, hashtext('tally-of-events'))";
    sqlx::raw_sql(lock).execute(&mut *schemas).await.unwrap();
    let rebuilding = tokio::spawn({
        let pool = pool.clone();
        async move { rebuild::<Tally>(&pool, false, |_| ()).await.unwrap() }
    });
    eventually(SOON, "the switch begins", async || waiting(&pool, "pg_advisory_xact_lock").await == 1).await;
    append(&mut log, 0, 1).await;
    let mut next = pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE tally_of_events_next.tally IN SHARE MODE").execute(&mut *next).await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_unlock_all()").execute(&mut *schemas).await.unwrap();
    let rest = "tally_of_events_next.tally AS t";
    eventually(SOON, "the switch applies the rest", async || waiting(&pool, rest).await == 1).await;

    let step = tokio::spawn(async move { live.run_once().await.unwrap() });
    let held = "tally_of_events.tally AS t";
    eventually(SOON, "the live projector has tried", async || {
        step.is_finished() || waiting(&pool, held).await == 1
    })
    .await;
    next.commit().await.unwrap();
    assert!(rebuilding.await.unwrap().switched);
    let step = step.await.unwrap();
    assert!(step.events == 0 && step.more, "{step:?}");
    assert_eq!((counts(&pool).await, checkpoints(&pool).await), (vec![4], vec![4]));
}
