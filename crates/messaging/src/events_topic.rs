//! The events' topic as a thing on a broker: made if it is missing, refused if it is another, and where it ends.

use crate::{
    Kafka, Partitions, Received, RecordError, Topic,
    complaints::{Complaints, why_not_let_in},
    kafka::ASK_MAX,
    message::{self, Arrived},
};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::Message as _,
    metadata::MetadataTopic,
};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long the last records of all partitions may take to arrive.
const ENDS_MAX: Duration = Duration::from_secs(20);

/// How long a topic that was made may take until every node knows it.
const SEEN_MAX: Duration = Duration::from_secs(5);
/// How often it is looked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The topic, found as it must be.
#[derive(Clone, Debug)]
pub struct EventsTopic {
    kafka: Kafka,
    name: String,
    partitions: u16,
    /// What an operator should know, each a sentence; consumers work all the same for now.
    pub warnings: Vec<String>,
}

/// The last record of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// The log it is a copy of.
    pub log_id: Uuid,
    /// The event's position.
    pub position: i64,
    /// The event.
    pub event_id: Uuid,
    /// Its place in the topic's partition: at least position - 1, or something before it is missing.
    pub offset: i64,
}

/// The topic cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// No broker answers. Goes away by itself.
    #[error("Kafka at {address} does not answer")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// A broker is there and does not let us in, or we do not trust it. Whoever mends that may do it at the broker, so it is
    /// tried again.
    #[error(
        "Kafka at {address} and this client do not agree on TLS or who may sign in: {why}; compare the broker with the \
         settings of --kafka-settings-file (security.protocol, ssl.ca.location, sasl.username, sasl.password)"
    )]
    NotLetIn {
        /// Where.
        address: String,
        /// What the client says.
        why: String,
    },
    /// The last records did not arrive. Goes away by itself.
    #[error("Kafka at {0} did not send the last records of the topic in time")]
    Silent(String),
    /// It is not there (yet); the relay makes it.
    #[error("there is no topic {topic} on Kafka at {address}; `holdfast relay` makes it")]
    Missing {
        /// The topic.
        topic: String,
        /// Where.
        address: String,
    },
    /// It has another number of partitions than the log.
    #[error(
        "topic {topic} has {found} partitions and the log has {wanted}; partition p of one is partition p of the other, \
         so delete the topic, or name another broker"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// What it has.
        found: usize,
        /// What it must have.
        wanted: u16,
    },
    /// Somebody else writes into it.
    #[error(
        "topic {topic} has a foreign record at the end of partition {partition} (offset {offset}): {source}"
    )]
    Foreign {
        /// The topic.
        topic: String,
        /// Which partition.
        partition: i32,
        /// Which record.
        offset: i64,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// The broker refuses to make it.
    #[error("topic {topic} could not be made: {code}")]
    Refused {
        /// The topic.
        topic: String,
        /// What the broker says.
        code: RDKafkaErrorCode,
    },
}

impl TopicError {
    /// Whether asking again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NotLetIn { .. } | Self::Silent(_) | Self::Missing { .. } => true,
            // Fewer nodes than a moment ago, or none that leads yet: a cluster that is starting.
            Self::Refused { code, .. } => matches!(
                code,
                RDKafkaErrorCode::InvalidReplicationFactor
                    | RDKafkaErrorCode::RequestTimedOut
                    | RDKafkaErrorCode::NotController
                    | RDKafkaErrorCode::LeaderNotAvailable
            ),
            Self::Partitions { .. } | Self::Foreign { .. } => false,
        }
    }
}

