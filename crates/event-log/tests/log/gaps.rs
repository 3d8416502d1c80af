//! Positions are 1, 2, 3 … for whoever reads, at any moment, whatever fails.
//!
//! Interleavings: 32 appenders on four partitions; a fifth of their transactions fail after Postgres
//! has given them their positions: by a repeated command, by a violated key, by a backend that is
//! killed before its commit. Numbers from a sequence would be lost with each of them, and a reader that
//! asks for what is after its last number would also miss those that commit late.

use crate::scene::*;
use holdfast_event_log::{AppendError, Head, LogPosition, heads, read_after};
use sqlx::{Connection, PgConnection};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};
use uuid::Uuid;

const PARTITIONS: u16 = 4;
const APPENDERS: u128 = 32;
/// Transactions of one appender; every fifth fails.
const TRANSACTIONS: u128 = 25;
/// A command that was accepted before: its repetition fails, and so does another event in its place.
const TAKEN: u128 = 9_999_999;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_have_no_gap_under_appenders_of_which_a_fifth_fails() {
    let log = log(PARTITIONS).await;
    let mine = log.own(OLD).await;
    append([(mine[0], &[command(TAKEN)][..])]).send(&mut log.connect().await).await.unwrap();

    let done = AtomicBool::new(false);
    let appenders = async {
        let all = (0..APPENDERS).map(|appender| appender_of(&log, appender));
        let acknowledged: Vec<Uuid> = futures::future::join_all(all).await.concat();
        done.store(true, Ordering::Release);
        acknowledged
    };
    let (acknowledged, read) = tokio::join!(appenders, reader_of(&log, &done));

    assert_eq!(read, acknowledged.iter().copied().chain([command(TAKEN)]).collect::<BTreeSet<_>>());
    let mut stored = 0;
    for head in heads(&log.pool).await.unwrap() {
        let chain = log.chain(head.log_partition).await;
        assert_eq!(chain.len(), usize::try_from(head.position).unwrap());
        stored += chain.len();
    }
    assert_eq!(stored, acknowledged.len() + 1);
    assert_eq!(log.accepted().await, i64::try_from(stored).unwrap());
}

/// Appends to one or two partitions at a time; returns the commands that were acknowledged.
async fn appender_of(log: &Log, appender: u128) -> Vec<Uuid> {
    let mut conn = log.connect().await;
    let mut acknowledged = Vec::new();
    for transaction in 0..TRANSACTIONS {
        let number = appender * TRANSACTIONS + transaction;
        let commands: Vec<_> = (0..1 + number % 4).map(|n| command(number * 10 + n)).collect();
        let fails = (transaction + appender).is_multiple_of(5).then_some(transaction / 5 % 3);
        // The others move the heads: read them again until they were still there.
        loop {
            let at = usize::try_from(number).unwrap() % usize::from(PARTITIONS);
            let head = heads(&mut conn).await.unwrap()[at];
            let outcome = match fails {
                None => append([(head, &commands[..])]).send(&mut conn).await,
                Some(how) => fail(&mut conn, head, &commands, how).await,
            };
            match (outcome, fails) {
                (Ok(appended), _) if !appended.fenced.is_empty() => {}
                (Ok(_), None) => {
                    acknowledged.extend(&commands);
                    break;
                }
                (Err(AppendError::DuplicateCommand), Some(0))
                | (Err(AppendError::Contradicted(_)), Some(1)) => {
                    break;
                }
                (Err(AppendError::OutcomeUnknown(_)), Some(2)) => {
                    conn = log.connect().await;
                    break;
                }
                other => panic!("transaction {transaction} of appender {appender}: {other:?}"),
            }
        }
    }
    acknowledged
}

/// An append that gets its positions and is undone.
async fn fail(
    conn: &mut PgConnection,
    head: Head,
    commands: &[Uuid],
    how: u128,
) -> Result<holdfast_event_log::Appended, AppendError> {
    match how {
        0 => append([(head, &[commands, &[command(TAKEN)]].concat()[..])]).send(conn).await,
        1 => {
            let mut same_sequence = append([(head, commands)]);
            same_sequence.event(event_of(command(TAKEN))).unwrap();
            same_sequence.send(conn).await
        }
        _ => {
            let mut under_way = conn.begin().await?;
            let appended = append([(head, commands)]).send(&mut under_way).await?;
            if appended.fenced.is_empty() {
                sqlx::query("SELECT pg_terminate_backend(pg_backend_pid())").execute(&mut *under_way).await?;
            }
            under_way.rollback().await?;
            Ok(appended)
        }
    }
}

/// Follows all partitions while they grow, insisting on the next position; returns what it has read.
async fn reader_of(log: &Log, done: &AtomicBool) -> BTreeSet<Uuid> {
    let mut last: Vec<_> =
        (0..PARTITIONS).map(|log_partition| LogPosition { log_partition, position: 0 }).collect();
    let mut read = BTreeSet::new();
    loop {
        let was_done = done.load(Ordering::Acquire);
        let events = read_after(&log.pool, &last, 40).await.unwrap();
        for event in &events {
            let at =
                &mut last.iter_mut().find(|l| l.log_partition == event.at.log_partition).unwrap().position;
            assert_eq!(event.at.position, *at + 1, "a gap in partition {}", event.at.log_partition);
            *at = event.at.position;
            assert!(read.insert(event.inventory_id.0), "read twice");
        }
        if was_done && events.is_empty() {
            return read;
        }
        last.rotate_left(1);
        tokio::task::yield_now().await;
    }
}
