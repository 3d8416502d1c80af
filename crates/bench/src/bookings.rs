//! Bookings per second, against the yardstick, and what they cost.
//!
//! A round: pgbench, wrk against a constant answer, then every load against the `api` role alone and against `up`, each
//! on a fresh data folder, so that both find a log of the same length.

use crate::{
    bench::{Bench, say},
    figures::Sample,
    holdfast::Role,
    load::{self, Target},
    market::Market,
    nginx::Nginx,
    pgbench, usage, visible,
};
use holdfast_cluster::{Cluster, Options};

/// One round of everything.
pub(crate) async fn round(bench: &mut Bench, nth: u32) -> anyhow::Result<()> {
    let yardstick = yardstick(bench).await?;
    generator(bench).await?;
    for role in [Role::Api, Role::Up] {
        role_round(bench, role, nth, yardstick).await?;
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
    for connections in bench.plan.connections() {
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

async fn role_round(bench: &mut Bench, role: Role, round: u32, yardstick: f64) -> anyhow::Result<()> {
    let holdfast = bench.fresh().await?;
    // Only `up` makes a new system, with its first admin; the api role finds one.
    let mut server = holdfast.serve(Role::Up).await?;
    let market = Market::open(&holdfast, &server).await?;
    if role != Role::Up {
        server.stop().await?;
        server = holdfast.serve(role).await?;
    }
    let store = bench.store(&holdfast).await?;
    load::all(bench, &Target { role, server: &server, store: &store, market: &market, round, yardstick })
        .await?;
    if role == Role::Up {
        visible::measure(bench, &server, &market).await?;
    }
    store.close().await;
    server.stop().await
}
