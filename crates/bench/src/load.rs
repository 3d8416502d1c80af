//! One load after the other against one server: how many bookings, how soon answered, at which cost.
//!
//! Guarantee: what wrk saw accepted is compared with what the log holds, and read models begin every load with
//! everything, so their lag is this load's.

use crate::{
    bench::{Bench, say},
    cost::Cpu,
    figures::{Goal, Sample},
    holdfast::{Role, Server},
    market::Market,
    plan::{Point, Shape},
    store::Store,
    usage,
    wrk::{Load, Requests},
};
use std::{path::Path, time::Duration};

/// Bookings per insert of pgbench: the goal for the writer and HTTP alone.
const API_GOAL: Goal = Goal::AtLeast(2.0);
/// The same with everything running on the same cores.
const UP_GOAL: Goal = Goal::AtLeast(1.5);
/// Milliseconds for 99 of a hundred answers at the most connections.
const P99_GOAL: Goal = Goal::AtMost(50.0);
/// One inventory must not be slower than many: nothing waits for a row lock.
const HOT_GOAL: Goal = Goal::AtLeast(1.0);
/// Connections from which on the answers' time has a goal.
const MANY_CONNECTIONS: u32 = 256;
/// How long the read models may take to catch up after a load of seconds.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);

/// What a load is made against.
pub(crate) struct Target<'a> {
    pub(crate) role: Role,
    pub(crate) server: &'a Server,
    pub(crate) store: &'a Store,
    pub(crate) market: &'a Market,
    /// Which round it is, from 1.
    pub(crate) round: u32,
    /// pgbench's inserts per second in this round.
    pub(crate) yardstick: f64,
}

/// Every load of the plan; every other round in reverse, so that no load always has the shorter log.
pub(crate) async fn all(bench: &mut Bench, target: &Target<'_>) -> anyhow::Result<()> {
    let mut points = bench.plan.points.clone();
    if target.round.is_multiple_of(2) {
        points.reverse();
    }
    let mut rates: Vec<(Point, f64)> = Vec::new();
    for point in points {
        let file = bench.file("market.txt");
        match point.shape {
            Shape::Spread => target.market.write(&file)?,
            Shape::Hot => target.market.hot().write(&file)?,
        }
        rates.push((point, load(bench, target, point, &file).await?));
    }
    for connections in bench.plan.connections() {
        let rate = |shape| {
            rates.iter().find(|(point, _)| *point == Point { shape, connections }).map(|(_, rate)| rate)
        };
        if let (Some(hot), Some(spread)) = (rate(Shape::Hot), rate(Shape::Spread)) {
            let section = format!("{}, {connections} connections", target.role.name());
            bench.add(Sample::new(&section, "bookings, hot ÷ spread", "", hot / spread).goal(HOT_GOAL));
        }
    }
    Ok(())
}

/// One load. Returns its bookings per second.
async fn load(bench: &mut Bench, target: &Target<'_>, point: Point, market: &Path) -> anyhow::Result<f64> {
    let Target { role, server, store, .. } = target;
    let Point { shape, connections } = point;
    let section = format!("{}, {}, {connections} connections", role.name(), shape.name());
    bench.wrk.run(&server.url, Requests::Bookings(market), connections, bench.plan.warm_up()).await?;
    let events = store.events_when_quiet().await?;
    if *role == Role::Up {
        store.caught_up(CATCH_UP_MAX).await?;
    }

    let before = Cpu::now(server, store)?;
    let (load, lag) = loaded(bench, target, connections, market).await?;
    let cpu = Cpu::now(server, store)?.since(before, load.cpu_seconds);
    let caught_up = if *role == Role::Up { Some(store.caught_up(CATCH_UP_MAX).await?) } else { None };
    let stored = store.events_when_quiet().await? - events;
    bench.check(&section, &load, stored, connections);
    say(&format!(
        "{section}: {:.0} bookings/s ({:.2} × pgbench), p99 {:.1} ms, others took {:.2} cores",
        load.rate(),
        load.rate() / target.yardstick,
        load.p99,
        cpu.others / load.seconds,
    ));
    add_answers(bench, target, &section, point, &load);
    if let Some(caught_up) = caught_up {
        bench.add(Sample::new(&section, "read models: most lag during the load", "events", lag));
        bench.add(Sample::new(&section, "read models: have all after", "s", caught_up.as_secs_f64()));
    }
    cpu.add(bench, &section, "booking", &load);
    add_memory(bench, target, &section);
    Ok(load.rate())
}

/// The load itself, and the most that the read models lacked while it ran.
async fn loaded(
    bench: &mut Bench,
    target: &Target<'_>,
    connections: u32,
    market: &Path,
) -> anyhow::Result<(Load, f64)> {
    let lasting = bench.plan.load();
    let load = bench.wrk.run(&target.server.url, Requests::Bookings(market), connections, lasting);
    if target.role == Role::Api {
        return Ok((load.await?, 0.0));
    }
    let mut most = 0;
    let load = tokio::select! {
        load = load => load?,
        failed = target.store.watch_lag(&mut most) => {
            failed?;
            anyhow::bail!("watching the lag ended by itself");
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let most = target.store.lag().await?.max(most) as f64;
    Ok((load, most))
}

fn add_answers(bench: &mut Bench, target: &Target<'_>, section: &str, point: Point, load: &Load) {
    let goal = if target.role == Role::Up { UP_GOAL } else { API_GOAL };
    let rate = Sample::new(section, "bookings", "1/s", load.rate());
    bench.add(rate.against(Some(target.yardstick)).goal(goal));
    bench.add(Sample::new(section, "answered after, p50", "ms", load.p50));
    let p99 = Sample::new(section, "answered after, p99", "ms", load.p99);
    bench.add(if point.connections >= MANY_CONNECTIONS { p99.goal(P99_GOAL) } else { p99 });
}

fn add_memory(bench: &mut Bench, target: &Target<'_>, section: &str) {
    let ours = usage::memory_of(target.server.pid());
    let postgres = usage::memory_of_family(target.store.postmaster());
    bench.add(Sample::new(section, "memory: holdfast", "MB", ours.resident));
    bench.add(Sample::new(section, "memory: Postgres (shared pages once)", "MB", postgres.proportional));
}
