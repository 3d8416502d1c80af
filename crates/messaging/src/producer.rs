//! Sends events into their topic: in order, each at least once, acknowledged by every copy that is in step.

use crate::{EVENT_HEADERS, EventsTopic, fold_headers, kafka::ASK_MAX};
use holdfast_event_log::{LogPosition, RawEvent};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _, PurgeConfig},
};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::spawn_blocking, time::sleep};
use uuid::Uuid;

/// Pause while librdkafka's own queue is full; it empties as fast as the broker acknowledges.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Largest event that is handed to the broker: far more than one can have, so that the topic's `max.message.bytes` alone
/// decides, which an operator can raise.
const EVENT_BYTES_MAX: &str = "67108864";

/// Events are not in the topic, or nobody knows. The topic's end tells.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The client could not be made.
    #[error("Kafka's client could not be made")]
    Client(#[from] KafkaError),
    /// The topic is not made for an event of this size.
    #[error(
        "Kafka did not take the event at {at} ({bytes} bytes): it is larger than max.message.bytes of topic {topic}, or the \
         batch is in which it came; raise that setting of the topic, to 2097152 at least, and start the relay again"
    )]
    TooLarge {
        /// Which.
        at: LogPosition,
        /// How large its value is.
        bytes: usize,
        /// The topic.
        topic: String,
    },
    /// The topic has fewer records than there are positions: it was deleted and made anew while we wrote into it.
    #[error(
        "topic {topic} was made anew: the event at {at} became its record {records} of that partition; delete the topic, and \
         start the relay again, which fills it from position 1"
    )]
    MadeAnew {
        /// The topic.
        topic: String,
        /// The event.
        at: LogPosition,
        /// Records in its partition, with it.
        records: i64,
    },
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
        match self {
            Self::Client(_) | Self::Silent => true,
            Self::TooLarge { .. } | Self::MadeAnew { .. } => false,
            Self::Refused { source, .. } => !matches!(
                source.rdkafka_error_code(),
                Some(
                    RDKafkaErrorCode::InvalidRecord
                        | RDKafkaErrorCode::TopicAuthorizationFailed
                        | RDKafkaErrorCode::ClusterAuthorizationFailed
                )
            ),
        }
    }
}

/// The only writer of its topic, but for another relay that is about to notice.
pub struct EventsProducer {
    producer: FutureProducer,
    topic: String,
    log_id: String,
    /// Partitions that have got something from this producer.
    begun: Mutex<BTreeSet<u16>>,
}

impl std::fmt::Debug for EventsProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventsProducer").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// The settings that everything here depends on.
pub(crate) fn settings(topic: &EventsTopic) -> ClientConfig {
    let mut config = topic.kafka().config();
    config
        // Retries neither double nor reorder, and a record that is given up is never followed by a later one.
        .set("enable.idempotence", "true")
        .set("enable.gapless.guarantee", "true")
        .set("acks", "all")
        // A record is tried until it is there; who waits for it decides how long.
        .set("message.timeout.ms", "0")
        .set("message.max.bytes", EVENT_BYTES_MAX)
        .set("compression.type", "lz4")
        .set("linger.ms", "1");
    config
}

impl EventsProducer {
    /// A producer for copies of the log `log_id`.
    ///
    /// # Errors
    /// If a setting is not one of librdkafka's.
    pub fn new(topic: &EventsTopic, log_id: Uuid) -> Result<Self, SendError> {
        let producer = settings(topic).create()?;
        let (topic, log_id) = (topic.name().to_owned(), log_id.to_string());
        Ok(Self { producer, topic, log_id, begun: Mutex::default() })
    }

    /// Sends events, those of a partition in order, and waits until all are acknowledged. It waits for as long as no
    /// broker answers: give it up with a time limit, and make a new producer after reading where the topic ends.
    ///
    /// # Errors
    /// What the broker said of the first that it refused, or of one that it will refuse again. Later ones of that partition
    /// are not there either.
    pub async fn send(&self, events: &[RawEvent]) -> Result<(), SendError> {
        let (first, rest) = self.begin(events);
        self.send_all(first.into_iter()).await?;
        self.send_all(rest.into_iter()).await
    }

    /// Asks whether a broker is there: where nothing is sent, nobody notices otherwise.
    ///
    /// # Errors
    /// `Silent` if none answers in time.
    pub async fn ask(&self) -> Result<(), SendError> {
        let (producer, topic) = (self.producer.clone(), self.topic.clone());
        let asked =
            spawn_blocking(move || producer.client().fetch_metadata(Some(&topic), ASK_MAX).map(|_| ()));
        asked.await.map_err(|_| SendError::Silent)?.map_err(|_| SendError::Silent)
    }

    /// Of each partition that this producer has not written to, the first event, which is sent alone; and the rest.
    ///
    /// Where a broker does not know a producer yet, it takes whichever record comes first: one that is on its way behind
    /// a refused one would leave a hole.
    fn begin<'e>(&self, events: &'e [RawEvent]) -> (Vec<&'e RawEvent>, Vec<&'e RawEvent>) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().partition(|event| begun.insert(event.at.log_partition))
    }

    async fn send_all(&self, events: impl ExactSizeIterator<Item = &RawEvent>) -> Result<(), SendError> {
        let mut on_their_way = Vec::with_capacity(events.len());
        for event in events {
            let handed_over = self.hand_over(event).await;
            on_their_way.push((event, handed_over.map_err(|error| self.refused(event, error))?));
        }
        // All of them: where one is refused for good, the client gives up others before and after it.
        let mut refused: Option<SendError> = None;
        for (event, delivery) in on_their_way {
            if let Err(error) = self.delivered(event, delivery).await
                && refused.as_ref().is_none_or(|first| first.is_transient() && !error.is_transient())
            {
                refused = Some(error);
            }
        }
        refused.map_or(Ok(()), Err)
    }

    async fn delivered(&self, event: &RawEvent, delivery: DeliveryFuture) -> Result<(), SendError> {
        let delivered = delivery.await.map_err(|_| KafkaError::Canceled);
        let delivered = delivered.and_then(|delivered| delivered.map_err(|(error, _)| error));
        let offset = delivered.map_err(|error| self.refused(event, error))?.offset;
        let records = offset + 1;
        // Of one that was sent twice, and had arrived the first time, the broker may not say where it is.
        if offset >= 0 && records < event.at.position {
            return Err(SendError::MadeAnew { topic: self.topic.clone(), at: event.at, records });
        }
        Ok(())
    }

    fn refused(&self, event: &RawEvent, source: KafkaError) -> SendError {
        let at = event.at;
        match source.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
                SendError::TooLarge { at, bytes: event.payload.len(), topic: self.topic.clone() }
            }
            _ => SendError::Refused { at, source },
        }
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
        let none = OwnedHeaders::new_with_capacity(EVENT_HEADERS.len());
        fold_headers(event, &self.log_id, none, |headers, key, value| {
            headers.insert(Header { key, value: Some(value.as_bytes()) })
        })
    }
}

/// What has not been acknowledged is not sent by this producer any more.
impl Drop for EventsProducer {
    fn drop(&mut self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }
}
