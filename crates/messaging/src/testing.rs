//! What others may do to the topic, for tests: write records that are not ours, change its settings, delete it. And, for
//! the bench, how many records it has, and librdkafka's producer with nothing of ours around it.

use crate::{EventsTopic, Kafka, headers, kafka::ASK_MAX, producer};
use holdfast_event_log::RawEvent;
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{
        BaseProducer, BaseRecord, DeliveryResult, FutureProducer, FutureRecord, Producer as _,
        ProducerContext,
    },
};
use std::{
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// How long librdkafka may take to deliver everything.
const FLUSH_MAX: Duration = Duration::from_secs(60);
/// While its queue is full, how long it is waited for deliveries.
const POLL: Duration = Duration::from_millis(1);

/// A record as anybody may write it.
#[derive(Clone, Copy, Debug)]
pub struct AnyRecord<'a> {
    /// Into which partition.
    pub partition: u16,
    /// The key.
    pub key: &'a str,
    /// The headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// The value.
    pub value: &'a [u8],
}

/// Writes records into a topic, one after the other.
///
/// # Errors
/// What Kafka said of the first that it did not take.
pub async fn write(kafka: &Kafka, topic: &str, records: &[AnyRecord<'_>]) -> Result<(), KafkaError> {
    let producer: FutureProducer = kafka.config().create()?;
    for AnyRecord { partition, key, headers, value } in records {
        let owned = headers.iter().fold(OwnedHeaders::new(), |owned, (key, value)| {
            owned.insert(Header { key, value: Some(value.as_bytes()) })
        });
        let record = FutureRecord::to(topic).partition(i32::from(*partition)).key(*key);
        let sent = producer.send(record.payload(*value).headers(owned), ASK_MAX).await;
        sent.map_err(|(error, _)| error)?;
    }
    Ok(())
}

/// Deletes a topic.
///
/// # Errors
/// If Kafka does not do it.
pub async fn delete(kafka: &Kafka, topic: &str) -> Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = kafka.config().create()?;
    let deleted =
        admin.delete_topics(&[topic], &AdminOptions::new().operation_timeout(Some(ASK_MAX))).await?;
    match deleted.into_iter().next() {
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
        _ => Ok(()),
    }
}

/// Gives a topic one setting; all others become the broker's own.
///
/// # Errors
/// If Kafka does not take it.
pub async fn alter(kafka: &Kafka, topic: &str, setting: &str, value: &str) -> Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = kafka.config().create()?;
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(setting, value);
    let altered = admin.alter_configs([&change], &AdminOptions::new().request_timeout(Some(ASK_MAX))).await?;
    match altered.into_iter().next() {
        Some(Err((_, code))) => Err(KafkaError::AdminOp(code)),
        _ => Ok(()),
    }
}

/// Counts the records of a topic.
pub struct Counter {
    consumer: BaseConsumer,
    topic: String,
    partitions: u16,
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Counter {
    /// Of a topic with so many partitions.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub fn new(kafka: &Kafka, topic: &str, partitions: u16) -> Result<Self, KafkaError> {
        Ok(Self { consumer: kafka.config_without_group().create()?, topic: topic.to_owned(), partitions })
    }

    /// Records in it; none if it is not there yet. Blocks for some milliseconds.
    ///
    /// # Errors
    /// If Kafka does not answer.
    pub fn records(&self) -> Result<i64, KafkaError> {
        let mut records = 0;
        for partition in 0..i32::from(self.partitions) {
            match self.consumer.fetch_watermarks(&self.topic, partition, ASK_MAX) {
                Ok((low, high)) => records += high - low,
                Err(error) if is_not_there_yet(&error) => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }
}

/// Also one that is just being made.
fn is_not_there_yet(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        LeaderNotAvailable, NotLeaderForPartition, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
    };
    matches!(
        error.rdkafka_error_code(),
        Some(
            LeaderNotAvailable
                | NotLeaderForPartition
                | UnknownPartition
                | UnknownTopic
                | UnknownTopicOrPartition
        )
    )
}

/// Counts deliveries; one that failed is none.
#[derive(Clone, Default)]
struct Deliveries(Arc<AtomicU64>);

impl rdkafka::ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, delivery: &DeliveryResult<'_>, (): ()) {
        if delivery.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes events into a topic with librdkafka alone, with the settings of our producer and equal records, which are put
/// together before the clock starts. Returns how long that took until all were acknowledged. Blocks its caller.
///
/// # Errors
/// If the client cannot be made, or not everything was acknowledged.
pub fn produce(topic: &EventsTopic, log_id: Uuid, events: &[RawEvent]) -> Result<Duration, KafkaError> {
    let (deliveries, log_id) = (Deliveries::default(), log_id.to_string());
    let config = producer::settings(topic);
    let producer: BaseProducer<Deliveries> = config.create_with_context(deliveries.clone())?;
    let records: Vec<_> = events
        .iter()
        .map(|event| {
            let owned =
                headers(event, &log_id).into_iter().fold(OwnedHeaders::new(), |owned, (key, value)| {
                    owned.insert(Header { key, value: Some(value.as_bytes()) })
                });
            let record = BaseRecord::to(topic.name()).partition(i32::from(event.at.log_partition));
            record.key(event.aggregate_id.as_str()).payload(event.payload.as_str()).headers(owned)
        })
        .collect();
    let began = Instant::now();
    for mut record in records {
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
                Err((error, _)) => return Err(error),
            }
            producer.poll(POLL);
        }
    }
    producer.flush(FLUSH_MAX)?;
    let took = began.elapsed();
    if deliveries.0.load(Ordering::Relaxed) != events.len() as u64 {
        return Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut));
    }
    Ok(took)
}
