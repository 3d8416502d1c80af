//! `holdfast project NAME`: one read model's projector as a process of its own, from the log or from its topic.

use crate::config::{Access, EventSource, KafkaAccess, Model};
use crate::models::{WhenStopped, group_of};
use crate::ops::{Ops, OpsListener, Reporter};
use crate::out;
use crate::roles::relay::events_topic;
use crate::system::System;
use anyhow::Context as _;
use holdfast_event_log::identity;
use holdfast_messaging::{Kafka, KafkaSource, Topic};
use holdfast_projector::LogSource;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(
    model: Model,
    source: EventSource,
    access: &Access,
    kafka: &KafkaAccess,
    ops: &Ops,
) -> anyhow::Result<()> {
    let kafka = match source {
        EventSource::Log => None,
        EventSource::Kafka => Some((kafka.kafka()?, events_topic()?)),
    };
    let ops = OpsListener::bind(ops).await?;
    System::serve(access, async |system, stop| {
        let work = async |operator: Reporter| project(model, kafka, system, stop, &operator).await;
        ops.beside("project", system, &[model.name()], work).await
    })
    .await
}

async fn project(
    model: Model,
    kafka: Option<(Kafka, Topic)>,
    system: &System,
    stop: CancellationToken,
    operator: &Reporter,
) -> anyhow::Result<()> {
    let positions = model.positions(&system.pool);
    let from = kafka.as_ref().map_or("the log", |_| "Kafka");
    let projector = match kafka {
        None => model.projector(&system.pool, LogSource::new(&system.pool), positions),
        Some((kafka, topic)) => {
            let log = identity(&system.pool).await;
            let log = log.context("the log could not be read; `holdfast migrate` makes it")?;
            let group = group_of(model.name());
            let source = KafkaSource::new(kafka, topic, log.partitions, group, log.log_id);
            model.projector(&system.pool, source, positions)
        }
    };
    operator.follow(projector.status.clone());
    out::line(format_args!("holdfast projects {} from {from}", model.name()));
    Ok(projector.run(None, stop, WhenStopped::End).await?)
}
