//! Holds the topic to the log: every position from 1 on, in order, with the same key, headers and value, byte for byte.
//!
//! An event that is there twice is counted and is no fault: a relay that died has sent it again, and consumers drop it.

use crate::Failure;
use holdfast_event_log::{LogPosition, RawEvent, heads, identity, read_raw_after};
use holdfast_messaging::{EventsTopic, Kafka, Received, StoredRecord, Topic, headers};
use sqlx::PgPool;
use std::collections::VecDeque;

/// Records, and events, of one read: bounds memory, at some hundred bytes each.
const PAGE: usize = 5_000;
/// Findings that are kept; the rest is only counted.
const FINDINGS_MAX: usize = 20;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct TopicReport {
    /// Records in the topic.
    pub records: u64,
    /// Events of the log that are there.
    pub events: u64,
    /// Records of events that had come before.
    pub again: u64,
    /// What an operator should know of the topic's settings, each a sentence; its records are right all the same.
    pub warnings: Vec<String>,
    /// What is wrong, as sentences; the first of them.
    pub findings: Vec<String>,
    /// How much is wrong.
    pub found: u64,
}

impl TopicReport {
    fn find(&mut self, finding: String) {
        self.found += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// Compares all of the topic with all of the log. What the log got after the beginning may be in the topic or not.
///
/// # Errors
/// If log or topic cannot be read, or the topic is not one.
pub async fn verify(pool: &PgPool, kafka: &Kafka, topic: &Topic) -> Result<TopicReport, Failure> {
    let log = identity(pool).await?;
    let heads = heads(pool).await?;
    let topic = EventsTopic::find(kafka, topic, log.partitions).await?;
    let mut report = TopicReport { warnings: topic.warnings.clone(), ..TopicReport::default() };
    let log_id = log.log_id.to_string();
    for head in heads {
        let mut partition = Partition {
            pool,
            log_id: &log_id,
            at: LogPosition { log_partition: head.log_partition, position: 0 },
            ahead: VecDeque::new(),
        };
        let mut reader = topic.read_from_start(head.log_partition).await?;
        if reader.next_offset() > 0 {
            report.find(format!(
                "partition {} begins at offset {}: its first records are gone",
                head.log_partition,
                reader.next_offset()
            ));
        }
        loop {
            let page;
            (reader, page) = reader.page(PAGE).await?;
            if page.is_empty() {
                break;
            }
            for record in &page {
                partition.compare(record, &mut report).await?;
            }
        }
        if partition.at.position < head.position {
            report.find(format!(
                "partition {} of the topic ends at position {}, and the log at {}: the relay is behind, or was not running",
                head.log_partition, partition.at.position, head.position
            ));
        }
    }
    Ok(report)
}

/// One partition under comparison.
struct Partition<'a> {
    pool: &'a PgPool,
    log_id: &'a str,
    /// The last event that the topic had.
    at: LogPosition,
    /// Events of the log that come after it.
    ahead: VecDeque<RawEvent>,
}

impl Partition<'_> {
    async fn compare(&mut self, record: &StoredRecord, report: &mut TopicReport) -> Result<(), Failure> {
        report.records += 1;
        let place = || format!("partition {}, offset {}", self.at.log_partition, record.offset);
        let header = |name: &str| {
            record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
        };
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let position = match Received::parse(self.at.log_partition, key, value, header) {
            Ok(received) => received.at.position,
            Err(error) => {
                report.find(format!("{}: {error}", place()));
                return Ok(());
            }
        };
        if position <= self.at.position {
            report.again += 1;
            return Ok(());
        }
        if position > self.at.position + 1 {
            report.find(format!("{}: after {} comes position {position}, a hole", place(), self.at));
            self.ahead.clear();
        }
        self.at.position = position;
        if self.ahead.is_empty() {
            let before = LogPosition { position: position - 1, ..self.at };
            let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
            self.ahead = read_raw_after(self.pool, before, limit).await?.into();
        }
        match self.ahead.pop_front() {
            Some(event) if event.at == self.at => {
                report.events += 1;
                if !same(&event, self.log_id, record) {
                    report.find(format!("{}: the record is not the log's event at {}", place(), self.at));
                }
            }
            _ => report.find(format!("{}: the log has no event at {}", place(), self.at)),
        }
        Ok(())
    }
}

fn same(event: &RawEvent, log_id: &str, record: &StoredRecord) -> bool {
    let wanted = headers(event, log_id);
    let found = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    record.key.as_deref() == Some(event.aggregate_id.as_bytes())
        && record.value.as_deref() == Some(event.payload.as_bytes())
        && wanted.iter().map(|(name, value)| (*name, value.as_bytes())).eq(found)
}
