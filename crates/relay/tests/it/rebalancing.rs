//! Projectors of one name that come and go, and die at the worst moment: each event is folded exactly once.

use crate::{
    following::Working,
    rig::{PARTITIONS, PATIENCE, Rig},
};
use holdfast_testkit::{Proxy, eventually};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::{Instant, interval};

/// Between two changes of the group.
const CHANGE_EVERY: Duration = Duration::from_secs(2);
/// How often it changes.
const CHANGES: usize = 8;
/// One batch in so many is lost on its way to the database, or its answer on the way back.
const LOST: u64 = 7;

/// Whether this SQL writes a batch and moves the checkpoints.
fn writes_a_batch(sql: &str) -> bool {
    sql.starts_with("WITH moved")
}

async fn through(proxy: &Proxy) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(2);
    pool.connect_with(proxy.connect_options()).await.unwrap()
}

/// Members join and leave while events flow and batches are lost: partitions change hands while their member is going
/// back to its last checkpoint, which must not look like a hole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_changes_every_two_seconds_under_load_folds_each_event_once() {
    let mut rig = Rig::new().await;
    let (losing_requests, losing_answers) = (rig.proxy(), rig.proxy());
    let (batches, answers) = (AtomicU64::new(0), AtomicU64::new(0));
    let nth = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOST);
    losing_requests.lose_requests(move |sql| writes_a_batch(sql) && nth(&batches));
    losing_answers.lose_answers(move |sql| writes_a_batch(sql) && nth(&answers));
    let pools = [through(&losing_requests).await, through(&losing_answers).await];

    let mut relay = rig.relay();
    let mut working = vec![];
    let (mut events, mut tick) = (0, interval(CHANGE_EVERY));
    for change in 0..CHANGES {
        tick.tick().await;
        // One, two, three, two, one, two ... of them.
        if change % 4 < 2 || working.len() < 2 {
            let pool = &pools[change % pools.len()];
            working.push(Working::on(rig.fed_by_kafka_into(pool).await));
        } else {
            working.remove(0).end().await.unwrap();
        }
        let until = Instant::now() + CHANGE_EVERY / 2;
        while Instant::now() < until {
            rig.append(20).await;
            events += 20;
            rig.send_all(&mut relay).await;
        }
    }
    rig.has_all(events).await;
    for one in working {
        one.end().await.unwrap();
    }
    assert_eq!(rig.tally().await, vec![events; usize::from(PARTITIONS)]);
    assert!(losing_requests.losses() > 0 && losing_answers.losses() > 0, "batches were lost");
}

/// It has folded a batch, the database has it or not, and the projector is gone before it knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_that_dies_between_fold_and_commit_leaves_all_of_a_batch_or_nothing() {
    let mut rig = Rig::new().await;
    let mut relay = rig.relay();
    let mut events = 0;
    for round in 0..4 {
        rig.append(50).await;
        events += 50;
        rig.send_all(&mut relay).await;
        let proxy = rig.proxy();
        if round % 2 == 0 {
            proxy.lose_requests(writes_a_batch);
        } else {
            proxy.lose_answers(writes_a_batch);
        }
        let dying = Working::on(rig.fed_by_kafka_into(&through(&proxy).await).await);
        eventually(PATIENCE, "a batch is lost", async || proxy.losses() > 0).await;
        // As a kill ends it: nothing is given back, neither to the database nor to the group.
        dying.task.abort();
        drop(proxy);
    }
    let working = Working::on(rig.fed_by_kafka().await);
    rig.has_all(events).await;
    working.end().await.unwrap();
    assert_eq!(rig.tally().await, vec![events; usize::from(PARTITIONS)]);
}
