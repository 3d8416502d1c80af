//! `holdfast project NAME`: one read model's projector as a process of its own, from the log or from its topic.

use crate::config::{Access, EventSource, KafkaAccess, Model};
use crate::models::{Ready, WhenStopped};
use crate::out;
use crate::roles::relay::events_topic;
use crate::system::System;
use holdfast_event_log::identity;
use holdfast_messaging::{EventsTopic, KafkaSource};
use holdfast_projector::LogSource;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(
    model: Model,
    source: EventSource,
    access: &Access,
    kafka: &KafkaAccess,
) -> anyhow::Result<()> {
    let projected = System::with(access, async |system| {
        let projector = match source {
            EventSource::Log => {
                let positions = model.positions(&system.pool);
                model.projector(&system.pool, LogSource::new(&system.pool), positions)
            }
            EventSource::Kafka => from_kafka(model, system, kafka).await?,
        };
        let from = match source {
            EventSource::Log => "the log",
            EventSource::Kafka => "Kafka",
        };
        out::line(format_args!("holdfast projects {} from {from}", model.name()));
        // Ending in the middle of a statement is safe: it commits whole or not at all.
        Ok(projector.run(None, CancellationToken::new(), WhenStopped::End).await?)
    });
    projected.await.map(|_| ())
}

/// The group is named after the read model: projectors of one name share its partitions.
async fn from_kafka(model: Model, system: &System, kafka: &KafkaAccess) -> anyhow::Result<Ready> {
    let (kafka, log) = (kafka.kafka()?, identity(&system.pool).await?);
    let topic = EventsTopic::open(&kafka, &events_topic()?, log.partitions).await?;
    let source = KafkaSource::new(topic, format!("holdfast.project.{}", model.name()), log.log_id);
    Ok(model.projector(&system.pool, source, model.positions(&system.pool)))
}
