//! Events for a projector, from the topic instead of the log: the same positions, so the source can change at any time.
//!
//! Shape: a consumer group shares the partitions among the projectors of one name. Where reading begins is told by the
//! projector's checkpoints and by nothing in Kafka: with every assignment, and again whenever they are not where we are
//! (a batch that was not written, another projector that came first).
//!
//! Correctness: a record whose position is not beyond the checkpoint was there before and is dropped; one that leaves a
//! hole is fetched again until reading did go back, and if the hole stays it is handed on, for the projector checks every
//! batch and stops. Two members that both hold a partition for a moment do no harm: the checkpoint's compare-and-swap lets
//! one of them write.

use crate::{
    EventsTopic, Kafka, Received, Topic,
    message::{self, Arrived},
};
use holdfast_event_log::{LogPosition, Recorded};
use holdfast_projector::{Source, SourceError};
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Message as _},
    types::RDKafkaRespErr,
};
use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info, warn};
use uuid::Uuid;

/// How long a read waits for the first event: in between, the projector looks whether it shall end.
const FIRST_MAX: Duration = Duration::from_millis(100);
/// Records that one read takes from the client, those that are dropped included: it comes back to its caller also while
/// it passes over what was had.
const RECORDS_MAX: usize = 10_000;
/// How long it waits for more, once there is one: what the broker sent together arrives together.
const MORE_MAX: Duration = Duration::from_millis(1);

/// How late a member that died is noticed, where the members decide. Where the broker decides, it decides that too
/// (`group.consumer.session.timeout.ms`).
const SESSION_TIMEOUT_MS: &str = "6000";

/// How long the broker gathers records before it answers a fetch, unless there are [`FETCH_BYTES_MIN`]: a fetch costs both sides
/// about as much for one record as for a hundred.
const FETCH_WAIT_MS: &str = "20";
/// More than comes while it gathers, so that under load one answer has what the relay sent together; less than is there for
/// whoever catches up, who does not wait.
const FETCH_BYTES_MIN: &str = "1000000";

/// The topic as a [`Source`].
pub struct KafkaSource {
    kafka: Kafka,
    topic: Topic,
    partitions: u16,
    group: String,
    protocol: Protocol,
    consumer: Option<StreamConsumer<Members>>,
    places: Places,
    /// What came behind events that were handed on: the next read's answer.
    pending: Option<SourceError>,
}

/// How members of a group find out who reads what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    /// The broker decides (KIP-848); Kafka 4 and later.
    Consumer,
    /// The members decide, and keep what does not change hands.
    Cooperative,
}

/// Where reading is.
struct Places {
    topic: String,
    log_id: Uuid,
    /// Of each partition: the last position that was handed on, or after which reading was begun.
    at: BTreeMap<u16, i64>,
    /// Of each partition: the hole that is being fetched again.
    holes: BTreeMap<u16, Hole>,
}

/// A hole as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    /// The position that it follows.
    after: i64,
    /// Where the record behind it stands in the topic.
    offset: i64,
}

impl Hole {
    /// Whether it is really there: reading went back to before it and came to the same place. A way back is refused
    /// without a word while the partition is changing hands, and then what comes stands further on.
    fn is_there_again(self, before: Option<Self>) -> bool {
        before.is_some_and(|before| before.after == self.after && self.offset <= before.offset)
    }
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource")
            .field("topic", &self.topic.name)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Reads `topic`, which must hold the log `log_id` in so many partitions, as a member of `group`. Neither Kafka nor the
    /// topic need be there yet: until they are, a read fails as one that may go away.
    #[must_use]
    pub fn new(kafka: Kafka, topic: Topic, partitions: u16, group: String, log_id: Uuid) -> Self {
        let places =
            Places { topic: topic.name.clone(), log_id, at: BTreeMap::new(), holes: BTreeMap::new() };
        Self {
            kafka,
            topic,
            partitions,
            group,
            protocol: Protocol::Consumer,
            consumer: None,
            places,
            pending: None,
        }
    }

