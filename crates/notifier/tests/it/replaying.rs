//! History on request.

use crate::{receiver::Receiver, rig::Rig};
use holdfast_ambient::Ambient;
use holdfast_event_log::LogPosition;
use holdfast_notifier::{EventKind, ReplayError, queue_replays, replay};
use std::collections::BTreeMap;

const SOLD: &[EventKind] = &[EventKind::BookingConfirmed];

impl Rig {
    async fn queue_replay(&self) {
        while queue_replays(&self.pool, self.clock.now()).await.unwrap() {}
    }
}

fn by_id(receiver: &Receiver) -> BTreeMap<String, Vec<u8>> {
    receiver.got().into_iter().map(|got| (got.id().to_owned(), got.body.to_vec())).collect()
}

#[tokio::test]
async fn a_replay_sends_the_same_ids_and_the_same_bytes() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(12).await;
    assert_eq!(rig.deliver().await, 12);
    let first = by_id(&receiver);
    assert_eq!(
        replay(&rig.pool, endpoint.id, &[], None).await.unwrap(),
        13,
        "events of the log are looked at"
    );
    rig.queue_replay().await;
    assert_eq!(rig.deliver().await, 12);
    assert_eq!((receiver.got().len(), by_id(&receiver)), (24, first));
}

/// What an integration begins with: everything that ever happened, from before it was registered.
#[tokio::test]
async fn a_new_endpoint_can_have_the_whole_history_or_a_part_of_it() {
    let rig = Rig::new().await;
    rig.sell(1_500).await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, SOLD).await;
    let sql = "SELECT log_partition, position FROM log_heads WHERE position > 0";
    let (partition, head): (i16, i64) = sqlx::query_as(sql).fetch_one(&rig.pool).await.unwrap();
    let at = |position| LogPosition { log_partition: partition.cast_unsigned(), position };
    replay(&rig.pool, endpoint.id, &[at(head - 2)], None).await.unwrap();
    rig.queue_replay().await;
    assert_eq!(rig.deliver().await, 3);
    assert_eq!(
        replay(&rig.pool, endpoint.id, &[at(1)], Some(&[EventKind::InventoryOpened])).await.unwrap(),
        head
    );
    rig.queue_replay().await;
    assert_eq!(rig.deliver().await, 1);
    assert_eq!(receiver.got().last().unwrap().kind(), "inventory.opened.v1");
    replay(&rig.pool, endpoint.id, &[at(1)], None).await.unwrap();
    assert!(queue_replays(&rig.pool, rig.clock.now()).await.unwrap());
    assert!(rig.owed().await <= 1_004, "a step takes a page and no more");
    rig.queue_replay().await;
    assert_eq!(rig.owed().await, 1_501);
}

#[tokio::test]
async fn an_endpoint_has_one_replay_at_a_time_and_it_begins_in_the_log() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    for at in ["9-1", "0-0", "0-999"] {
        let refused = replay(&rig.pool, endpoint.id, &[at.parse().unwrap()], None).await;
        assert!(matches!(refused, Err(ReplayError::Position { .. })), "{at} {refused:?}");
    }
    let twice = ["0-1".parse().unwrap(), "0-1".parse().unwrap()];
    assert!(replay(&rig.pool, endpoint.id, &twice, None).await.is_err());
    replay(&rig.pool, endpoint.id, &[], None).await.unwrap();
    assert!(matches!(replay(&rig.pool, endpoint.id, &[], None).await, Err(ReplayError::Running)));
    rig.queue_replay().await;
    replay(&rig.pool, endpoint.id, &[], None).await.unwrap();
}
