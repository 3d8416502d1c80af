//! Reads a partition of the events' topic from its first record to where it ended when reading began, page by page.

use crate::{EventsTopic, TopicError, kafka::ASK_MAX};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{BorrowedMessage, Headers as _, Message as _},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long the next records may take to arrive.
const PAGE_MAX: Duration = Duration::from_secs(20);

/// A record as it is in the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place in the topic's partition; not the event's position.
    pub offset: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// One partition, read from its beginning.
pub struct PartitionReader {
    topic: EventsTopic,
    partition: u16,
    consumer: BaseConsumer,
    /// The next offset to come, and the one after the last.
    next: i64,
    end: i64,
}

impl std::fmt::Debug for PartitionReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { topic, partition, next, end, .. } = self;
        f.debug_struct("PartitionReader")
            .field("topic", &topic.name())
            .field("partition", partition)
            .field("next", next)
            .field("end", end)
            .finish_non_exhaustive()
    }
}

impl EventsTopic {
    /// Begins to read a partition.
    ///
    /// # Errors
    /// `Unreachable`.
    pub async fn read_from_start(&self, partition: u16) -> Result<PartitionReader, TopicError> {
        let topic = self.clone();
        self.blocking(move || PartitionReader::open(topic, partition)).await
    }
}

impl PartitionReader {
    fn open(topic: EventsTopic, partition: u16) -> Result<Self, TopicError> {
        let unreachable = |source| topic.unreachable(source);
        let consumer: BaseConsumer = topic.kafka().config_without_group().create().map_err(unreachable)?;
        let (next, end) =
            consumer.fetch_watermarks(topic.name(), i32::from(partition), ASK_MAX).map_err(unreachable)?;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(topic.name(), i32::from(partition), Offset::Offset(next))
            .map_err(unreachable)?;
        consumer.assign(&from).map_err(unreachable)?;
        Ok(Self { topic, partition, consumer, next, end })
    }

    /// The first offset that is still there, before anything was read: more than 0, and the topic has lost its beginning.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next
    }

    /// The next records, at most `limit`; none: that was all. Gives the reader back.
    ///
    /// # Errors
    /// `Unreachable`, `Silent`.
    pub async fn page(self, limit: usize) -> Result<(Self, Vec<StoredRecord>), TopicError> {
        let topic = self.topic.clone();
        topic.blocking(move || self.read(limit)).await
    }

    fn read(mut self, limit: usize) -> Result<(Self, Vec<StoredRecord>), TopicError> {
        let mut page = Vec::new();
        let until = Instant::now() + PAGE_MAX;
        while self.next < self.end && page.len() < limit {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.topic.silent());
            }
            // An error here is a broker that is being connected to again; the time limit decides.
            let Some(Ok(record)) = self.consumer.poll(left) else { continue };
            self.next = record.offset() + 1;
            page.push(stored(&record));
        }
        Ok((self, page))
    }
}

fn stored(record: &BorrowedMessage<'_>) -> StoredRecord {
    let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
    StoredRecord {
        offset: record.offset(),
        key: record.key().map(<[u8]>::to_vec),
        headers: headers.map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect(),
        value: record.payload().map(<[u8]>::to_vec),
    }
}
