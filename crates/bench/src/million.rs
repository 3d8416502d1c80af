//! A long log: memory with its bookings resident, start, catching up, rebuild, verify.
//!
//! The log is filled once, by real bookings; each figure is then taken as often as there are rounds.

use crate::{
    bench::{Bench, say},
    figures::{Goal, Sample},
    holdfast::{Holdfast, Role, Server},
    market::Market,
    plan::Part,
    store::Store,
    usage,
    wrk::Requests,
};
use anyhow::{Context as _, ensure};
use std::{path::Path, time::Duration};
use tokio::time::Instant;

/// Bookings from which on the goals hold.
const MILLION: i64 = 1_000_000;
/// Megabytes of the api role with a million bookings.
const MEMORY_GOAL: Goal = Goal::AtMost(300.0);
/// Seconds from the start of `up` to its ready line, Postgres's start included.
const START_GOAL: Goal = Goal::AtMost(3.0);
/// Events a second of a rebuild.
const REBUILD_GOAL: Goal = Goal::AtLeast(60_000.0);
/// Connections while the log is filled.
const CONNECTIONS: u32 = 256;
/// Seconds of one load while it is filled.
const FILL_SECONDS: std::ops::RangeInclusive<f64> = 1.0..=10.0;
/// Loads until the log must be full: ten minutes at the most.
const FILL_LOADS_MAX: usize = 60;
/// How long the read models may take over the whole log.
const CATCH_UP_MAX: Duration = Duration::from_secs(240);
/// The read models, by their names on the command line.
pub(crate) const MODELS: [&str; 2] = ["availability", "booking-history"];

/// Fills a log and takes the figures that are asked for.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let holdfast = bench.fresh().await?;
    let server = holdfast.serve(Role::Up).await?;
    let market = Market::open(&holdfast, &server).await?;
    server.stop().await?;
    fill(bench, &holdfast, &market).await?;
    for nth in 0..bench.plan.rounds {
        if nth == 0 || bench.plan.has(Part::Start) {
            start(bench, &holdfast, &market, nth == 0).await?;
        }
    }
    if bench.plan.has(Part::Rebuild) {
        for _ in 0..bench.plan.rounds {
            rebuild(bench, &holdfast).await?;
        }
    }
    Ok(())
}

/// Books until the log is long enough, and looks at the memory of the server that has all of it.
async fn fill(bench: &mut Bench, holdfast: &Holdfast, market: &Market) -> anyhow::Result<()> {
    let server = holdfast.serve(Role::Api).await?;
    let store = bench.store(holdfast).await?;
    let empty = usage::memory_of(server.pid()).resident;
    let events = store.events_when_quiet().await?;
    let file = bench.file("market.txt");
    market.write(&file)?;
    say(&format!("filling a log with {} bookings", bench.plan.log_bookings));
    let stored = book(bench, &server, &store, &file).await? - events;
    let full = usage::memory_of(server.pid()).resident;
    let section = section(bench);
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let bookings = stored as f64;
    say(&format!("{section}: {bookings} bookings, api at {full:.0} MB"));
    let goal = |sample: Sample<'static>| if stored >= MILLION { sample.goal(MEMORY_GOAL) } else { sample };
    for sample in [
        Sample::new("memory of the api role", "bookings in memory", "", bookings),
        goal(Sample::new("memory of the api role", "resident", "MB", full)),
        Sample::new(
            "memory of the api role",
            "per booking",
            "bytes",
            (full - empty) * 1e6 / bookings.max(1.0),
        ),
    ] {
        bench.add(sample);
    }
    store.close().await;
    server.stop().await
}

/// Returns the events in the log when there are enough.
async fn book(bench: &mut Bench, server: &Server, store: &Store, market: &Path) -> anyhow::Result<i64> {
    let first = store.events().await?;
    let mut events = first;
    let mut seconds = *FILL_SECONDS.start();
    for _ in 0..FILL_LOADS_MAX {
        let load = bench
            .wrk
            .run(&server.url, Requests::Bookings(market), CONNECTIONS, Duration::from_secs_f64(seconds))
            .await?;
        let now = store.events_when_quiet().await?;
        bench.check("filling the log", &load, now - events, CONNECTIONS);
        events = now;
        let missing = bench.plan.log_bookings - (events - first);
        if missing <= 0 {
            return Ok(events);
        }
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let needed = (missing as f64 / load.rate().max(1.0)).ceil();
        seconds = needed.clamp(*FILL_SECONDS.start(), *FILL_SECONDS.end());
    }
    anyhow::bail!("the log has only {} bookings after {FILL_LOADS_MAX} loads", events - first)
}

