//! An event that cannot be applied holds up its own stream and no other, until somebody decides.

use crate::tally::{append, checkpoints, inventory, projector, tamper};
use holdfast_event_log::LogPosition;
use holdfast_projector::{
    Failure, Freed, ParkedError, Positions, Step, parked, parked_streams, rebuild, retry, skip, skipped,
    testing::{Tally, TestLog},
    verify_model,
};
use holdfast_testkit::{TestDatabase, database};
use sqlx::PgPool;
use std::time::Duration;
use tokio::time::timeout;

const NAME: &str = "tally-of-events";
/// A slow machine is not a failure; a step that makes no progress is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log of one partition with two streams in turn: 0 at positions 1-3 and 7-9, 1 at 4-6 and 10-12.
async fn two_streams() -> (TestDatabase, PgPool, TestLog) {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    for nth in [0, 1, 0, 1] {
        append(&mut log, nth, 3).await;
    }
    (db, pool, log)
}

async fn poison(pool: &PgPool, position: i64) {
    tamper(pool, &format!("UPDATE events SET event_version = '99' WHERE position = {position}")).await;
}

async fn tamper_with_tables(pool: &PgPool, sql: &str) {
    sqlx::query(sql).execute(pool).await.unwrap();
}

async fn mend(pool: &PgPool) {
    tamper(pool, "UPDATE events SET event_version = '1' WHERE event_version = '99'").await;
}

/// Events counted of each of these streams; one that is not there has none.
async fn counts(pool: &PgPool, streams: impl IntoIterator<Item = u64>) -> Vec<i64> {
    let mut counts = vec![];
    for nth in streams {
        let sql = "SELECT coalesce(max(events), 0) FROM tally_of_events.tally WHERE inventory_id = $1";
        counts.push(sqlx::query_scalar(sql).bind(inventory(nth).0).fetch_one(pool).await.unwrap());
    }
    counts
}

async fn apply_all(pool: &PgPool) {
    let mut projector = projector(pool);
    let applied = async { while projector.run_once().await.unwrap() != (Step { events: 0, more: false }) {} };
    timeout(PATIENCE, applied).await.expect("an end of what is to be applied");
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_parks_its_stream_and_all_others_flow() {
    let (_db, pool, mut log) = two_streams().await;
    poison(&pool, 3).await;
    apply_all(&pool).await;
    assert_eq!((counts(&pool, [0, 1]).await, checkpoints(&pool).await), (vec![2, 6], vec![12]));

    let waiting = parked(&pool, NAME, 10).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!((waiting[0].at.to_string().as_str(), waiting[0].events), ("0-3", 4));
    assert_eq!(waiting[0].stream, inventory(0).to_string());
    let why = waiting[0].reason.clone().unwrap();
    assert!(why.contains("0-3") && why.contains("version 99"), "{why}");

    // What comes later waits behind it, also at a projector that was not there.
    append(&mut log, 0, 2).await;
    append(&mut log, 1, 1).await;
    apply_all(&pool).await;
    assert_eq!(counts(&pool, [0, 1]).await, [2, 7]);
    assert_eq!(parked(&pool, NAME, 10).await.unwrap()[0].events, 6);
}

#[tokio::test]
async fn what_was_parked_is_applied_in_order_when_it_can_be() {
    let (_db, pool, mut log) = two_streams().await;
    poison(&pool, 3).await;
    let mut projector = projector(&pool);
    while projector.run_once().await.unwrap().events > 0 {}

    let still = retry::<Tally>(&pool, None).await.unwrap();
    assert_eq!(still, Freed { streams: 0, events: 0, waiting: 1 });
    mend(&pool).await;
    let freed = retry::<Tally>(&pool, Some(&inventory(0).to_string())).await.unwrap();
    assert_eq!(freed, Freed { streams: 1, events: 4, waiting: 0 });
    assert_eq!((counts(&pool, [0, 1]).await, parked_streams(&pool, NAME).await.unwrap()), (vec![6, 6], 0));

    // The projector that parked it does not know yet; it must neither park again nor leave anything out.
    append(&mut log, 0, 5).await;
    assert_eq!(projector.run_once().await.unwrap(), Step { events: 0, more: true }, "it looks anew");
    while projector.run_once().await.unwrap().events > 0 {}
    assert_eq!((counts(&pool, [0, 1]).await, parked_streams(&pool, NAME).await.unwrap()), (vec![11, 6], 0));
}

#[tokio::test]
async fn a_projector_with_older_knowledge_does_not_fold_behind_a_parked_event() {
    let (_db, pool, mut log) = two_streams().await;
    apply_all(&pool).await;
    let mut older = projector(&pool);
    assert_eq!(older.run_once().await.unwrap().events, 0);
    append(&mut log, 0, 1).await;
    poison(&pool, 13).await;
    apply_all(&pool).await;
    append(&mut log, 0, 1).await;
    while older.run_once().await.unwrap() != (Step { events: 0, more: false }) {}
    assert_eq!(counts(&pool, [0]).await, [6], "neither 13 nor 14");
    assert_eq!(parked(&pool, NAME, 10).await.unwrap()[0].events, 2);
}

#[tokio::test]
async fn a_skipped_event_is_left_out_with_its_reason_and_a_rebuild_leaves_it_out_too() {
    let (_db, pool, _log) = two_streams().await;
    poison(&pool, 3).await;
    apply_all(&pool).await;
    let at = parked(&pool, NAME, 10).await.unwrap()[0].at;
    for (place, reason) in [("0-7", "only waits"), ("0-1", "was applied"), ("3-3", "is not there")] {
        let refused = skip::<Tally>(&pool, place.parse().unwrap(), reason).await.unwrap_err();
        assert!(matches!(refused, ParkedError::NotToBlame { .. }), "{refused:?}");
    }
    for reason in ["", "  ", &"x".repeat(501)] {
        assert!(matches!(skip::<Tally>(&pool, at, reason).await.unwrap_err(), ParkedError::Reason));
    }
    let freed = skip::<Tally>(&pool, at, " written by a build that was withdrawn ").await.unwrap();
    assert_eq!(freed, Freed { streams: 1, events: 3, waiting: 0 });
    assert_eq!(counts(&pool, [0, 1]).await, [5, 6]);
    let kept = skipped(&pool, NAME, 10).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].at, kept[0].reason.as_str()), (at, "written by a build that was withdrawn"));

    assert!(verify_model::<Tally>(&pool, |_| ()).await.unwrap().differences.is_empty());
    let rebuilt = rebuild::<Tally>(&pool, false, |_| ()).await.unwrap();
    assert!(rebuilt.switched && rebuilt.differences.is_empty(), "{rebuilt:?}");
    assert_eq!((counts(&pool, [0, 1]).await, parked_streams(&pool, NAME).await.unwrap()), (vec![5, 6], 0));
}

