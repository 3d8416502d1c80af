//! One statement carries the events of several partitions, and a partition that was taken over takes
//! no other with it.
//!
//! Interleaving: NEW takes one of three partitions, OLD appends to all three. Without the join of
//! events and commands to the heads that matched, the lost partition's rows would be written anyway.

use crate::scene::*;
use holdfast_event_log::{Head, take_over};

#[tokio::test]
async fn a_fenced_partition_contributes_no_row_and_the_others_commit() {
    let log = log(3).await;
    let mut conn = log.connect().await;
    let heads = log.own(OLD).await;
    let lost = take_over(&mut conn, &[1], NEW).await.unwrap()[0].head;

    let commands: Vec<_> = (0..6).map(command).collect();
    let batch = append(heads.iter().copied().zip(commands.chunks(2)));
    let appended = batch.send(&mut conn).await.unwrap();
    let kept = [Head { position: 2, ..heads[0] }, Head { position: 2, ..heads[2] }];
    assert_eq!((&appended.committed[..], &appended.fenced[..]), (&kept[..], &[1][..]));
    assert_eq!(log.commands(0).await, commands[0..2]);
    assert!(log.commands(1).await.is_empty());
    assert_eq!(log.commands(2).await, commands[4..6]);
    assert_eq!(log.accepted().await, 4);

    // The commands it carried are free: the new owner answers them.
    let appended = append([(lost, &commands[2..4])]).send(&mut conn).await.unwrap();
    assert_eq!(appended.committed, [Head { position: 2, ..lost }]);
}

#[tokio::test]
async fn an_append_of_lost_partitions_only_writes_nothing() {
    let log = log(2).await;
    let old = log.own(OLD).await;
    let new = log.own(NEW).await;
    let batch = append(old.iter().copied().zip([&[command(1)][..], &[command(2)][..]]));
    let appended = batch.send(&mut log.connect().await).await.unwrap();
    assert_eq!((appended.committed, appended.fenced), (vec![], vec![0, 1]));
    assert_eq!((log.own(NEW).await[0].position, log.accepted().await), (new[0].position, 0));
}

#[tokio::test]
async fn a_partition_that_does_not_exist_is_fenced() {
    let log = log(1).await;
    let nowhere = Head { log_partition: 7, epoch: 0, position: 0 };
    let appended = append([(nowhere, &[command(1)][..])]).send(&mut log.connect().await).await.unwrap();
    assert_eq!((appended.fenced, log.accepted().await), (vec![7], 0));
}