/// Starts `up` on the log, books once, and lets the read models catch up.
async fn start(bench: &mut Bench, holdfast: &Holdfast, market: &Market, first: bool) -> anyhow::Result<()> {
    let server = holdfast.serve(Role::Up).await?;
    let store = bench.store(holdfast).await?;
    let section = section(bench);
    let began = Instant::now();
    let lag = store.lag().await?;
    if first {
        store.caught_up(CATCH_UP_MAX).await?;
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let rate = lag as f64 / began.elapsed().as_secs_f64().max(f64::EPSILON);
        say(&format!("{section}: the read models caught up with {lag} events at {rate:.0}/s"));
        bench.add(Sample::new(&section, "read models catching up inside up", "events/s", rate));
    }
    if bench.plan.has(Part::Start) {
        let ready = server.ready_after.as_secs_f64();
        let booked = first_booking(&server, market).await?;
        say(&format!("{section}: up was ready after {ready:.2} s, its first booking took {booked:.0} ms"));
        let sample = Sample::new(&section, "start of up until ready", "s", ready);
        bench.add(if bench.plan.log_bookings >= MILLION { sample.goal(START_GOAL) } else { sample });
        bench.add(Sample::new(&section, "first booking after it, inventory loaded", "ms", booked));
    }
    store.close().await;
    server.stop().await
}

/// Milliseconds of one booking on an inventory that is not in memory.
async fn first_booking(server: &Server, market: &Market) -> anyhow::Result<f64> {
    let (token, inventory) = (market.tokens.first().context("a customer")?, market.inventories.first());
    let began = Instant::now();
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/bookings", server.url))
        .bearer_auth(token)
        .header("Idempotency-Key", format!("first-{}", server.pid()))
        .json(&serde_json::json!({"inventory_id": inventory, "quantity": 1}))
        .send()
        .await?;
    ensure!(
        answer.status() == reqwest::StatusCode::CREATED,
        "the first booking was answered {}",
        answer.status()
    );
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Rebuilds each read model, then verifies everything; all three print what they did.
async fn rebuild(bench: &mut Bench, holdfast: &Holdfast) -> anyhow::Result<()> {
    let section = section(bench);
    for model in MODELS {
        let printed = holdfast.run(&["rebuild", model]).await?;
        let Rebuilt { events, build_seconds, seconds } =
            parse(&printed).with_context(|| format!("`holdfast rebuild` said: {printed}"))?;
        say(&format!("{section}: rebuild {model}: {:.0} events/s", events / build_seconds));
        let folding = format!("rebuild {model}: folding");
        bench.add(Sample::new(&section, &folding, "events/s", events / build_seconds).goal(REBUILD_GOAL));
        let whole = format!("rebuild {model}: all in all");
        bench.add(Sample::new(&section, &whole, "events/s", events / seconds));
    }
    let began = Instant::now();
    holdfast.run(&["verify"]).await?;
    let seconds = began.elapsed().as_secs_f64();
    say(&format!("{section}: verify {seconds:.1} s"));
    bench.add(Sample::new(&section, "verify", "s", seconds));
    Ok(())
}

/// What `holdfast rebuild` prints.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rebuilt {
    events: f64,
    build_seconds: f64,
    seconds: f64,
}

/// Reads the line "NAME: N events folded in S s (R/s), T s in all".
fn parse(printed: &str) -> Option<Rebuilt> {
    let line = printed.lines().find(|line| line.contains(" events folded in "))?;
    let mut numbers = line.split_once(": ")?.1.split([' ', ',', '(']).filter_map(|word| word.parse().ok());
    Some(Rebuilt { events: numbers.next()?, build_seconds: numbers.next()?, seconds: numbers.next()? })
}

fn section(bench: &Bench) -> String {
    format!("{} bookings in the log", bench.plan.log_bookings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_rebuild_is_read() {
        let printed = "booking-history: 1000201 events folded in 12.50 s (80016/s), 15.25 s in all\n\
                       booking-history: 1000000 rows equal to the live ones; switched\n";
        let rebuilt = Rebuilt { events: 1_000_201.0, build_seconds: 12.5, seconds: 15.25 };
        assert_eq!(parse(printed), Some(rebuilt));
        assert_eq!(parse("nothing of the kind"), None);
    }
}