    /// Joins the group.
    async fn join(&self) -> Result<StreamConsumer<Members>, SourceError> {
        let topic = EventsTopic::find(&self.kafka, &self.topic, self.partitions).await.map_err(|error| {
            let unfit = !error.is_transient();
            let error = Box::new(error);
            if unfit { SourceError::Unfit(error) } else { SourceError::Unreachable(error) }
        })?;
        let mut config = topic.kafka().config();
        config.set("group.id", &self.group).set("enable.auto.commit", "false");
        // Beyond the end of a topic that was made anew, or that the relay has yet to fill: what was had is dropped.
        config.set("auto.offset.reset", "earliest");
        config.set("fetch.wait.max.ms", FETCH_WAIT_MS).set("fetch.min.bytes", FETCH_BYTES_MIN);
        match self.protocol {
            Protocol::Consumer => config.set("group.protocol", "consumer"),
            Protocol::Cooperative => config
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", SESSION_TIMEOUT_MS),
        };
        let members = Members { begin_after: Mutex::new(self.places.at.clone()) };
        let consumer: StreamConsumer<Members> = config.create_with_context(members).map_err(unreachable)?;
        consumer.subscribe(&[topic.name()]).map_err(unreachable)?;
        Ok(consumer)
    }

    /// What the client says went wrong: most of it is a broker that is being connected to again.
    fn complained(&mut self, error: KafkaError) -> Result<(), SourceError> {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::Fatal) {
            return Err(unreachable(error));
        }
        // This client is of no use any more; why, it tells apart from the error.
        let why = self.consumer.take().and_then(|consumer| consumer.client().fatal_error());
        match why {
            Some((RDKafkaErrorCode::UnsupportedVersion | RDKafkaErrorCode::UnsupportedFeature, _))
                if self.protocol == Protocol::Consumer =>
            {
                info!("this broker lets the members of a group decide who reads what");
                self.protocol = Protocol::Cooperative;
                Ok(())
            }
            _ => Err(unreachable(error)),
        }
    }
}

impl Source for KafkaSource {
    const WAITS: bool = true;

    async fn read(&mut self, after: &[LogPosition], limit: usize) -> Result<Vec<Recorded>, SourceError> {
        self.places.follow(after, self.consumer.as_ref());
        if self.consumer.is_none() {
            self.consumer = Some(self.join().await?);
        }
        if let Some(error) = self.pending.take() {
            // Another member may have passed it meanwhile.
            let passed = matches!(&error, SourceError::Poison { at, .. }
                if after.iter().any(|place| place.log_partition == at.log_partition && place.position >= at.position));
            if !passed {
                return Err(error);
            }
        }
        let (mut events, mut until, mut records) = (Vec::new(), Instant::now() + FIRST_MAX, 0);
        let mut complaint = None;
        while events.len() < limit && records < RECORDS_MAX {
            let Some(consumer) = &self.consumer else { break };
            records += 1;
            match timeout_at(until, consumer.recv()).await {
                Err(_) => break,
                Ok(Ok(record)) => match self.places.take(&record, consumer) {
                    Ok(event) => {
                        events.extend(event);
                        until = Instant::now() + MORE_MAX;
                    }
                    // What came before it is handed on first.
                    Err(error) if !events.is_empty() => {
                        self.pending = Some(error);
                        break;
                    }
                    Err(error) => return Err(error),
                },
                // While a broker is away complaints pile up, several a second; all of them are taken here, or reading would
                // go on only when the last of them was answered with a pause.
                Ok(Err(error)) => complaint = self.complained(error).err(),
            }
        }
        match complaint {
            Some(complaint) if events.is_empty() => Err(complaint),
            _ => Ok(events),
        }
    }
}

impl Places {
    /// Goes to where the projector is.
    fn follow(&mut self, after: &[LogPosition], consumer: Option<&StreamConsumer<Members>>) {
        for LogPosition { log_partition, position } in after {
            // What is ahead of us is reached by dropping; only a way back has to be asked for.
            let was = self.at.insert(*log_partition, *position);
            if let Some(consumer) = consumer {
                consumer.context().begin_after(*log_partition, *position);
                if was.is_some_and(|was| was > *position) {
                    seek(consumer, &self.topic, *log_partition, *position);
                }
            }
        }
    }

