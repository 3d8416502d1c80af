//! Topics that are not written to, and what the operator is told.

use crate::rig::{PARTITIONS, PATIENCE, Rig};
use holdfast_messaging::{EventsProducer, EventsTopic, TopicError, testing::delete};
use holdfast_relay::{Failure, Relay};
use holdfast_testkit::eventually;
use uuid::Uuid;

async fn refusal(relay: &mut Relay) -> Failure {
    let failure = relay.run_once().await.expect_err("it is refused");
    assert!(!failure.is_transient(), "{failure}");
    failure
}

/// The same after failures that may go away: while a topic is being deleted, its nodes say so one after the other.
async fn stops(relay: &mut Relay) -> Failure {
    let mut stopped = None;
    eventually(PATIENCE, "it stops", async || {
        stopped = relay.run_once().await.err().filter(|failure| !failure.is_transient());
        stopped.is_some()
    })
    .await;
    stopped.expect("it stopped")
}

impl Rig {
    async fn delete_topic(&self) {
        delete(&self.kafka, &self.topic.name).await.unwrap();
        eventually(PATIENCE, "the topic is gone", async || {
            let found = EventsTopic::find(&self.kafka, &self.topic, PARTITIONS).await;
            matches!(found, Err(TopicError::Missing { .. }))
        })
        .await;
    }

    async fn make_topic_anew(&self, partitions: u16) {
        self.delete_topic().await;
        EventsTopic::open(&self.kafka, &self.topic, partitions).await.unwrap();
    }
}

/// Two installations and one broker: the second would make a mess of both.
#[tokio::test]
async fn a_topic_of_another_log_is_refused() {
    let (mut first, mut second) = (Rig::new().await, Rig::new().await);
    first.append(1).await;
    first.send_all(&mut first.relay()).await;
    second.append(5).await;
    second.topic = first.topic.clone();
    let failure = refusal(&mut second.relay()).await;
    assert!(matches!(failure, Failure::OtherLog { .. }), "{failure:?}");
    assert!(failure.to_string().contains("two installations"), "{failure}");
    assert_eq!(first.verified().await.records, u64::from(PARTITIONS), "nothing was written");
}

/// A database that was restored from a backup: consumers have seen what it lost.
#[tokio::test]
async fn a_topic_ahead_of_the_log_is_refused() {
    let mut rig = Rig::new().await;
    rig.append(3).await;
    rig.send_all(&mut rig.relay()).await;
    sqlx::raw_sql(
        "DELETE FROM events WHERE position > 2; UPDATE log_heads SET position = 2; DELETE FROM relays",
    )
    .execute(&rig.pool)
    .await
    .unwrap();
    let failure = refusal(&mut rig.relay()).await;
    assert!(matches!(failure, Failure::Ahead { head: 2, .. }), "{failure:?}");
}

