//! A log, a topic of one's own on the shared broker, and words to fill and compare them.

use holdfast_ambient::{Ambient, Machine};
use holdfast_domain::{InventoryId, SalesClosed, SeatsBlocked, Timestamp};
use holdfast_event_log::identity;
use holdfast_messaging::{EVENTS, EventsTopic, Kafka, KafkaSource, Topic, testing::alter, topics};
use holdfast_projector::testing::{Happened, TestLog};
use holdfast_relay::{Failure, Relay, RelayStatus, State, TopicReport, verify};
use holdfast_testkit::{Proxy, TestDatabase, database, eventually, kafka};
use sqlx::PgPool;
use std::time::Duration;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
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

/// A relay at work.
pub(crate) struct Sending {
    pub(crate) status: watch::Receiver<RelayStatus>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Failure>>,
}

impl Sending {
    pub(crate) fn on(relay: Relay) -> Self {
        let (status, stop) = (relay.status(), CancellationToken::new());
        Self { status, stop: stop.clone(), task: tokio::spawn(relay.run(None, stop)) }
    }

    /// Waits until the topic has every partition up to this position.
    pub(crate) async fn sent(&self, position: i64) {
        eventually(PATIENCE, "everything is sent", async || {
            let status = self.status.borrow();
            status.state == State::Running
                && status.partitions.len() == usize::from(PARTITIONS)
                && status.partitions.iter().all(|partition| partition.sent == position)
        })
        .await;
    }

    /// Waits until it says that it tries again.
    pub(crate) async fn waits(&self) {
        eventually(PATIENCE, "the relay says that it waits", async || {
            matches!(self.status.borrow().state, State::Retrying(_))
        })
        .await;
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
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

    /// The topic, made if it is not there, as a source for `who`.
    pub(crate) async fn source(&self, who: &str) -> KafkaSource {
        self.events_topic().await;
        let log_id = identity(&self.pool).await.unwrap().log_id;
        let group = format!("{}.{who}", self.topic.name);
        KafkaSource::new(self.kafka.clone(), self.topic.clone(), PARTITIONS, group, log_id)
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
