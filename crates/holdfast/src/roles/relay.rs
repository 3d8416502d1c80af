//! `holdfast relay`: copies the log into its Kafka topic.

use crate::config::{Access, KafkaAccess};
use crate::ops::{Ops, OpsListener, Reporter};
use crate::out;
use crate::system::System;
use anyhow::Context as _;
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_messaging::{EVENTS, Topic, topics};
use holdfast_projector::TOPIC;
use holdfast_relay::Relay;

pub(crate) async fn run(access: &Access, kafka: &KafkaAccess, ops: &Ops) -> anyhow::Result<()> {
    let (kafka, topic) = (kafka.kafka()?, events_topic()?);
    let ops = OpsListener::bind(ops).await?;
    System::serve(access, async |system, stop| {
        let work = async |operator: Reporter| {
            let address = kafka.address().to_owned();
            out::line(format_args!("holdfast relays the log to {} at {address}", topic.name));
            let relay = Relay::new(system.pool.clone(), kafka, topic, Machine.new_id());
            operator.follow(relay.status());
            Ok(relay.run(None, stop).await?)
        };
        ops.beside("relay", system, &[TOPIC], work).await
    })
    .await
}

/// The topic that is the log, as kafka/topics.toml describes it.
pub(crate) fn events_topic() -> anyhow::Result<Topic> {
    let events = topics()?.into_iter().find(|topic| topic.name == EVENTS);
    events.context("kafka/topics.toml lacks the topic of the events")
}