/// The same, and the log has gone on since: its positions have other events now.
#[tokio::test]
async fn a_topic_with_other_events_than_the_log_is_refused() {
    let mut rig = Rig::new().await;
    rig.append(3).await;
    rig.send_all(&mut rig.relay()).await;
    sqlx::raw_sql("UPDATE events SET event_id = gen_random_uuid() WHERE position = 3; DELETE FROM relays")
        .execute(&rig.pool)
        .await
        .unwrap();
    let failure = refusal(&mut rig.relay()).await;
    assert!(matches!(failure, Failure::Differs { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_topic_with_another_number_of_partitions_is_refused_with_what_to_do() {
    let mut rig = Rig::new().await;
    EventsTopic::open(&rig.kafka, &rig.topic, PARTITIONS + 1).await.unwrap();
    rig.append(1).await;
    let failure = refusal(&mut rig.relay()).await.to_string();
    assert!(
        failure.contains("has 5 partitions and the log has 4") && failure.contains("delete the topic"),
        "{failure}"
    );
}

/// Somebody deletes the topic under a running relay, and makes another of the name with the wrong count.
#[tokio::test]
async fn a_topic_that_is_made_anew_with_another_number_of_partitions_is_refused() {
    let mut rig = Rig::new().await;
    let mut relay = rig.relay();
    rig.append(5).await;
    rig.send_all(&mut relay).await;
    rig.make_topic_anew(PARTITIONS - 1).await;
    rig.append(1).await;
    stops(&mut relay).await;
    let failure = refusal(&mut rig.relay()).await.to_string();
    assert!(failure.contains("has 3 partitions and the log has 4"), "{failure}");
}

/// The same with the right count: what the relay would send next is not the beginning, and no consumer could begin.
#[tokio::test]
async fn a_topic_that_is_made_anew_under_a_relay_stops_it_and_every_later_one() {
    let mut rig = Rig::new().await;
    let mut relay = rig.relay();
    rig.append(5).await;
    rig.send_all(&mut relay).await;
    rig.make_topic_anew(PARTITIONS).await;
    rig.append(1).await;
    let failure = stops(&mut relay).await.to_string();
    assert!(failure.contains("made anew") && failure.contains("delete the topic"), "{failure}");
    sqlx::query("DELETE FROM relays").execute(&rig.pool).await.unwrap();
    let failure = refusal(&mut rig.relay()).await;
    assert!(matches!(failure, Failure::Hole { records: 1, .. }), "{failure:?}");

    // What it says helps.
    rig.delete_topic().await;
    sqlx::query("DELETE FROM relays").execute(&rig.pool).await.unwrap();
    rig.send_all(&mut rig.relay()).await;
    let report = rig.verified().await;
    assert_eq!((report.found, report.events), (0, 6 * u64::from(PARTITIONS)), "{report:?}");
}

/// Its settings would let Kafka throw history away: said loudly, and bookings are not held up by it.
#[tokio::test]
async fn a_topic_that_forgets_is_warned_about() {
    let mut rig = Rig::new().await;
    let mut forgetful = rig.topic.clone();
    forgetful.settings.insert("retention.ms".to_owned(), "604800000".to_owned());
    EventsTopic::open(&rig.kafka, &forgetful, PARTITIONS).await.unwrap();
    let opened = EventsTopic::open(&rig.kafka, &rig.topic, PARTITIONS).await.unwrap();
    let [warning] = &opened.warnings[..] else { panic!("{:?}", opened.warnings) };
    assert!(warning.contains("retention.ms=604800000 and should have -1"), "{warning}");
    rig.append(1).await;
    assert_eq!(rig.send_all(&mut rig.relay()).await, usize::from(PARTITIONS));
}

/// A relay that has lost its partitions and does not know it: what it sends comes twice, and is counted, not believed.
#[tokio::test]
async fn what_a_zombie_sends_again_is_no_fault() {
    let mut rig = Rig::new().await;
    rig.append(4).await;
    rig.send_all(&mut rig.relay()).await;
    let topic = EventsTopic::open(&rig.kafka, &rig.topic, PARTITIONS).await.unwrap();
    let log_id: Uuid =
        sqlx::query_scalar("SELECT log_id FROM log_identity").fetch_one(&rig.pool).await.unwrap();
    let after = holdfast_event_log::LogPosition { log_partition: 2, position: 1 };
    let old = holdfast_event_log::read_raw_after(&rig.pool, after, 100).await.unwrap();
    EventsProducer::new(&topic, log_id).unwrap().send(&old).await.unwrap();
    let report = rig.verified().await;
    assert_eq!((report.found, report.again), (0, 3), "{report:?}");
    rig.append(1).await;
    sqlx::query("DELETE FROM relays").execute(&rig.pool).await.unwrap();
    assert_eq!(rig.send_all(&mut rig.relay()).await, usize::from(PARTITIONS));
    assert_eq!(rig.verified().await.found, 0);
}
