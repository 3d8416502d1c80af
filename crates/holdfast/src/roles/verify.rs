//! `holdfast verify`: reads the whole log and proves it.
//!
//! Checked: positions 1, 2, 3 … in every partition up to its head; sequences 1, 2, 3 … in every stream,
//! each in the partition its id leads to; time never backwards; the rules after every event (`audit`);
//! commands and events name each other; every read model against a fold of its own; and, if asked, the Kafka topic.
//! It may run beside a live system: it looks at the log up to the heads it found at the start.

use crate::config::{Access, KafkaAccess, Model};
use crate::models::{self, MODELS};
use crate::out;
use crate::progress;
use crate::roles::relay::events_topic;
use crate::system::System;
use anyhow::{Context as _, bail};
use holdfast_domain::{Inventory, InventoryId, Timestamp};
use holdfast_event_log::{self as log, Head, LogPosition, RawEvent};
use holdfast_messaging::Kafka;
use sqlx::PgPool;
use std::collections::HashMap;

/// Events of one read: bounds memory.
const PAGE_EVENTS: i64 = 5_000;
/// Findings that are printed; the rest is only counted.
const FINDINGS_MAX: usize = 20;

#[derive(Default)]
struct Report {
    events: u64,
    streams: u64,
    bookings: u64,
    findings: Vec<String>,
    found: u64,
}

impl Report {
    fn find(&mut self, finding: impl FnOnce() -> String) {
        self.found += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }
}

pub(crate) async fn run(access: &Access, kafka: Option<&KafkaAccess>) -> anyhow::Result<()> {
    let kafka = match kafka {
        None => None,
        Some(kafka) => Some(kafka.kafka_of(access)?.context(
            "which Kafka? Give --kafka-brokers HOST:PORT or KAFKA_BROKERS; the broker of an embedded system is found while it runs",
        )?),
    };
    System::with_all_of(access, async |system| verify(&system.pool, kafka.as_ref()).await).await
}

async fn verify(pool: &PgPool, kafka: Option<&Kafka>) -> anyhow::Result<()> {
    let heads = log::heads(pool).await.context("the log's heads could not be read")?;
    let total: i64 = heads.iter().map(|head| head.position).sum();
    let bar = progress::bar(total, "log");
    let mut report = Report::default();
    let partitions = u16::try_from(heads.len()).context("more partitions than a log can have")?;
    for head in &heads {
        verify_partition(pool, *head, partitions, &mut report, &bar).await?;
    }
    bar.finish_and_clear();
    let commands = verify_commands(pool, &mut report).await.context("the commands could not be read")?;
    out::line(format_args!(
        "log: {} events in {partitions} partitions, {} inventories, {} bookings, {commands} commands",
        report.events, report.streams, report.bookings
    ));
    for model in MODELS {
        verify_model(pool, model, &mut report).await;
    }
    if let Some(kafka) = kafka
        && let Err(error) = verify_topic(pool, kafka, &mut report).await
    {
        report.find(|| format!("the topic could not be compared: {error:#}"));
    }
    for finding in &report.findings {
        out::line(format_args!("WRONG: {finding}"));
    }
    if report.found > 0 {
        bail!("{} findings", report.found);
    }
    out::line(format_args!("all agree"));
    Ok(())
}

/// A model that cannot be compared, such as behind a hole in the log, is no proof: it counts among the findings.
async fn verify_model(pool: &PgPool, model: Model, report: &mut Report) {
    let name = model.name();
    let checked = match model.verify(pool).await {
        Ok(checked) => checked,
        Err(error) => return report.find(|| format!("{name} could not be compared: {error:#}")),
    };
    out::line(format_args!(
        "{name}: {} rows compared with a fold of {} events",
        checked.rows, checked.events
    ));
    match holdfast_projector::parked_streams(pool, name).await {
        Ok(0) => {}
        Ok(streams) => report.find(|| {
            format!("{streams} streams of {name} are parked, so their rows are not whole; see `holdfast parked list`")
        }),
        Err(error) => report.find(|| format!("what {name} has parked could not be read: {error}")),
    }
    for difference in &checked.differences {
        report.find(|| {
            format!(
                "{}; `holdfast rebuild {name} --accept-difference` repairs it",
                models::in_words(name, difference)
            )
        });
    }
}

