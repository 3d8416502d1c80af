//! Two writers, one partition: only one chain grows, and nothing that was acknowledged leaves it.
//!
//! Interleavings
//! - NEW takes over, then OLD appends. Without the epoch in the append's compare-and-swap, OLD goes on.
//! - OLD's append is under way when NEW takes over. If taking over did not wait for the head's row, NEW
//!   would start before OLD's events and write at their positions.
//! - NEW's take-over is under way when OLD appends: OLD has read the head before, and waits.
//! - A writer has forgotten its last append. Without the position in the compare-and-swap it would
//!   decide on a state that lacks its own events.

use crate::scene::*;
use holdfast_event_log::{Claim, Head, take_over};
use sqlx::Connection;
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use uuid::Uuid;

#[tokio::test]
async fn a_writer_that_was_replaced_writes_nothing() {
    let log = log(1).await;
    let mut conn = log.connect().await;
    let old = log.own(OLD).await[0];
    let appended = append([(old, &[command(1)][..])]).send(&mut conn).await.unwrap();
    let old = appended.committed[0];

    let new = log.own(NEW).await[0];
    assert_eq!(new, Head { epoch: old.epoch + 1, ..old });
    let appended = append([(old, &[command(2)][..])]).send(&mut conn).await.unwrap();
    assert_eq!((appended.committed, appended.fenced), (vec![], vec![0]));

    let appended = append([(new, &[command(3), command(4)][..])]).send(&mut conn).await.unwrap();
    assert_eq!((appended.committed, appended.fenced), (vec![Head { position: 3, ..new }], vec![]));
    assert_eq!(log.commands(0).await, [command(1), command(3), command(4)]);
    assert_eq!(log.accepted().await, 3);
}

#[tokio::test]
async fn a_take_over_waits_for_the_append_under_way_and_starts_after_it() {
    let log = Arc::new(log(1).await);
    let old = log.own(OLD).await[0];
    let mut conn = log.connect().await;
    let mut under_way = conn.begin().await.unwrap();
    append([(old, &[command(1), command(2)][..])]).send(&mut under_way).await.unwrap();

    let taking = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.own(NEW).await[0] }
    });
    log.until_waiting(1).await;
    under_way.commit().await.unwrap();
    let new = taking.await.unwrap();
    assert_eq!(new, Head { epoch: old.epoch + 1, position: 2, ..old });
}

#[tokio::test]
async fn an_append_that_meets_a_take_over_under_way_writes_nothing() {
    let log = log(1).await;
    let old = log.own(OLD).await[0];
    let mut conn = log.connect().await;
    let mut under_way = conn.begin().await.unwrap();
    take_over(&mut under_way, &[0], NEW).await.unwrap();

    let mut olds = log.connect().await;
    let appending = tokio::spawn(async move { append([(old, &[command(1)][..])]).send(&mut olds).await });
    log.until_waiting(1).await;
    under_way.commit().await.unwrap();
    assert_eq!(appending.await.unwrap().unwrap().fenced, [0]);
    assert!(log.chain(0).await.is_empty());
}

#[tokio::test]
async fn a_writer_that_forgot_its_last_append_writes_nothing() {
    let log = log(1).await;
    let mut conn = log.connect().await;
    let old = log.own(OLD).await[0];
    append([(old, &[command(1)][..])]).send(&mut conn).await.unwrap();
    let appended = append([(old, &[command(2)][..])]).send(&mut conn).await.unwrap();
    assert_eq!(appended.fenced, [0]);
    let ahead = Head { position: old.position + 2, ..old };
    assert_eq!(append([(ahead, &[command(2)][..])]).send(&mut conn).await.unwrap().fenced, [0]);
    assert_eq!(log.commands(0).await, [command(1)]);
}

/// Acknowledgements a writer of the fight wants before it stops.
const GOAL: usize = 150;

/// Each takes the partition from the other whenever it is fenced. In the end the log is exactly what
/// was acknowledged, each event at the position its writer was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_in_a_fight_lose_no_acknowledged_event() {
    let log = Arc::new(log(1).await);
    let numbers = Arc::new(AtomicU32::new(0));
    let writer = async |claim: Claim<'static>| -> Vec<(i64, Uuid)> {
        let mut conn = log.connect().await;
        let mut acknowledged = Vec::new();
        let mut head = None;
        while acknowledged.len() < GOAL {
            let mine = match head.take() {
                Some(head) => head,
                None => take_over(&mut conn, &[0], claim).await.unwrap()[0].head,
            };
            let count = 1 + acknowledged.len() % 3;
            let commands: Vec<_> =
                (0..count).map(|_| command(numbers.fetch_add(1, Ordering::Relaxed).into())).collect();
            let appended = append([(mine, &commands[..])]).send(&mut conn).await.unwrap();
            head = appended.committed.first().copied();
            if head.is_some() {
                acknowledged.extend((mine.position + 1..).zip(commands));
            }
        }
        acknowledged
    };
    let (olds, news) = tokio::join!(writer(OLD), writer(NEW));
    let mut acknowledged = [olds, news].concat();
    acknowledged.sort();
    let stored: Vec<_> = log.chain(0).await.iter().map(|e| (e.at.position, e.inventory_id.0)).collect();
    assert_eq!(stored, acknowledged);
    assert_eq!(log.accepted().await, i64::try_from(stored.len()).unwrap());
    let epoch = log.own(OLD).await[0].epoch;
    assert!(epoch > 20, "there was no fight: only {epoch} take-overs");
}
