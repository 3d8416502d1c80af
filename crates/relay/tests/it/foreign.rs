//! Records in the topic that no relay wrote: whoever meets them says where they are, and nothing is made of them.

use crate::{
    following::Working,
    rig::{PARTITIONS, Rig},
};
use holdfast_event_log::{LogPosition, RawEvent, identity, read_raw_after};
use holdfast_messaging::{
    EventsProducer, TopicError, headers,
    testing::{AnyRecord, write},
};
use holdfast_projector::Failure;
use std::error::Error;

/// The partition that they are written into.
const PARTITION: u16 = 1;

impl Rig {
    /// The events of the partition.
    async fn events(&self) -> Vec<RawEvent> {
        let beginning = LogPosition { log_partition: PARTITION, position: 0 };
        read_raw_after(&self.pool, beginning, 100).await.unwrap()
    }

    /// Three good records, a foreign one, and the next good one.
    async fn with_a_foreign_record_in_the_middle(record: AnyRecord<'_>) -> Self {
        let mut rig = Self::new().await;
        rig.append(4).await;
        let (topic, all) = (rig.events_topic().await, rig.events().await);
        let producer = EventsProducer::new(&topic, identity(&rig.pool).await.unwrap().log_id).unwrap();
        producer.send(&all[..3]).await.unwrap();
        write(&rig.kafka, &rig.topic.name, &[record]).await.unwrap();
        producer.send(&all[3..]).await.unwrap();
        rig
    }
}

/// Records that anybody's program might write: no JSON and no headers; JSON and no headers; headers with other meanings.
const FOREIGN: [(AnyRecord<'_>, &str); 3] = [
    (AnyRecord { partition: PARTITION, key: "k", headers: &[], value: b"\xff\x00 no JSON" }, "has no"),
    (AnyRecord { partition: PARTITION, key: "order-7", headers: &[], value: br#"{"order": 7}"# }, "has no"),
    (
        AnyRecord {
            partition: PARTITION,
            key: "order-7",
            headers: &[("position", "first"), ("log_id", "orders"), ("recorded_at", "today")],
            value: b"{}",
        },
        "cannot be read",
    ),
];

fn chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| (*error).source()).map(|e| format!("{e}: ")).collect()
}

/// It meets them at the end, when it looks where to go on.
#[tokio::test]
async fn a_relay_refuses_a_topic_that_ends_with_a_foreign_record() {
    for (record, why) in FOREIGN {
        let mut rig = Rig::new().await;
        rig.append(2).await;
        rig.send_all(&mut rig.relay()).await;
        write(&rig.kafka, &rig.topic.name, &[record]).await.unwrap();
        sqlx::query("DELETE FROM relays").execute(&rig.pool).await.unwrap();
        let failure = rig.relay().run_once().await.expect_err("it is refused");
        let foreign = matches!(
            &failure,
            holdfast_relay::Failure::Topic(TopicError::Foreign { partition: 1, offset: 2, .. })
        );
        assert!(foreign && !failure.is_transient(), "{failure:?}");
        assert!(failure.to_string().contains("partition 1 (offset 2)"), "{failure}");
        assert!(failure.to_string().contains(why), "{failure}");
    }
}

/// It meets them wherever they are, and applies what stands before them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_stops_at_a_foreign_record_in_the_middle_and_says_where() {
    for (record, why) in FOREIGN {
        let rig = Rig::with_a_foreign_record_in_the_middle(record).await;
        let failure = Working::on(rig.fed_by_kafka().await).task.await.unwrap().expect_err("it stops");
        assert!(matches!(failure, Failure::Foreign(_)), "{failure:?}");
        let text = chain(&failure);
        assert!(text.contains("partition 1 (offset 3)") && text.contains(why), "{text}");
        assert_eq!(rig.tally().await, [3], "what stands before it is applied");
    }
}

/// A relay that goes on behind them does not see them; verify does.
#[tokio::test]
async fn verify_finds_a_foreign_record_in_the_middle() {
    for (record, why) in FOREIGN {
        let rig = Rig::with_a_foreign_record_in_the_middle(record).await;
        rig.send_all(&mut rig.relay()).await;
        let report = rig.verified().await;
        let [finding] = &report.findings[..] else { panic!("{report:?}") };
        assert!(finding.contains("partition 1, offset 3") && finding.contains(why), "{finding}");
        assert_eq!(report.events, 4 * u64::from(PARTITIONS), "ours are all there: {report:?}");
    }
}

/// It has everything that our records have, but the event: a value of another shape, or of a newer build.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_of_an_event_that_is_not_understood() {
    for (name, value) in [("event_type", "SeatsTeleported"), ("event_version", "2"), ("payload", "7")] {
        let mut rig = Rig::new().await;
        rig.append(5).await;
        let cast = if name == "payload" { "::json" } else { "" };
        let change = format!("UPDATE events SET {name} = $1{cast} WHERE log_partition = 1 AND position = 4");
        sqlx::query(&change).bind(value).execute(&rig.pool).await.unwrap();
        rig.send_all(&mut rig.relay()).await;
        let stored = &rig.events().await[3];
        let log_id = identity(&rig.pool).await.unwrap().log_id.to_string();
        assert!(headers(stored, &log_id).iter().any(|(_, text)| text == value) || stored.payload == value);
        assert_eq!(rig.verified().await.found, 0, "the topic is the log all the same");
        let working = Working::on(rig.fed_by_kafka().await);
        let sql = "SELECT events FROM tally_of_events.tally WHERE log_partition = 1";
        holdfast_testkit::eventually(crate::rig::PATIENCE, "all before it is applied", async || {
            sqlx::query_scalar::<_, i64>(sql)
                .fetch_optional(&rig.pool)
                .await
                .is_ok_and(|found| found == Some(3))
        })
        .await;
        // Whether it waits there or has stopped, no later event of the stream is applied.
        let _ = working.end().await;
        assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&rig.pool).await.unwrap(), 3, "{name}");
    }
}