impl EventsTopic {
    /// Makes the topic if it is missing, and checks it. `log_partitions` is the log's number.
    ///
    /// # Errors
    /// See [`TopicError`].
    pub async fn open(kafka: &Kafka, topic: &Topic, log_partitions: u16) -> Result<Self, TopicError> {
        match Self::find(kafka, topic, log_partitions).await {
            Err(TopicError::Missing { .. }) => {}
            found => return found,
        }
        let unreachable = |source| TopicError::Unreachable { address: kafka.address().to_owned(), source };
        let nodes = look(kafka, &topic.name).await?.nodes;
        let copies = usize::from(topic.replication).min(nodes.max(1));
        let admin: AdminClient<DefaultClientContext> = kafka.config().create().map_err(unreachable)?;
        create(&admin, topic, log_partitions, copies).await.map_err(|error| match error {
            CreateError::Kafka(source) => unreachable(source),
            CreateError::Refused(code) => TopicError::Refused { topic: topic.name.clone(), code },
        })?;
        // Another may have been faster, and made something else; and a new topic takes a moment to be seen everywhere.
        let until = Instant::now() + SEEN_MAX;
        loop {
            match Self::find(kafka, topic, log_partitions).await {
                Err(error) if error.is_transient() && Instant::now() < until => sleep(LOOK_EVERY).await,
                found => return found,
            }
        }
    }

    /// Checks the topic, which must be there.
    ///
    /// # Errors
    /// See [`TopicError`].
    pub async fn find(kafka: &Kafka, topic: &Topic, log_partitions: u16) -> Result<Self, TopicError> {
        let Partitions::Log = topic.partitions;
        let unreachable = |source| TopicError::Unreachable { address: kafka.address().to_owned(), source };
        let name = || topic.name.clone();
        let Seen { partitions: found, copies, .. } = look(kafka, &topic.name).await?;
        if found == 0 {
            return Err(TopicError::Missing { topic: name(), address: kafka.address().to_owned() });
        }
        if found != usize::from(log_partitions) {
            return Err(TopicError::Partitions { topic: name(), found, wanted: log_partitions });
        }
        let admin: AdminClient<DefaultClientContext> = kafka.config().create().map_err(unreachable)?;
        let mut warnings = other_settings(&admin, topic).await.map_err(unreachable)?;
        if copies < usize::from(topic.replication) {
            warnings.push(format!(
                "topic {} keeps {copies} copies of a partition and should keep {}; with fewer, a broken disk loses it",
                topic.name, topic.replication
            ));
        }
        Ok(Self { kafka: kafka.clone(), name: name(), partitions: log_partitions, warnings })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster it is on.
    #[must_use]
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// The last record of every partition, in their order; none: it is empty.
    ///
    /// # Errors
    /// `Unreachable`, `Silent`; `Foreign` if a last record is not one of ours.
    pub async fn ends(&self) -> Result<Vec<Option<Last>>, TopicError> {
        let topic = self.clone();
        self.blocking(move || topic.read_ends()).await
    }

    /// Asks librdkafka, which blocks its caller, away from the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce() -> Result<T, TopicError> + Send + 'static,
    ) -> Result<T, TopicError> {
        // A task that was thrown away has no answer.
        tokio::task::spawn_blocking(ask).await.unwrap_or_else(|_| Err(self.silent()))
    }

    pub(crate) fn unreachable(&self, source: KafkaError) -> TopicError {
        TopicError::Unreachable { address: self.kafka.address().to_owned(), source }
    }

    pub(crate) fn silent(&self) -> TopicError {
        TopicError::Silent(self.kafka.address().to_owned())
    }

    fn read_ends(&self) -> Result<Vec<Option<Last>>, TopicError> {
        let unreachable = |source| self.unreachable(source);
        let consumer: BaseConsumer = self.kafka.config_without_group().create().map_err(unreachable)?;
        let mut ends = vec![None; usize::from(self.partitions)];
        let mut wanted = TopicPartitionList::new();
        for partition in 0..i32::from(self.partitions) {
            let (low, high) =
                consumer.fetch_watermarks(&self.name, partition, ASK_MAX).map_err(unreachable)?;
            if high > low {
                wanted
                    .add_partition_offset(&self.name, partition, Offset::Offset(high - 1))
                    .map_err(unreachable)?;
            }
        }
        let mut missing = wanted.count();
        consumer.assign(&wanted).map_err(unreachable)?;
        let until = Instant::now() + ENDS_MAX;
        while missing > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.silent());
            }
            // An error here is a broker that is being connected to again; the time limit decides.
            let Some(Ok(record)) = consumer.poll(left) else { continue };
            let (partition, offset) = (record.partition(), record.offset());
            let last = last(&record).map_err(|source| {
                let topic = self.name.clone();
                TopicError::Foreign { topic, partition, offset, source }
            })?;
            if let Some(end) = usize::try_from(partition).ok().and_then(|index| ends.get_mut(index)) {
                missing -= usize::from(end.is_none());
                *end = Some(last);
            }
        }
        Ok(ends)
    }
}

