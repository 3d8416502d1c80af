//! Bookings per second, against the yardstick, and what they cost.
//!
//! A round: wrk against a constant answer; then for the `api` role alone, and again for `up`, a fresh data folder,
//! pgbench on its cluster, and every load. So each role has a yardstick that was taken just before it, on the same
//! disk and at about the same temperature, and both find a log of the same length.

use crate::{
    bench::{Bench, say},
    figures::Sample,
    holdfast::{Holdfast, Role},
    load::{self, Target},
    market::Market,
    nginx::Nginx,
    pgbench::{self, Yardstick},
    usage, visible,
    wrk::Requests,
};
use holdfast_cluster::{Cluster, Options};

/// One round of everything.
pub(crate) async fn round(bench: &mut Bench, nth: u32) -> anyhow::Result<()> {
    generator(bench).await?;
    for role in [Role::Api, Role::Up] {
        role_round(bench, role, nth).await?;
    }
    Ok(())
}

/// Inserts per second of pgbench on a new cluster in the data folder.
async fn yardstick(bench: &mut Bench, holdfast: &Holdfast) -> anyhow::Result<f64> {
    let cluster = Cluster::start(holdfast.data(), &Options::default()).await?;
    let outcome = pgbench::inserts(&cluster, bench.folder(), bench.plan.pgbench_seconds).await;
    cluster.stop().await?;
    let Yardstick { rate, latency, postgres, own, others } = outcome?;
    let section = "pgbench, 32 clients, single-row INSERT";
    say(&format!("{section}: {rate:.0}/s, others took {others:.2} cores"));
    bench.add(Sample::new(section, "inserts", "1/s", rate));
    bench.add(Sample::new(section, "latency, average", "ms", latency));
    bench.add(Sample::new(section, "CPU per insert: Postgres", "µs", postgres * 1e6));
    bench.add(Sample::new(section, "CPU per insert: pgbench", "µs", own * 1e6));
    bench.add(Sample::new(section, "CPU taken by all others", "cores", others));
    Ok(rate)
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
        let load =
            bench.wrk.run(&nginx.url, Requests::Bookings(&market), connections, bench.plan.load()).await?;
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

/// The yardstick, then every load, on one new cluster.
async fn role_round(bench: &mut Bench, role: Role, round: u32) -> anyhow::Result<()> {
    let holdfast = bench.fresh().await?;
    let yardstick = yardstick(bench, &holdfast).await?;
    // Only `up` makes a new system, with its first admin; the api role finds one.
    let mut server = holdfast.serve(Role::Up).await?;
    let market = Market::open(&holdfast, &server).await?;
    if role != Role::Up {
        server.stop().await?;
        server = holdfast.serve(role).await?;
    }
    let store = bench.store(&holdfast).await?;
    let target = Target { role, server: &server, store: &store, market: &market, round, yardstick };
    load::all(bench, &target).await?;
    if role == Role::Up {
        visible::measure(bench, role.name(), &server, &market, visible::VISIBLE_GOAL).await?;
    }
    store.close().await;
    server.stop().await
}
