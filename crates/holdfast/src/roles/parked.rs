//! `holdfast parked`: events that could not be applied, and the streams that wait behind them.

use crate::config::{Access, Follower, Parked};
use crate::models::PARKING;
use crate::out;
use crate::system::System;
use anyhow::Context as _;
use holdfast_event_log::LogPosition;
use holdfast_projector::{Freed, ParkedStream, SkippedEvent, parked, skipped};

/// Lines of a list, for each follower; more than anybody reads.
const LINES_MAX: u32 = 1_000;

pub(crate) async fn run(command: &Parked) -> anyhow::Result<()> {
    match command {
        Parked::List { access } => list(access).await,
        Parked::Retry { name, stream, access } => retry(*name, stream.as_deref(), access).await,
        Parked::Skip { name, at, reason, access } => skip(*name, *at, reason, access).await,
    }
}

async fn list(access: &Access) -> anyhow::Result<()> {
    let read = async |system: &System| {
        let mut read = vec![];
        for follower in PARKING {
            let name = follower.name();
            let waiting = parked(&system.pool, name, LINES_MAX).await.context("what is parked")?;
            let left_out = skipped(&system.pool, name, LINES_MAX).await.context("what was skipped")?;
            read.push((name, waiting, left_out));
        }
        Ok(read)
    };
    let read = System::with_all_of(access, read).await?;
    let nothing = read.iter().all(|(_, waiting, _)| waiting.is_empty());
    for (name, waiting, left_out) in read {
        for ParkedStream { stream, at, reason, events, parked_at } in waiting {
            let why = reason.unwrap_or_else(|| format!("ready; `holdfast parked retry {name}` applies it"));
            out::line(format_args!(
                "{name}: stream {stream} waits at {at} since {parked_at:.0?} with {events} events: {why}"
            ));
        }
        for SkippedEvent { at, stream, reason, skipped_at } in left_out {
            out::line(format_args!(
                "{name}: the event at {at} of stream {stream} was skipped at {skipped_at:.0?}: {reason}"
            ));
        }
    }
    if nothing {
        out::line(format_args!("nothing is parked"));
    }
    Ok(())
}

async fn retry(follower: Follower, stream: Option<&str>, access: &Access) -> anyhow::Result<()> {
    let retry = async |system: &System| Ok(follower.retry(&system.pool, stream).await?);
    report(follower, System::with_all_of(access, retry).await?);
    Ok(())
}

async fn skip(follower: Follower, at: LogPosition, reason: &str, access: &Access) -> anyhow::Result<()> {
    let skip = async |system: &System| Ok(follower.skip(&system.pool, at, reason).await?);
    let freed = System::with_all_of(access, skip).await?;
    out::line(format_args!("{}: the event at {at} is left out from now on", follower.name()));
    report(follower, freed);
    Ok(())
}

fn report(follower: Follower, Freed { streams, events, waiting }: Freed) {
    out::line(format_args!(
        "{}: {events} events applied, {streams} streams flow again, {waiting} still wait",
        follower.name()
    ));
}