/// The topic is the log, record by record.
async fn verify_topic(pool: &PgPool, kafka: &Kafka, report: &mut Report) -> anyhow::Result<()> {
    let compared = holdfast_relay::verify(pool, kafka, &events_topic()?).await?;
    out::line(format_args!(
        "topic: {} records, {} events of the log byte for byte, {} sent again",
        compared.records, compared.events, compared.again
    ));
    for warning in &compared.warnings {
        out::line(format_args!("note: {warning}"));
    }
    report.found += compared.found;
    report.findings.extend(compared.findings);
    report.findings.truncate(FINDINGS_MAX);
    Ok(())
}

/// Folds one partition; its streams live in no other, so memory is freed after each.
async fn verify_partition(
    pool: &PgPool,
    head: Head,
    partitions: u16,
    report: &mut Report,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<()> {
    let mut streams: HashMap<InventoryId, Inventory> = HashMap::new();
    let mut at = LogPosition { log_partition: head.log_partition, position: 0 };
    let mut clock: Option<Timestamp> = None;
    while at.position < head.position {
        let limit = PAGE_EVENTS.min(head.position - at.position);
        let page = log::read_raw_after(pool, at, limit).await.context("the log could not be read")?;
        let Some(last) = page.last() else {
            let from = at.position + 1;
            report.find(|| {
                format!("events {from} to {} of partition {} are missing", head.position, head.log_partition)
            });
            break;
        };
        let end = last.at;
        for raw in &page {
            if raw.at.position != at.position + 1 {
                report.find(|| format!("after {at} comes {}: a hole", raw.at));
            }
            at = raw.at;
            if clock.is_some_and(|clock| raw.recorded_at < clock) {
                report.find(|| format!("{at} was recorded before the event in front of it"));
            }
            clock = Some(raw.recorded_at);
            verify_event(raw, partitions, &mut streams, report);
        }
        at = end;
        report.events += page.len() as u64;
        bar.inc(page.len() as u64);
    }
    report.streams += streams.len() as u64;
    report.bookings += streams.values().map(|stream| stream.bookings_len() as u64).sum::<u64>();
    Ok(())
}

fn verify_event(
    raw: &RawEvent,
    partitions: u16,
    streams: &mut HashMap<InventoryId, Inventory>,
    report: &mut Report,
) {
    let recorded = match raw.decode() {
        Ok(recorded) => recorded,
        Err(error) => return report.find(|| format!("{:#}", anyhow::Error::new(error))),
    };
    let (at, id) = (recorded.at, recorded.inventory_id);
    if id.log_partition(partitions) != at.log_partition {
        report.find(|| {
            format!(
                "{at} belongs to inventory {id}, which lives in partition {}",
                id.log_partition(partitions)
            )
        });
    }
    let stream = streams.entry(id).or_default();
    if i64::try_from(stream.counts().version + 1).ok() != Some(recorded.sequence) {
        report.find(|| {
            format!(
                "{at} has sequence {} after {} of inventory {id}",
                recorded.sequence,
                stream.counts().version
            )
        });
    }
    if let Err(violation) = stream.audit(&recorded.event, recorded.recorded_at) {
        report.find(|| format!("{at} of inventory {id} breaks a rule: {violation}"));
    }
}

/// Every command leads to its last event, and every event of a command to the command.
async fn verify_commands(pool: &PgPool, report: &mut Report) -> Result<i64, sqlx::Error> {
    let (commands, astray): (i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE last.position IS DISTINCT FROM c.position)
         FROM commands c LEFT JOIN (
             SELECT command_id, log_partition, max(position) AS position
             FROM events WHERE command_id IS NOT NULL GROUP BY command_id, log_partition
         ) last USING (command_id, log_partition)",
    )
    .fetch_one(pool)
    .await?;
    if astray > 0 {
        report.find(|| format!("{astray} commands lead to an event that is not their last"));
    }
    let orphans: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM events e
         WHERE e.command_id IS NOT NULL AND NOT EXISTS (SELECT FROM commands c WHERE c.command_id = e.command_id)",
    )
    .fetch_one(pool)
    .await?;
    if orphans > 0 {
        report.find(|| format!("{orphans} events name a command that is not recorded"));
    }
    Ok(commands)
}
