//! `holdfast notify`: webhooks and mails as a process of its own, from the topic or from the log.

use crate::config::{EventSource, Notify, Target};
use crate::notifying;
use crate::out;
use crate::roles::project::topic_source;
use crate::system::System;
use anyhow::Context as _;
use holdfast_notifier::{Notifier, begin_from};
use holdfast_projector::{LogSource, Source};
use tokio_util::sync::CancellationToken;

/// The consumer group: notifiers share the topic's partitions.
const GROUP: &str = "holdfast.notify";

pub(crate) async fn run(notify: &Notify) -> anyhow::Result<()> {
    let kafka = match notify.source {
        EventSource::Log => None,
        EventSource::Kafka => Some(notify.kafka.kafka()?),
    };
    System::serve(&notify.access, async |system, stop| {
        if let Some(from) = &notify.from_position {
            begin_from(&system.pool, from).await.context("--from-position")?;
        }
        match &kafka {
            None => serve(notify, system, LogSource::new(&system.pool), "the log", stop).await,
            Some(kafka) => {
                let found = topic_source("the notifier", GROUP.to_owned(), system, kafka);
                let Some(source) = stop.run_until_cancelled(found).await else { return Ok(()) };
                serve(notify, system, source?, "Kafka", stop).await
            }
        }
    })
    .await
}

async fn serve(
    notify: &Notify,
    system: &System,
    source: impl Source,
    from: &str,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let folder = match notify.access.target()? {
        Target::Folder(folder) => Some(folder),
        Target::Database(_) => None,
    };
    let key = notifying::key_in(&notify.webhooks, folder.as_deref())?;
    let (private, mails) = (notify.webhooks.webhooks_allow_private, notify.mails.mail_folder.as_deref());
    let parts = notifying::parts(&system.pool, key, private, mails)?;
    let notifier = Notifier::new(&system.pool, source, parts).context("webhooks cannot be sent over TLS")?;
    let carried = mails.map_or(String::new(), |folder| format!(", and puts mails into {}", folder.display()));
    out::line(format_args!("holdfast notifies from {from}{carried}"));
    Ok(notifier.run(None, stop).await?)
}