/// A rebuild meets the same event: it parks the same stream, and the comparison finds no difference.
#[tokio::test]
async fn a_rebuild_parks_what_the_live_read_model_has_parked() {
    let (_db, pool, _log) = two_streams().await;
    poison(&pool, 8).await;
    apply_all(&pool).await;
    let rebuilt = rebuild::<Tally>(&pool, false, |_| ()).await.unwrap();
    assert!(rebuilt.switched && rebuilt.differences.is_empty(), "{rebuilt:?}");
    assert_eq!(parked(&pool, NAME, 10).await.unwrap()[0].events, 2);
    mend(&pool).await;
    retry::<Tally>(&pool, None).await.unwrap();
    assert_eq!(counts(&pool, [0, 1]).await, [6, 6]);
}

/// The tables refuse a change: it is found among the others of its batch, which are applied.
#[tokio::test]
async fn a_change_that_the_tables_refuse_parks_its_stream_and_all_others_flow() {
    let (_db, pool, mut log) = two_streams().await;
    apply_all(&pool).await;
    let full = format!(
        "UPDATE tally_of_events.tally SET events = {} WHERE inventory_id = '{}'",
        i64::MAX - 1,
        inventory(0)
    );
    tamper(&pool, &full).await;
    for nth in [1, 0, 1, 0, 2, 0] {
        append(&mut log, nth, 1).await;
    }
    apply_all(&pool).await;
    assert_eq!(counts(&pool, [0, 1, 2]).await, [i64::MAX, 8, 1], "one more of stream 0 fits");
    let waiting = parked(&pool, NAME, 10).await.unwrap();
    assert_eq!((waiting[0].at.to_string().as_str(), waiting[0].events), ("0-16", 2));
    assert!(waiting[0].reason.as_ref().unwrap().contains("out of range"), "{waiting:?}");

    tamper(&pool, &full.replace(&(i64::MAX - 1).to_string(), "7")).await;
    assert_eq!(retry::<Tally>(&pool, None).await.unwrap(), Freed { streams: 1, events: 2, waiting: 0 });
    assert_eq!(counts(&pool, [0]).await, [9]);
}

