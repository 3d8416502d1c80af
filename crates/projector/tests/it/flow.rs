//! How far everybody is.

use crate::tally::{inventory, projector};
use holdfast_domain::{SalesClosed, Timestamp};
use holdfast_projector::{
    Flow, FollowerState, Projection, Seen, Standing, TOPIC,
    testing::{Happened, Tally, TestLog},
};
use holdfast_testkit::database;
use sqlx::{Executor, PgPool};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// An event of the `nth` inventory, which happened so many seconds after the beginning.
async fn append(log: &mut TestLog, nth: u64, seconds: i64) {
    log.append(&[Happened { inventory_id: inventory(nth), event: SalesClosed {}.into(), at: at(seconds) }])
        .await;
}

/// The standing of a follower; its name is the one's that was asked for.
async fn standing(flow: &Flow, nth: usize, now: i64) -> Option<Standing> {
    flow.look(at(now)).await.unwrap().followers[nth].standing.clone()
}

fn flow(pool: &PgPool) -> Flow {
    Flow::new(pool, [TOPIC, Tally::NAME, "notifier"])
}

#[tokio::test]
async fn a_projector_that_is_stopped_falls_behind_in_events_and_seconds() {
    let db = database().await;
    let (pool, flow) = (db.pool(), flow(&db.pool()));
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 0).await;
    append(&mut log, 1, 1).await;
    while projector(&pool).run_once().await.unwrap().events > 0 {}
    let current = standing(&flow, 1, 100).await.unwrap();
    let nothing = Standing { positions: vec![1, 1], ..Standing::default() };
    assert_eq!(current, nothing, "an old event that it has is no lag");

    append(&mut log, 0, 60).await;
    append(&mut log, 1, 40).await;
    append(&mut log, 1, 70).await;
    let behind = flow.look(at(100)).await.unwrap();
    let tally = &behind.followers[1];
    let waiting = Standing { lag_events: 3, lag_seconds: 60.0, ..nothing };
    assert_eq!((tally.standing.as_ref(), tally.state()), (Some(&waiting), FollowerState::Behind));
    assert!(tally.reason().unwrap().contains("10 s"), "{:?}", tally.reason());
    assert_eq!(behind.heads, [2, 3]);
    assert_eq!(standing(&flow, 1, 30).await.unwrap().lag_seconds, 0.0, "a clock that is behind the writer's");
    assert_eq!(flow.look(at(49)).await.unwrap().followers[1].state(), FollowerState::Current);

    while projector(&pool).run_once().await.unwrap().events > 0 {}
    assert_eq!(standing(&flow, 1, 100).await.unwrap().lag_events, 0);
}

/// Neither a schema that does not exist nor one that is something else keeps the rest from being seen.
#[tokio::test]
async fn who_is_not_there_is_said_to_be_not_there() {
    let db = database().await;
    let (pool, flow) = (db.pool(), flow(&db.pool()));
    let mut log = TestLog::create(&pool, 2).await;
    append(&mut log, 0, 0).await;
    pool.execute("CREATE SCHEMA notifier; CREATE TABLE notifier.checkpoints (at text)").await.unwrap();
    let Seen { heads, followers } = flow.look(at(100)).await.unwrap();
    assert_eq!(heads, [1, 0]);
    assert_eq!(
        followers.iter().map(|follower| follower.name).collect::<Vec<_>>(),
        [TOPIC, Tally::NAME, "notifier"]
    );
    assert!(followers.iter().all(|follower| follower.state() == FollowerState::NotThere), "{followers:?}");
}

/// The topic as it was told, as it was read, and in a log that was set back.
#[tokio::test]
async fn the_topic_is_where_it_was_told_to_be_or_where_it_was_read_to_be() {
    let db = database().await;
    let (pool, flow) = (db.pool(), flow(&db.pool()));
    let mut log = TestLog::create(&pool, 2).await;
    for seconds in [0, 10, 20] {
        append(&mut log, 1, seconds).await;
    }
    // Of partition 0 nobody has told anything yet.
    pool.execute("INSERT INTO topic_positions VALUES (1, 2, now())").await.unwrap();
    let told = standing(&flow, 0, 100).await.unwrap();
    assert_eq!((&told.positions[..], told.lag_events, told.lag_seconds), (&[0, 2][..], 1, 80.0));
    assert!(told.told_at.is_some());
    let read = flow.look_with_topic(at(100), &[0, 1]).await.unwrap().followers[0].standing.clone().unwrap();
    assert_eq!((read.lag_events, read.lag_seconds, read.told_at), (2, 90.0, None));
    let ahead = &flow.look_with_topic(at(100), &[0, 4]).await.unwrap().followers[0];
    assert_eq!((ahead.state(), ahead.standing.as_ref().unwrap().lag_events), (FollowerState::Ahead, 0));
}
