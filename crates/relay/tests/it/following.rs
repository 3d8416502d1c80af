//! Projectors that read the topic: the same rows as from the log.

use crate::rig::{PARTITIONS, PATIENCE, Rig};
use holdfast_event_log::{LogPosition, RawEvent, identity, read_raw_after};
use holdfast_messaging::{EventsProducer, KafkaSource, SendError};
use holdfast_projector::{Failure, LogSource, Positions, Projector, parked, retry, testing::Tally};
use holdfast_testkit::eventually;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

impl Rig {
    pub(crate) async fn fed_by_kafka(&self) -> Projector<Tally, KafkaSource> {
        self.fed_by_kafka_into(&self.pool).await
    }

    /// The same, with rows and checkpoints written over connections of `pool`.
    pub(crate) async fn fed_by_kafka_into(&self, pool: &PgPool) -> Projector<Tally, KafkaSource> {
        Projector::new(pool, self.source("tally").await, Positions::of::<Tally>(pool))
    }

    /// Events of each inventory, as the read model has them.
    pub(crate) async fn tally(&self) -> Vec<i64> {
        let sql = "SELECT events FROM tally_of_events.tally ORDER BY inventory_id";
        sqlx::query_scalar(sql).fetch_all(&self.pool).await.unwrap_or_default()
    }

    pub(crate) async fn has_all(&self, events: i64) {
        let all = vec![events; usize::from(PARTITIONS)];
        eventually(PATIENCE, "the read model follows", async || self.tally().await == all).await;
    }
}

/// A projector at work.
pub(crate) struct Working {
    stop: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<Result<(), Failure>>,
}

impl Working {
    pub(crate) fn on(projector: Projector<Tally, KafkaSource>) -> Self {
        let stop = CancellationToken::new();
        Self { stop: stop.clone(), task: tokio::spawn(projector.run(None, stop)) }
    }

    pub(crate) async fn end(self) -> Result<(), Failure> {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

/// Positions are the same in both, so the checkpoint of one is the other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_can_change_at_any_time_without_a_rebuild() {
    let mut rig = Rig::new().await;
    let mut relay = rig.relay();
    rig.append(100).await;
    rig.send_all(&mut relay).await;
    let working = Working::on(rig.fed_by_kafka().await);
    rig.has_all(100).await;
    working.end().await.unwrap();

    rig.append(30).await;
    let mut from_log =
        Projector::<Tally, _>::new(&rig.pool, LogSource::new(&rig.pool), Positions::of::<Tally>(&rig.pool));
    while from_log.run_once().await.unwrap().events > 0 {}
    rig.has_all(130).await;
    drop(from_log);

    // The topic is behind the checkpoint when the source changes back.
    let working = Working::on(rig.fed_by_kafka().await);
    rig.append(1).await;
    rig.send_all(&mut relay).await;
    rig.has_all(131).await;
    working.end().await.unwrap();
}

/// What relays that died have sent again: dropped by position, whatever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_come_twice_are_applied_once() {
    let mut rig = Rig::new().await;
    rig.append(20).await;
    let topic = rig.events_topic().await;
    let log = identity(&rig.pool).await.unwrap();
    let producer = EventsProducer::new(&topic, log.log_id).unwrap();
    for (from, to) in [(0, 8), (2, 8), (5, 14), (0, 20)] {
        for log_partition in 0..PARTITIONS {
            let after = LogPosition { log_partition, position: from };
            producer.send(&read_raw_after(&rig.pool, after, to - from).await.unwrap()).await.unwrap();
        }
    }
    let working = Working::on(rig.fed_by_kafka().await);
    rig.has_all(20).await;
    working.end().await.unwrap();
}

/// Not only at the beginning: behind good records that came with it, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_record_behind_good_ones_stops_the_projector() {
    let mut rig = Rig::new().await;
    rig.append(5).await;
    let topic = rig.events_topic().await;
    let log_id = identity(&rig.pool).await.unwrap().log_id;
    let all = read_raw_after(&rig.pool, LogPosition { log_partition: 1, position: 0 }, 100).await.unwrap();
    EventsProducer::new(&topic, log_id).unwrap().send(&all[..4]).await.unwrap();
    EventsProducer::new(&topic, uuid::Uuid::from_u128(1)).unwrap().send(&all[4..]).await.unwrap();
    let working = Working::on(rig.fed_by_kafka().await);
    let failure = working.task.await.unwrap().expect_err("it stops");
    assert!(matches!(failure, Failure::Foreign(_)), "{failure:?}");
    assert_eq!(rig.tally().await, [4], "all before it is applied");
}

/// Whatever made it, nothing behind a hole is applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_in_the_topic_stops_the_projector_loudly() {
    let mut rig = Rig::new().await;
    rig.append(9).await;
    let topic = rig.events_topic().await;
    let producer = EventsProducer::new(&topic, identity(&rig.pool).await.unwrap().log_id).unwrap();
    let all = read_raw_after(&rig.pool, LogPosition { log_partition: 1, position: 0 }, 100).await.unwrap();
    let holed: Vec<RawEvent> = all.into_iter().filter(|event| event.at.position != 5).collect();
    let refused = producer.send(&holed).await.expect_err("a producer of ours makes none without saying so");
    assert!(matches!(refused, SendError::MadeAnew { records: 5, .. }), "{refused:?}");
    let working = Working::on(rig.fed_by_kafka().await);
    let failure = working.task.await.unwrap().expect_err("it stops");
    assert!(matches!(failure, Failure::Hole { log_partition: 1, expected: 5, found: 6 }), "{failure:?}");
}

