//! The log outside Postgres: its topic, its records, and (as the only crate that does) Kafka itself.
//!
//! Guarantee: what a record says and how it is read back are in one place, so that the relay, our own consumers and the
//! public contract in `kafka/` cannot differ.
//!
//! Not here: which events are sent when (`relay`), and what is made of them (`projector`, `notifier`).

mod complaints;
mod events_topic;
mod kafka;
mod message;
mod producer;
mod reader;
mod record;
mod source;
#[cfg(feature = "testing")]
pub mod testing;
mod topics;

pub use events_topic::{EventsTopic, Last, TopicError};
pub use kafka::{Kafka, SettingError};
pub use producer::{EventsProducer, SendError};
pub use reader::{PartitionReader, StoredRecord};
pub use record::{EVENT_HEADERS, NotUnderstood, Received, RecordError, fold_headers, headers};
pub use source::KafkaSource;
pub use topics::{EVENTS, Partitions, Topic, TopicsError, topics};
