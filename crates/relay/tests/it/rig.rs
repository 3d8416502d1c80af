//! A log, a topic of one's own on the shared broker, and words to fill and compare them.

use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{InventoryId, SalesClosed, SeatsBlocked, Timestamp};
use holdfast_messaging::{EVENTS, Kafka, Topic, topics};
use holdfast_projector::testing::{Happened, TestLog};
use holdfast_relay::{Relay, TopicReport, verify};
use holdfast_testkit::{TestDatabase, database, kafka};
use sqlx::PgPool;
use std::time::Duration;
use uuid::Uuid;

/// Patience of the tests: a slow machine is not a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Of the rig's log.
pub(crate) const PARTITIONS: u16 = 4;

pub(crate) struct Rig {
    _db: TestDatabase,
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
        Self { _db: db, pool, log, kafka, topic: fresh_topic() }
    }

    pub(crate) fn relay(&self) -> Relay {
        Relay::new(self.pool.clone(), self.kafka.clone(), self.topic.clone(), Machine.new_id())
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