    /// Takes one record: an event to hand on, or none.
    fn take(
        &mut self,
        record: &BorrowedMessage<'_>,
        consumer: &StreamConsumer<Members>,
    ) -> Result<Option<Recorded>, SourceError> {
        let foreign = |error: Box<dyn Error + Send + Sync>| SourceError::Foreign {
            partition: record.partition(),
            offset: record.offset(),
            source: error,
        };
        let Arrived { received, .. } = message::parse(record).map_err(|error| foreign(error.into()))?;
        let Received { at, log_id, .. } = received;
        if log_id != self.log_id {
            return Err(foreign(format!("it is of log {log_id}, and this is log {}", self.log_id).into()));
        }
        let last = self.at.get(&at.log_partition).copied().unwrap_or(0);
        if at.position <= last {
            return Ok(None);
        }
        if at.position > last + 1 {
            let hole = Hole { after: last, offset: record.offset() };
            if !hole.is_there_again(self.holes.insert(at.log_partition, hole)) {
                seek(consumer, &self.topic, at.log_partition, last);
                return Ok(None);
            }
        } else {
            self.holes.remove(&at.log_partition);
        }
        match received.decode() {
            Ok(recorded) => {
                self.at.insert(at.log_partition, at.position);
                Ok(Some(recorded))
            }
            Err(source) => {
                // The projector asks again for what stands before it, and then for this.
                seek(consumer, &self.topic, at.log_partition, last);
                let stream = received.stream.to_owned();
                Err(SourceError::Poison { at, stream, source: Box::new(source) })
            }
        }
    }
}

/// Begins a partition after a position. Position n + 1 is at offset n or, if a relay has sent something twice, later.
fn seek(consumer: &StreamConsumer<Members>, topic: &str, partition: u16, position: i64) {
    // Refused while the partition is changing hands, and mostly in silence. Then its assignment begins at the right place,
    // or, if it had begun already, what comes leaves a hole and leads here again.
    if let Err(error) = consumer.seek(topic, i32::from(partition), Offset::Offset(position), Duration::ZERO) {
        debug!(%error, partition, position, "a partition was not set back");
    }
}

fn unreachable(error: KafkaError) -> SourceError {
    SourceError::Unreachable(Box::new(error))
}

/// Begins every partition that we are given after its checkpoint.
struct Members {
    begin_after: Mutex<BTreeMap<u16, i64>>,
}

impl Members {
    fn begin_after(&self, partition: u16, position: i64) {
        self.begin_after.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, position);
    }

    fn place(&self, partition: i32) -> i64 {
        let begin_after = self.begin_after.lock().unwrap_or_else(PoisonError::into_inner);
        u16::try_from(partition).ok().and_then(|partition| begin_after.get(&partition).copied()).unwrap_or(0)
    }
}

impl ClientContext for Members {}

impl ConsumerContext for Members {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let done = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let mut begun = TopicPartitionList::new();
            for element in list.elements() {
                let offset = Offset::Offset(self.place(element.partition()));
                // Only refuses offsets that are none.
                let _ = begun.add_partition_offset(element.topic(), element.partition(), offset);
            }
            if cooperative { consumer.incremental_assign(&begun) } else { consumer.assign(&begun) }
        } else if cooperative {
            consumer.incremental_unassign(list)
        } else {
            consumer.unassign()
        };
        if let Err(error) = done {
            warn!(%error, "the partitions of this projector could not be changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_believed_when_reading_went_back_and_found_it_again() {
        let hole = |after, offset| Hole { after, offset };
        assert!(!hole(5, 9).is_there_again(None), "seen for the first time");
        assert!(!hole(5, 10).is_there_again(Some(hole(5, 9))), "reading went on: it was not set back");
        assert!(!hole(7, 9).is_there_again(Some(hole(5, 9))), "another one");
        assert!(hole(5, 9).is_there_again(Some(hole(5, 9))));
        assert!(hole(5, 6).is_there_again(Some(hole(5, 9))), "the first look began in the middle");
    }
}
