//! `holdfast log tail|show`: looks into the log. One JSON object a line, payload and metadata as stored.

use crate::config::Log;
use crate::system::System;
use anyhow::{Context as _, anyhow, bail};
use holdfast_domain::{BookingId, InventoryId, Timestamp};
use holdfast_event_log::{self as log, LogPosition, RawEvent};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgPool;
use std::io::Write as _;
use std::time::Duration;
use uuid::Uuid;

/// Events of one read: bounds memory.
const PAGE_EVENTS: i64 = 1_000;
/// What we were doing when Postgres did not.
const NOT_READ: &str = "the log could not be read; `holdfast migrate` makes it where it is missing";
/// How often `--follow` looks for new events.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn run(command: &Log) -> anyhow::Result<()> {
    let access = match command {
        Log::Tail { access, .. } | Log::Show { access, .. } => access,
    };
    let outcome = System::with(access, async |system| match command {
        Log::Tail { partition, lines, follow, .. } => tail(&system.pool, *partition, *lines, *follow).await,
        Log::Show { what, .. } => show(&system.pool, what).await,
    });
    // A reader that went away (`holdfast log tail | head`) has seen enough.
    match outcome.await {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        outcome => outcome.map(|_| ()),
    }
}

async fn tail(pool: &PgPool, partition: Option<u16>, lines: i64, follow: bool) -> anyhow::Result<()> {
    let mut ends: Vec<LogPosition> = log::heads(pool)
        .await
        .context(NOT_READ)?
        .into_iter()
        .filter(|head| partition.is_none_or(|p| p == head.log_partition))
        .map(|head| LogPosition {
            log_partition: head.log_partition,
            position: (head.position - lines).max(0),
        })
        .collect();
    if ends.is_empty() {
        bail!("the log has no partition {}", partition.unwrap_or(0));
    }
    loop {
        let mut printed = false;
        for end in &mut ends {
            loop {
                let page = log::read_raw_after(pool, *end, PAGE_EVENTS).await.context(NOT_READ)?;
                let Some(last) = page.last() else { break };
                *end = last.at;
                printed = true;
                page.iter().try_for_each(print)?;
            }
        }
        if !follow {
            return Ok(());
        }
        if !printed {
            tokio::time::sleep(FOLLOW_EVERY).await;
        }
    }
}

async fn show(pool: &PgPool, what: &str) -> anyhow::Result<()> {
    if let Ok(at) = what.parse::<LogPosition>() {
        let before = LogPosition { position: at.position - 1, ..at };
        let found = log::read_raw_after(pool, before, 1).await.context(NOT_READ)?;
        let event = found
            .iter()
            .find(|event| event.at == at)
            .with_context(|| format!("there is no event at {at}"))?;
        return print(event);
    }
    let id: Uuid = what.parse().map_err(|_| {
        anyhow!("{what:?} is neither a position such as 7-1234 nor the id of an inventory or a booking")
    })?;
    let booking = log::find_booking(pool, BookingId(id)).await.context(NOT_READ)?;
    let inventory_id = booking.as_ref().map_or(InventoryId(id), |made| made.inventory_id);
    let (mut end, mut shown) = (0, 0_u64);
    loop {
        let page = log::read_stream_after(pool, inventory_id, end, PAGE_EVENTS).await.context(NOT_READ)?;
        let Some(last) = page.last() else { break };
        end = last.sequence;
        for event in &page {
            if booking.is_none() || event.decode()?.event.booking_id() == Some(BookingId(id)) {
                print(event)?;
                shown += 1;
            }
        }
    }
    if shown == 0 {
        bail!("nothing in the log is named {id}");
    }
    Ok(())
}

/// An event as a line. Payload and metadata are passed through as they are stored.
#[derive(Serialize)]
struct Line<'a> {
    position: String,
    recorded_at: Timestamp,
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    sequence: i64,
    event_type: &'a str,
    event_version: &'a str,
    event_id: Uuid,
    command_id: Option<Uuid>,
    payload: &'a RawValue,
    metadata: &'a RawValue,
}

fn print(event: &RawEvent) -> anyhow::Result<()> {
    let line = Line {
        position: event.at.to_string(),
        recorded_at: event.recorded_at,
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id,
        sequence: event.sequence,
        event_type: &event.event_type,
        event_version: &event.event_version,
        event_id: event.event_id,
        command_id: event.command_id,
        payload: serde_json::from_str(&event.payload)?,
        metadata: serde_json::from_str(&event.metadata)?,
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&line)?)?;
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}
