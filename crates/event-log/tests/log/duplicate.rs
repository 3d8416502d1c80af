//! One command id, one effect, over all partitions.
//!
//! Interleavings: two appends carry the same command on two partitions (a client sent it to two
//! inventories, or to two processes). The second waits at the unique key while the first is under way;
//! then it fails whole, or, if the first fails, goes on. No look-up beforehand could tell.

use crate::scene::*;
use holdfast_event_log::{AppendError, Head, find_commands};
use sqlx::Connection;
use uuid::Uuid;

/// Where the one effect of a command is.
async fn effects(log: &Log, command_id: Uuid) -> Vec<u16> {
    let mut found = Vec::new();
    for log_partition in 0..2 {
        let of_it = log.commands(log_partition).await.into_iter().filter(|c| *c == command_id);
        found.extend(of_it.map(|_| log_partition));
    }
    let stored = find_commands(&log.pool, &[command_id]).await.unwrap();
    assert_eq!(stored.iter().map(|s| s.answer.at.log_partition).collect::<Vec<_>>(), found);
    found
}

#[tokio::test]
async fn the_second_of_two_appends_fails_whole() {
    let log = log(2).await;
    let heads = log.own(OLD).await;
    let (mut first, mut second) = (log.connect().await, log.connect().await);
    let mut under_way = first.begin().await.unwrap();
    append([(heads[0], &[command(1)][..])]).send(&mut under_way).await.unwrap();

    let other = heads[1];
    let appending = tokio::spawn(async move {
        append([(other, &[command(2), command(1), command(3)][..])]).send(&mut second).await
    });
    log.until_waiting(1).await;
    under_way.commit().await.unwrap();
    let error = appending.await.unwrap().unwrap_err();
    assert!(matches!(error, AppendError::DuplicateCommand), "{error:?}");
    assert_eq!(effects(&log, command(1)).await, [0]);
    assert!(log.chain(1).await.is_empty(), "nothing of a batch that fails is written");

    // The head is where it was: without the repeated command the batch commits.
    let again = append([(other, &[command(2), command(3)][..])]).send(&mut first).await.unwrap();
    assert_eq!(again.committed, [Head { position: 2, ..other }]);
}

#[tokio::test]
async fn the_second_goes_on_if_the_first_fails() {
    let log = log(2).await;
    let heads = log.own(OLD).await;
    let (mut first, mut second) = (log.connect().await, log.connect().await);
    let mut under_way = first.begin().await.unwrap();
    append([(heads[0], &[command(1)][..])]).send(&mut under_way).await.unwrap();

    let other = heads[1];
    let appending = tokio::spawn(async move { append([(other, &[command(1)][..])]).send(&mut second).await });
    log.until_waiting(1).await;
    under_way.rollback().await.unwrap();
    assert_eq!(appending.await.unwrap().unwrap().committed.len(), 1);
    assert_eq!(effects(&log, command(1)).await, [1]);
}

#[tokio::test]
async fn a_command_that_is_twice_in_one_append_has_no_effect() {
    let log = log(2).await;
    let heads = log.own(OLD).await;
    let twice = append([(heads[0], &[command(1)][..]), (heads[1], &[command(1)][..])]);
    let error = twice.send(&mut log.connect().await).await.unwrap_err();
    assert!(matches!(error, AppendError::DuplicateCommand), "{error:?}");
    assert!(effects(&log, command(1)).await.is_empty());
}

/// The same without a script: whoever is first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_appends_at_once_one_has_the_effect() {
    let log = log(2).await;
    let mut heads = log.own(OLD).await;
    let mut conns = [log.connect().await, log.connect().await];
    for number in 0..50 {
        let commands = [command(number)];
        let batches = [append([(heads[0], &commands[..])]), append([(heads[1], &commands[..])])];
        let [one, other] = &mut conns;
        let outcomes = tokio::join!(batches[0].send(one), batches[1].send(other));
        let winner = match outcomes {
            (Ok(appended), Err(AppendError::DuplicateCommand))
            | (Err(AppendError::DuplicateCommand), Ok(appended)) => appended.committed[0],
            both => panic!("{both:?}"),
        };
        heads[usize::from(winner.log_partition)] = winner;
        assert_eq!(effects(&log, command(number)).await, [winner.log_partition]);
    }
}
