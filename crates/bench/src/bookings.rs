//! Bookings per second, against the yardstick, and what they cost.
//!
//! A round: pgbench, wrk against a constant answer, then every load against the `api` role alone and against `up`, each
//! on a fresh data folder, so that both find a log of the same length.

use crate::{
    bench::{Bench, say},
    figures::{Goal, Sample},
    holdfast::{Role, Server},
    market::Market,
    nginx::Nginx,
    pgbench,
    plan::{Point, Shape},
    store::Store,
    usage, visible,
    wrk::Load,
};
use holdfast_cluster::{Cluster, Options};
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
struct Target<'a> {
    role: Role,
    server: &'a Server,
    store: &'a Store,
    market: &'a Market,
    yardstick: f64,
}

/// One round of everything.
pub(crate) async fn round(bench: &mut Bench) -> anyhow::Result<()> {
    let yardstick = yardstick(bench).await?;
    generator(bench).await?;
    for role in [Role::Api, Role::Up] {
        role_round(bench, role, yardstick).await?;
    }
    Ok(())
}

/// pgbench on a fresh cluster of the same settings.
async fn yardstick(bench: &mut Bench) -> anyhow::Result<f64> {
    let holdfast = bench.fresh().await?;
    let cluster = Cluster::start(holdfast.data(), &Options::default()).await?;
    let outcome = pgbench::run(&cluster, bench.folder(), bench.plan.pgbench_seconds).await;
    cluster.stop().await?;
    let yardstick = outcome?;
    let section = "pgbench, 32 clients, single-row INSERT";
    say(&format!("{section}: {:.0}/s", yardstick.rate));
    bench.add(Sample::new(section, "inserts", "1/s", yardstick.rate));
    bench.add(Sample::new(section, "latency, average", "ms", yardstick.latency));
    bench.add(Sample::new(section, "CPU per insert: Postgres", "µs", yardstick.postgres_cpu_seconds * 1e6));
    bench.add(Sample::new(section, "CPU per insert: pgbench", "µs", yardstick.own_cpu_seconds * 1e6));
    Ok(yardstick.rate)
}

/// What wrk reaches against a constant answer, with requests of the same size.
async fn generator(bench: &mut Bench) -> anyhow::Result<()> {
    let nobody = Market {
        tokens: vec!["t".repeat(180); 32],
        inventories: vec!["0193a2f0-7c00-7000-8000-00000000c001".to_owned(); 200],
    };
    let market = bench.file("constant.txt");
    nobody.write(&market)?;
    let nginx = Nginx::start(bench.folder()).await?;
    let points: Vec<u32> =
        bench.plan.points.iter().filter(|p| p.shape == Shape::Spread).map(|p| p.connections).collect();
    for connections in points {
        let before = usage::cpu_of_family(nginx.pid())?;
        let load = bench.wrk.run(&nginx.url, &market, connections, bench.plan.load()).await?;
        let cpu = usage::cpu_of_family(nginx.pid())? - before;
        let section = format!("wrk against nginx, {connections} connections");
        say(&format!("{section}: {:.0}/s", load.rate()));
        bench.add(Sample::new(&section, "requests", "1/s", load.rate()));
        bench.add(Sample::new(&section, "CPU per request: nginx", "µs", cpu * 1e6 / load.requests()));
        bench.add(Sample::new(
            &section,
            "CPU per request: wrk",
            "µs",
            load.cpu_seconds * 1e6 / load.requests(),
        ));
    }
    nginx.stop().await
}

async fn role_round(bench: &mut Bench, role: Role, yardstick: f64) -> anyhow::Result<()> {
    let holdfast = bench.fresh().await?;
    // Only `up` makes a new system, with its first admin; the api role finds one.
    let mut server = holdfast.serve(Role::Up).await?;
    let market = Market::open(&holdfast, &server).await?;
    if role != Role::Up {
        server.stop().await?;
        server = holdfast.serve(role).await?;
    }
    let store = bench.store(&holdfast).await?;
    loads(bench, &Target { role, server: &server, store: &store, market: &market, yardstick }).await?;
    if role == Role::Up {
        visible::measure(bench, &server, &market).await?;
    }
    store.close().await;
    server.stop().await
}