/// What comes too early is not kept until its turn: whoever wrote it so may have left out anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_out_of_order_are_a_hole() {
    let mut rig = Rig::new().await;
    rig.append(5).await;
    let topic = rig.events_topic().await;
    let producer = EventsProducer::new(&topic, identity(&rig.pool).await.unwrap().log_id).unwrap();
    let all = read_raw_after(&rig.pool, LogPosition { log_partition: 1, position: 0 }, 100).await.unwrap();
    let turned: Vec<RawEvent> = [0, 1, 2, 1, 4, 3, 4].iter().map(|index| all[*index].clone()).collect();
    producer.send(&turned).await.unwrap();
    let working = Working::on(rig.fed_by_kafka().await);
    let failure = working.task.await.unwrap().expect_err("it stops");
    assert!(matches!(failure, Failure::Hole { log_partition: 1, expected: 4, found: 5 }), "{failure:?}");
    assert_eq!(rig.tally().await, [3], "what came in order is applied, the stale one only once");
}

/// As from the log: its stream waits, all others flow, and when it is understood it is applied in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_cannot_be_decoded_parks_its_stream_and_all_others_flow() {
    let mut rig = Rig::new().await;
    let mut relay = rig.relay();
    rig.append(6).await;
    let change = "UPDATE events SET event_type = 'SeatsTeleported' WHERE log_partition = 2 AND position = 4";
    sqlx::query(change).execute(&rig.pool).await.unwrap();
    rig.send_all(&mut relay).await;
    let working = Working::on(rig.fed_by_kafka().await);
    let mut expected = vec![6; usize::from(PARTITIONS)];
    expected[2] = 3;
    eventually(PATIENCE, "all others flow", async || rig.tally().await == expected).await;
    let waiting = async || parked(&rig.pool, "tally-of-events", 10).await.unwrap();
    eventually(PATIENCE, "what is behind it waits", async || {
        waiting().await.first().is_some_and(|first| first.events == 3)
    })
    .await;
    let first = waiting().await.remove(0);
    assert_eq!(first.at, LogPosition { log_partition: 2, position: 4 });
    assert!(first.reason.unwrap().contains("SeatsTeleported"));

    let mended = "UPDATE events SET event_type = 'SalesClosed' WHERE event_type = 'SeatsTeleported'";
    sqlx::query(mended).execute(&rig.pool).await.unwrap();
    assert_eq!(retry::<Tally>(&rig.pool, None).await.unwrap().events, 3);
    rig.append(1).await;
    rig.send_all(&mut relay).await;
    rig.has_all(7).await;
    working.end().await.unwrap();
}

/// A newer build may have streams that are no inventories: as from the log, theirs wait and all others flow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_stream_that_is_no_inventory_parks_it() {
    let mut rig = Rig::new().await;
    rig.append(2).await;
    let change = "UPDATE events SET aggregate_id = 'order-7' WHERE log_partition = 1 AND position = 1";
    sqlx::query(change).execute(&rig.pool).await.unwrap();
    rig.send_all(&mut rig.relay()).await;
    let working = Working::on(rig.fed_by_kafka().await);
    eventually(PATIENCE, "all others flow", async || rig.tally().await == [2, 1, 2, 2]).await;
    let waiting = parked(&rig.pool, "tally-of-events", 10).await.unwrap();
    assert_eq!((waiting[0].stream.as_str(), waiting[0].events), ("order-7", 1));
    working.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_another_log_stops_the_projector() {
    let mut rig = Rig::new().await;
    rig.append(2).await;
    rig.send_all(&mut rig.relay()).await;
    sqlx::query("UPDATE log_identity SET log_id = gen_random_uuid()").execute(&rig.pool).await.unwrap();
    let working = Working::on(rig.fed_by_kafka().await);
    let failure = working.task.await.unwrap().expect_err("it stops");
    assert!(!failure.is_transient() && format!("{failure:?}").contains("it is of log"), "{failure:?}");
}

/// Members come and go; each partition is folded by one of them at a time, and no event twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projectors_of_one_name_come_and_go_and_apply_nothing_twice() {
    let mut rig = Rig::new().await;
    let mut relay = rig.relay();
    let mut working = vec![Working::on(rig.fed_by_kafka().await)];
    let mut events = 0;
    for round in 0..4 {
        for _ in 0..5 {
            rig.append(40).await;
            events += 40;
            rig.send_all(&mut relay).await;
        }
        match round {
            0 | 2 => working.push(Working::on(rig.fed_by_kafka().await)),
            _ => working.remove(0).end().await.unwrap(),
        }
    }
    rig.has_all(events).await;
    for one in working {
        one.end().await.unwrap();
    }
    assert_eq!(rig.tally().await, vec![events; usize::from(PARTITIONS)]);
}
