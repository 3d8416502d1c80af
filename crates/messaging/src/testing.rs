//! What others may do to the topic, for tests: write records that are not ours, change its settings, delete it.

use crate::{Kafka, kafka::ASK_MAX};
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

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