async fn loads(bench: &mut Bench, target: &Target<'_>) -> anyhow::Result<()> {
    let mut rates: Vec<(Point, f64)> = Vec::new();
    for point in bench.plan.points.clone() {
        let file = bench.file("market.txt");
        match point.shape {
            Shape::Spread => target.market.write(&file)?,
            Shape::Hot => target.market.hot().write(&file)?,
        }
        let rate = load(bench, target, point, &file).await?;
        let spread = rates.iter().find(|(other, _)| other.connections == point.connections);
        if let Some((_, spread)) = spread {
            let section = format!("{}, {} connections", target.role.name(), point.connections);
            let hot = Sample::new(&section, "bookings, hot ÷ spread", "", rate / spread);
            bench.add(hot.goal(HOT_GOAL));
        }
        rates.push((point, rate));
    }
    Ok(())
}

/// One load. Returns its bookings per second.
async fn load(bench: &mut Bench, target: &Target<'_>, point: Point, market: &Path) -> anyhow::Result<f64> {
    let Target { role, server, store, .. } = target;
    let Point { shape, connections } = point;
    let section = format!("{}, {}, {connections} connections", role.name(), shape.name());
    bench.wrk.run(&server.url, market, connections, bench.plan.warm_up()).await?;
    let events = store.events_when_quiet().await?;
    if *role == Role::Up {
        store.caught_up(CATCH_UP_MAX).await?;
    }

    let (ours, postgres) = (usage::cpu_of(server.pid())?, usage::cpu_of_family(store.postmaster())?);
    let load = bench.wrk.run(&server.url, market, connections, bench.plan.load()).await?;
    let lag = if *role == Role::Up { Some(store.lag().await?) } else { None };
    let ours = usage::cpu_of(server.pid())? - ours;
    let postgres = usage::cpu_of_family(store.postmaster())? - postgres;
    if let Some(lag) = lag {
        let caught_up = store.caught_up(CATCH_UP_MAX).await?;
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
        bench.add(Sample::new(&section, "read models: lag as the load ends", "events", lag as f64));
        bench.add(Sample::new(&section, "read models: until they have all", "s", caught_up.as_secs_f64()));
    }
    let stored = store.events_when_quiet().await? - events;
    bench.check(&section, &load, stored, connections);
    say(&format!(
        "{section}: {:.0} bookings/s ({:.2} × pgbench), p99 {:.1} ms{}",
        load.rate(),
        load.rate() / target.yardstick,
        load.p99,
        lag.map_or_else(String::new, |lag| format!(", lag {lag}")),
    ));
    record(bench, target, &section, point, &load);
    for (name, seconds) in [("holdfast", ours), ("Postgres", postgres), ("wrk", load.cpu_seconds)] {
        let name = format!("CPU per booking: {name}");
        bench.add(Sample::new(&section, &name, "µs", seconds * 1e6 / load.requests()));
    }
    let (ours, postgres) = (usage::memory_of(server.pid()), usage::memory_of_family(store.postmaster()));
    bench.add(Sample::new(&section, "memory: holdfast", "MB", ours.resident));
    bench.add(Sample::new(&section, "memory: Postgres (shared pages once)", "MB", postgres.proportional));
    Ok(load.rate())
}

fn record(bench: &mut Bench, target: &Target<'_>, section: &str, point: Point, load: &Load) {
    let goal = if target.role == Role::Up { UP_GOAL } else { API_GOAL };
    let rate = Sample::new(section, "bookings", "1/s", load.rate());
    bench.add(rate.against(Some(target.yardstick)).goal(goal));
    bench.add(Sample::new(section, "answered after, p50", "ms", load.p50));
    let p99 = Sample::new(section, "answered after, p99", "ms", load.p99);
    bench.add(if point.connections >= MANY_CONNECTIONS { p99.goal(P99_GOAL) } else { p99 });
}