/// A stream that waits goes on selling, so its events stand in nearly every batch when another stream's is refused.
#[tokio::test]
async fn a_second_stream_that_the_tables_refuse_is_parked_beside_the_first() {
    let (_db, pool, mut log) = two_streams().await;
    apply_all(&pool).await;
    tamper(&pool, &format!("UPDATE tally_of_events.tally SET events = {}", i64::MAX)).await;
    append(&mut log, 0, 1).await;
    apply_all(&pool).await;
    for nth in [0, 2, 1, 0, 2] {
        append(&mut log, nth, 1).await;
    }
    apply_all(&pool).await;
    assert_eq!((counts(&pool, [2]).await, parked_streams(&pool, NAME).await.unwrap()), (vec![2], 2));
    let waiting = parked(&pool, NAME, 10).await.unwrap();
    assert!(waiting.iter().all(|stream| stream.reason.is_some()), "{waiting:?}");
    assert_eq!(waiting.iter().map(|stream| stream.events).collect::<Vec<_>>(), [3, 1]);
}

/// Made by a build that set no streams aside.
#[tokio::test]
async fn a_read_model_without_the_table_gets_it() {
    let (_db, pool, mut log) = two_streams().await;
    apply_all(&pool).await;
    tamper_with_tables(&pool, "DROP TABLE tally_of_events.parked").await;
    append(&mut log, 0, 1).await;
    poison(&pool, 13).await;
    apply_all(&pool).await;
    assert_eq!((counts(&pool, [0, 1]).await, parked_streams(&pool, NAME).await.unwrap()), (vec![6, 6], 1));
}

/// What is not there cannot differ, so it has to be counted.
#[tokio::test]
async fn a_rebuild_that_sets_more_aside_is_not_switched_unasked() {
    let (_db, pool, _log) = two_streams().await;
    apply_all(&pool).await;
    poison(&pool, 12).await;
    tamper_with_tables(&pool, "UPDATE tally_of_events.origin SET tables = 'those of last year'").await;
    let rebuilt = rebuild::<Tally>(&pool, false, |_| ()).await.unwrap();
    assert!(!rebuilt.compared && rebuilt.parks_more && !rebuilt.switched, "{rebuilt:?}");
    assert!(matches!(retry::<Tally>(&pool, None).await.unwrap_err(), ParkedError::Unfit(_)));
    let rebuilt = rebuild::<Tally>(&pool, true, |_| ()).await.unwrap();
    assert!(rebuilt.switched && rebuilt.parked_streams == 1, "{rebuilt:?}");
    assert_eq!(counts(&pool, [0, 1]).await, [6, 5]);
}

/// A token's event was set aside: the checkpoint is beyond it, and the rows are not.
#[tokio::test]
async fn what_was_set_aside_is_not_said_to_be_there() {
    let (_db, pool, _log) = two_streams().await;
    poison(&pool, 3).await;
    apply_all(&pool).await;
    let positions = Positions::of::<Tally>(&pool);
    for (position, reached) in [(2, true), (3, false), (12, false)] {
        let at = LogPosition { log_partition: 0, position };
        let freshness = positions.wait_for(at, Duration::from_millis(10)).await.unwrap();
        assert_eq!((position, freshness.reached), (position, reached));
    }
}

#[tokio::test]
async fn a_build_that_understands_nothing_does_not_set_the_whole_log_aside() {
    let db = database().await;
    let pool = db.pool();
    let mut log = TestLog::create(&pool, 1).await;
    for nth in 0..1_001 {
        append(&mut log, nth, 1).await;
    }
    poison(&pool, 1).await;
    tamper(&pool, "UPDATE events SET event_version = '99'").await;
    let mut projector = projector(&pool);
    let failure = loop {
        match projector.run_once().await {
            Ok(step) => assert!(step.more || step.events > 0, "it goes on until it has had enough"),
            Err(failure) => break failure,
        }
    };
    assert!(
        matches!(failure, Failure::TooManyParked { streams: 1_000, .. }) && !failure.is_transient(),
        "{failure:?}"
    );
    assert_eq!(checkpoints(&pool).await, [1_000]);
}

#[tokio::test]
async fn what_is_not_parked_cannot_be_set_free() {
    let (_db, pool, _log) = two_streams().await;
    assert!(matches!(retry::<Tally>(&pool, None).await.unwrap_err(), ParkedError::NotThere { .. }));
    assert_eq!(parked(&pool, NAME, 10).await.unwrap(), []);
    apply_all(&pool).await;
    assert_eq!(retry::<Tally>(&pool, None).await.unwrap(), Freed::default());
    let unknown = retry::<Tally>(&pool, Some("nothing")).await.unwrap_err();
    assert!(matches!(unknown, ParkedError::NoSuchStream { .. }), "{unknown:?}");
}
