//! `holdfast notify`: webhooks and mails as a process of its own, from the topic or from the log.

use crate::config::{EventSource, Notify, Target};
use crate::notifying::{self, GROUP, MailWay};
use crate::ops::{OpsListener, Reporter};
use crate::out;
use crate::roles::relay::events_topic;
use crate::system::System;
use anyhow::Context as _;
use holdfast_event_log::identity;
use holdfast_messaging::KafkaSource;
use holdfast_notifier::{Notifier, begin_from};
use holdfast_projector::{LogSource, Source};
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(notify: &Notify) -> anyhow::Result<()> {
    let kafka = match notify.source {
        EventSource::Log => None,
        EventSource::Kafka => Some((notify.kafka.kafka()?, events_topic()?)),
    };
    let mails = notifying::mail_way(&notify.mails, None)?;
    let ops = OpsListener::bind(&notify.ops).await?;
    System::serve(&notify.access, async |system, stop| {
        let work = async |operator: Reporter| match kafka {
            None => {
                serve(notify, mails, system, LogSource::new(&system.pool), "the log", stop, &operator).await
            }
            Some((kafka, topic)) => {
                let log = identity(&system.pool).await;
                let log = log.context("the log could not be read; `holdfast migrate` makes it")?;
                let source = KafkaSource::new(kafka, topic, log.partitions, GROUP.to_owned(), log.log_id);
                serve(notify, mails, system, source, "Kafka", stop, &operator).await
            }
        };
        ops.beside("notify", system, &["notifier"], work).await
    })
    .await
}

async fn serve(
    notify: &Notify,
    mails: MailWay,
    system: &System,
    source: impl Source,
    from: &str,
    stop: CancellationToken,
    operator: &Reporter,
) -> anyhow::Result<()> {
    let folder = match notify.access.target()? {
        Target::Folder(folder) => Some(folder),
        Target::Database(_) => None,
    };
    let key = notifying::key_in(&notify.webhooks, folder.as_deref())?;
    let (private, carried) = (notify.webhooks.webhooks_allow_private, mails.what.clone());
    let parts = notifying::parts(&system.pool, key, private, mails);
    let notifier = Notifier::new(&system.pool, source, parts).context("webhooks cannot be sent over TLS")?;
    // When everything else is in order: nothing takes it back.
    if let Some(from) = &notify.from_position {
        begin_from(&system.pool, from).await.context("--from-position")?;
    }
    operator.follow(notifier.status());
    out::line(format_args!("holdfast notifies from {from}{carried}"));
    // A failure that needs somebody ends what is queued, and not what is sent; readiness and the log tell it.
    notifier.keep_running(None, stop).await;
    Ok(())
}
