//! What the writer hands to those who fold in its process.

use crate::rig::{Rig, ask, confirm, open, policy, reserve, reserve_one};
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{BlockSeats, BookingId, CancelBooking, InventoryCommand};
use holdfast_event_log::{LogPosition, Recorded, heads, read_after};

/// Events of commands and of the timer, from many partitions: exactly what a reader of the log gets, decoded.
/// A follower that is handed anything else folds rows which no rebuild makes.
#[tokio::test]
async fn whoever_follows_is_given_what_the_log_says() {
    let rig = Rig::new().await;
    let mut committed = rig.writer.committed();
    let ids = join_all((0..6).map(|_| open(&rig.writer, 40, policy(30)))).await;
    for id in &ids {
        let keys: Vec<_> = (0..8).map(|_| Machine.new_id()).collect();
        join_all(keys.iter().map(|key| rig.writer.execute(reserve(*id, *key, 2)))).await;
        join_all(keys[..3].iter().map(|key| rig.writer.execute(confirm(*id, *key)))).await;
        let cancel = InventoryCommand::CancelBooking(CancelBooking {
            booking_id: BookingId(keys[4]),
            owner: None,
            reason: "customer \u{1f3ab}".to_owned(),
        });
        rig.writer.execute(ask(*id, Machine.new_id(), cancel)).await.unwrap();
        let block = InventoryCommand::BlockSeats(BlockSeats { quantity: 3, reason: "stage".to_owned() });
        rig.writer.execute(ask(*id, Machine.new_id(), block)).await.unwrap();
    }
    rig.clock.advance(TimeDelta::seconds(30));
    join_all(ids.iter().map(|id| reserve_one(&rig.writer, *id))).await;

    let heads = heads(&rig.pool).await.unwrap();
    let start: Vec<_> =
        heads.iter().map(|head| LogPosition { log_partition: head.log_partition, position: 0 }).collect();
    let mut stored = read_after(&rig.pool, &start, 10_000).await.unwrap();
    let mut given: Vec<Recorded> = vec![];
    while given.len() < stored.len() {
        given.extend(committed.recv().await.unwrap().iter().cloned());
    }
    let ordered = |events: &[Recorded]| {
        let mut last = vec![0; heads.len()];
        events.iter().all(|event| {
            let last = &mut last[usize::from(event.at.log_partition)];
            *last += 1;
            event.at.position == *last
        })
    };
    assert!(ordered(&given), "those of a partition come in order, without gaps");
    given.sort_by_key(|event| (event.at.log_partition, event.at.position));
    stored.sort_by_key(|event| (event.at.log_partition, event.at.position));
    assert_eq!(given, stored);
}
