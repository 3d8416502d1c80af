//! A log, a topic of one's own on the shared broker, and words to fill and compare them.

use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{InventoryId, SalesClosed, SeatsBlocked, Timestamp};
use holdfast_messaging::{EVENTS, EventsTopic, Kafka, Topic, testing::alter, topics};
use holdfast_projector::testing::{Happened, TestLog};
use holdfast_relay::{Relay, TopicReport, verify};
use holdfast_testkit::{Proxy, TestDatabase, database, kafka};
use sqlx::PgPool;
use std::time::Duration;
use uuid::Uuid;

/// Patience of the tests: a slow machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Of the rig's log.
pub(crate) const PARTITIONS: u16 = 4;

pub(crate) struct Rig {
    db: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) log: TestLog,
    pub(crate) kafka: Kafka,
    pub(crate) topic: Topic,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::on(Kafka::new(kafka().await, []).unwrap()).await
    }

    pub(crate) async fn on(kafka: Kafka) -> Self {
        let db = database().await;
        let pool = db.pool();
        let log = TestLog::create(&pool, PARTITIONS).await;
        Self { db, pool, log, kafka, topic: fresh_topic() }
    }

    pub(crate) fn relay(&self) -> Relay {
        Relay::new(self.pool.clone(), self.kafka.clone(), self.topic.clone(), Machine.new_id())
    }

    /// The topic itself, made if it is not there.
    pub(crate) async fn events_topic(&self) -> EventsTopic {
        EventsTopic::open(&self.kafka, &self.topic, PARTITIONS).await.expect("the topic is as it must be")
    }

    /// Appends `events` events to each partition, in one statement for all.
    pub(crate) async fn append(&mut self, events: usize) {
        let happened: Vec<_> =
            (0..u64::from(PARTITIONS)).flat_map(|nth| vec![happened(nth); events]).collect();
        self.log.append(&happened).await;
    }

    /// An event of so many bytes.
    pub(crate) async fn append_large(&mut self, bytes: usize) {
        let event = SeatsBlocked { quantity: 1, reason: "x".repeat(bytes) }.into();
        self.log.append(&[Happened { event, ..happened(0) }]).await;
    }

    /// The same, of text that no compression makes much smaller.
    pub(crate) async fn append_incompressible(&mut self, bytes: usize) {
        let ids = std::iter::repeat_with(|| Machine.new_id().simple().to_string().split_off(16));
        let event = SeatsBlocked { quantity: 1, reason: ids.take(bytes / 16 + 1).collect() }.into();
        self.log.append(&[Happened { event, ..happened(0) }]).await;
    }

    /// A proxy in front of the database, for a projector that shall lose something.
    pub(crate) fn proxy(&self) -> Proxy {
        self.db.proxy()
    }

    /// Changes a setting of the topic.
    pub(crate) async fn alter_topic(&self, setting: &str, value: &str) {
        alter(&self.kafka, &self.topic.name, setting, value).await.expect("Kafka takes the setting");
    }

    /// Sends until nothing is left.
    pub(crate) async fn send_all(&self, relay: &mut Relay) -> usize {
        let mut sent = 0;
        loop {
            let step = relay.run_once().await.expect("it is sent");
            sent += step.events;
            if step.events == 0 && !step.more {
                return sent;
            }
        }
    }

    /// Topic and log, compared byte for byte.
    pub(crate) async fn verified(&self) -> TopicReport {
        verify(&self.pool, &self.kafka, &self.topic).await.expect("both can be read")
    }
}

/// The topic of the contract under a name that no other test has, with the copies that one node can have.
pub(crate) fn fresh_topic() -> Topic {
    let events = topics().unwrap().into_iter().find(|topic| topic.name == EVENTS).unwrap();
    Topic { name: format!("test.{}", Machine.new_id()), replication: 1, ..events }
}

fn happened(nth: u64) -> Happened {
    // The low bits choose the partition.
    let inventory_id = InventoryId(Uuid::from_u64_pair(0x0193_0000_0000_7000, nth));
    Happened { inventory_id, event: SalesClosed {}.into(), at: Timestamp::default() }
}
