//! `holdfast project NAME`: one read model's projector as a process of its own, from the log or from its topic.

use crate::config::{Access, EventSource, KafkaAccess, Model};
use crate::models::WhenStopped;
use crate::out;
use crate::roles::relay::events_topic;
use crate::system::System;
use anyhow::Context as _;
use holdfast_event_log::identity;
use holdfast_messaging::{EventsTopic, Kafka, KafkaSource};
use holdfast_projector::LogSource;
use std::error::Error;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked whether Kafka, or the topic, is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(
    model: Model,
    source: EventSource,
    access: &Access,
    kafka: &KafkaAccess,
) -> anyhow::Result<()> {
    let kafka = match source {
        EventSource::Log => None,
        EventSource::Kafka => Some(kafka.kafka()?),
    };
    System::serve(access, async |system, stop| {
        let positions = model.positions(&system.pool);
        let projector = match &kafka {
            None => model.projector(&system.pool, LogSource::new(&system.pool), positions),
            Some(kafka) => {
                let group = format!("holdfast.project.{}", model.name());
                let found = topic_source(model.name(), group, system, kafka);
                let Some(source) = stop.run_until_cancelled(found).await else {
                    return Ok(());
                };
                model.projector(&system.pool, source?, positions)
            }
        };
        let from = kafka.as_ref().map_or("the log", |_| "Kafka");
        out::line(format_args!("holdfast projects {} from {from}", model.name()));
        Ok(projector.run(None, stop, WhenStopped::End).await?)
    })
    .await
}

/// Waits until the topic is there. The group is named after who reads: those of one name share its partitions.
pub(crate) async fn topic_source(
    name: &str,
    group: String,
    system: &System,
    kafka: &Kafka,
) -> anyhow::Result<KafkaSource> {
    let (topic, mut told) = (events_topic()?, false);
    let log =
        identity(&system.pool).await.context("the log could not be read; `holdfast migrate` makes it")?;
    loop {
        match EventsTopic::find(kafka, &topic, log.partitions).await {
            Ok(found) => {
                return Ok(KafkaSource::new(found, group, log.log_id));
            }
            Err(error) if error.is_transient() => {
                if !told {
                    tracing::warn!(error = &error as &dyn Error, "{name} waits");
                    told = true;
                }
                sleep(LOOK_EVERY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
