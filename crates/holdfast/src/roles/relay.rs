//! `holdfast relay`: copies the log into its Kafka topic.

use crate::config::{Access, KafkaAccess};
use crate::out;
use crate::system::System;
use anyhow::Context as _;
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_messaging::{EVENTS, Topic, topics};
use holdfast_relay::Relay;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(access: &Access, kafka: &KafkaAccess) -> anyhow::Result<()> {
    let (kafka, topic) = (kafka.kafka()?, events_topic()?);
    let relayed = System::with(access, async |system| {
        let address = kafka.address().to_owned();
        out::line(format_args!("holdfast relays the log to {} at {address}", topic.name));
        let relay = Relay::new(system.pool.clone(), kafka, topic, Machine.new_id());
        // Ending in the middle of a batch is safe: the next relay goes on after what is in the topic.
        Ok(relay.run(None, CancellationToken::new()).await?)
    });
    relayed.await.map(|_| ())
}

/// The topic that is the log, as kafka/topics.toml describes it.
pub(crate) fn events_topic() -> anyhow::Result<Topic> {
    let events = topics()?.into_iter().find(|topic| topic.name == EVENTS);
    events.context("kafka/topics.toml lacks the topic of the events")
}
