//! Sends events into their topic: in order, each at least once, acknowledged by every copy that is in step.

use crate::{EVENT_HEADERS, EventsTopic, headers};
use holdfast_event_log::{LogPosition, RawEvent};
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _, PurgeConfig},
};
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

/// Pause while librdkafka's own queue is full; it empties as fast as the broker acknowledges.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Events are not in the topic, or nobody knows. The topic's end tells.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The client could not be made.
    #[error("Kafka's client could not be made")]
    Client(#[from] KafkaError),
    /// The broker did not take an event.
    #[error("Kafka did not take the event at {at}")]
    Refused {
        /// Which.
        at: LogPosition,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// The broker did not acknowledge in time.
    #[error("Kafka does not acknowledge")]
    Silent,
}

impl SendError {
    /// Whether sending again may help. An event that is too large, or may not be written, comes again with every attempt.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let Self::Refused { source, .. } = self else { return true };
        !matches!(
            source.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                    | RDKafkaErrorCode::InvalidMessageSize
                    | RDKafkaErrorCode::InvalidRecord
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
            )
        )
    }
}

/// The only writer of its topic, but for another relay that is about to notice.
pub struct EventsProducer {
    producer: FutureProducer,
    topic: String,
    log_id: String,
}

impl std::fmt::Debug for EventsProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventsProducer").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl EventsProducer {
    /// A producer for copies of the log `log_id`.
    ///
    /// # Errors
    /// If a setting is not one of librdkafka's.
    pub fn new(topic: &EventsTopic, log_id: Uuid) -> Result<Self, SendError> {
        let producer = topic
            .kafka()
            .config()
            // Retries neither double nor reorder, and a record that is given up is never followed by a later one.
            .set("enable.idempotence", "true")
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            // A record is tried until it is there; who waits for it decides how long.
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", "2097152")
            .set("compression.type", "lz4")
            .set("linger.ms", "1")
            .create()?;
        Ok(Self { producer, topic: topic.name().to_owned(), log_id: log_id.to_string() })
    }

    /// Sends events, those of a partition in order, and waits until all are acknowledged. It waits for as long as no
    /// broker answers: give it up with a time limit, and make a new producer after reading where the topic ends.
    ///
    /// # Errors
    /// What the broker said of the first that it refused. Later ones of that partition are not there either.
    pub async fn send(&self, events: &[RawEvent]) -> Result<(), SendError> {
        let mut on_their_way = Vec::with_capacity(events.len());
        for event in events {
            let refused = |source| SendError::Refused { at: event.at, source };
            on_their_way.push((event.at, self.hand_over(event).await.map_err(refused)?));
        }
        for (at, delivery) in on_their_way {
            let delivered = delivery.await.map_err(|_| KafkaError::Canceled);
            let refused = |source| SendError::Refused { at, source };
            delivered.map_err(refused)?.map_err(|(source, _)| refused(source))?;
        }
        Ok(())
    }

    async fn hand_over(&self, event: &RawEvent) -> Result<DeliveryFuture, KafkaError> {
        let mut record = FutureRecord::to(&self.topic)
            .partition(i32::from(event.at.log_partition))
            .key(event.aggregate_id.as_str())
            .payload(event.payload.as_str())
            .headers(self.headers(event));
        loop {
            match self.producer.send_result(record) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
                Err((error, _)) => return Err(error),
            }
            sleep(FULL_PAUSE).await;
        }
    }

    fn headers(&self, event: &RawEvent) -> OwnedHeaders {
        let owned = OwnedHeaders::new_with_capacity(EVENT_HEADERS.len());
        headers(event, &self.log_id)
            .into_iter()
            .fold(owned, |owned, (key, value)| owned.insert(Header { key, value: Some(value.as_bytes()) }))
    }
}

/// What has not been acknowledged is not sent by this producer any more.
impl Drop for EventsProducer {
    fn drop(&mut self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}