fn last(record: &rdkafka::message::BorrowedMessage<'_>) -> Result<Last, RecordError> {
    let Arrived { received, event_id } = message::parse(record)?;
    let Received { log_id, at, .. } = received;
    Ok(Last { log_id, position: at.position, event_id, offset: record.offset() })
}

/// What a broker knows of a topic.
struct Seen {
    /// How many partitions; 0: it does not exist.
    partitions: usize,
    /// The fewest copies that one of them has.
    copies: usize,
    /// Nodes of the cluster.
    nodes: usize,
}

async fn look(kafka: &Kafka, name: &str) -> Result<Seen, TopicError> {
    let (kafka, name) = (kafka.clone(), name.to_owned());
    let address = kafka.address().to_owned();
    let unreachable = move |source| TopicError::Unreachable { address, source };
    let asked = tokio::task::spawn_blocking(move || {
        let address = kafka.address().to_owned();
        let unreachable = |source| TopicError::Unreachable { address: address.clone(), source };
        let consumer: BaseConsumer<Complaints> =
            kafka.config().create_with_context(Complaints::default()).map_err(unreachable)?;
        let metadata =
            consumer.fetch_metadata(Some(&name), ASK_MAX).map_err(|source| {
                match why_not_let_in(&consumer) {
                    Some(why) => TopicError::NotLetIn { address: address.clone(), why },
                    None => unreachable(source),
                }
            })?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        let error = topic.and_then(MetadataTopic::error).map(RDKafkaErrorCode::from);
        match error {
            None | Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {}
            Some(code) => return Err(unreachable(KafkaError::MetadataFetch(code))),
        }
        let partitions = topic.map(MetadataTopic::partitions).unwrap_or_default();
        let copies = partitions.iter().map(|partition| partition.replicas().len()).min();
        Ok(Seen {
            partitions: partitions.len(),
            copies: copies.unwrap_or(0),
            nodes: metadata.brokers().len(),
        })
    });
    asked.await.unwrap_or_else(|_| Err(unreachable(KafkaError::Canceled)))
}

enum CreateError {
    Kafka(KafkaError),
    Refused(RDKafkaErrorCode),
}

async fn create(
    admin: &AdminClient<DefaultClientContext>,
    topic: &Topic,
    partitions: u16,
    copies: usize,
) -> Result<(), CreateError> {
    let copies = TopicReplication::Fixed(i32::try_from(copies).unwrap_or(1));
    let mut new = NewTopic::new(&topic.name, i32::from(partitions), copies);
    for (name, value) in &topic.settings {
        new = new.set(name, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(ASK_MAX)).request_timeout(Some(ASK_MAX));
    let made = admin.create_topics([&new], &options).await.map_err(CreateError::Kafka)?;
    match made.into_iter().next() {
        // Another relay was faster, with the same settings.
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | Some(Ok(_)) | None => Ok(()),
        Some(Err((_, code))) => Err(CreateError::Refused(code)),
    }
}

/// Settings of an existing topic that are not those of topics.toml.
async fn other_settings(
    admin: &AdminClient<DefaultClientContext>,
    topic: &Topic,
) -> Result<Vec<String>, KafkaError> {
    let options = AdminOptions::new().request_timeout(Some(ASK_MAX));
    let described = admin.describe_configs([&ResourceSpecifier::Topic(&topic.name)], &options).await?;
    let Some(Ok(settings)) = described.into_iter().next() else { return Ok(vec![]) };
    let differing = topic.settings.iter().filter_map(|(name, wanted)| {
        let found = settings.get(name).and_then(|entry| entry.value.as_deref()).unwrap_or("unset");
        (found != wanted).then(|| {
            let means = match name.as_str() {
                "cleanup.policy" | "retention.ms" | "retention.bytes" => {
                    "; consumers may find that events are gone"
                }
                "max.message.bytes" => "; a larger event would stop the relay",
                _ => "",
            };
            format!("topic {} has {name}={found} and should have {wanted}{means}", topic.name)
        })
    });
    Ok(differing.collect())
}
