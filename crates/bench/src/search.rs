//! The search: queries per second over a timetable of 100,000 flights, for a route and a day and in the order of price.
//!
//! The flights are made once, through the API. Then, as often as there are rounds and for each kind of query: pgbench's select
//! by key on the same Postgres, wrk against nginx's constant of as many bytes as an answer has, and wrk against `up`.
//! What a query finds was compared with the flights that were made before it is measured.

mod fill;
mod queries;
mod timetable;

use crate::{
    bench::{Bench, say},
    client::Api,
    cost::Cpu,
    figures::{Goal, Sample},
    holdfast::{Holdfast, Role, Server},
    nginx::Nginx,
    pgbench::{self, Yardstick},
    store::Store,
    wrk::{Load, Requests},
};
use anyhow::Context as _;
use fill::{Placed, SEATS};
use queries::Queries;
use std::{fs, path::Path, time::Duration};
use tokio::time::Instant;

/// Queries a second for a route and a day.
const RATE_GOAL: Goal = Goal::AtLeast(15_000.0);
/// Milliseconds for 99 of a hundred of them.
const P99_GOAL: Goal = Goal::AtMost(20.0);
/// How long the read models may take to have all flights.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);
/// Answers that are wrong in the same way: more than these say nothing new.
const WRONG_MAX: usize = 3;

/// What runs, and what it is asked.
struct Search {
    server: Server,
    store: Store,
    kinds: Vec<Kind>,
}

/// One kind of query.
struct Kind {
    name: &'static str,
    queries: Queries,
    /// Has goals.
    judged: bool,
}

/// Makes the flights and takes the figures.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let holdfast = bench.fresh().await?;
    let server = holdfast.serve(Role::Up).await?;
    let store = bench.store(&holdfast).await?;
    let flights = filled(bench, &holdfast, &server, &store).await?;
    let kinds = kinds(bench, &server, &flights).await?;
    let search = Search { server, store, kinds };
    for _ in 0..bench.plan.rounds {
        round(bench, &search).await?;
    }
    search.store.close().await;
    search.server.stop().await
}

/// Makes the flights and waits until they can be found.
async fn filled(
    bench: &mut Bench,
    holdfast: &Holdfast,
    server: &Server,
    store: &Store,
) -> anyhow::Result<Vec<Placed>> {
    let count = bench.plan.search_flights;
    say(&format!("search: opening {count} flights of {SEATS} seats"));
    let began = Instant::now();
    let flights = fill::fill(holdfast, server, count).await?;
    let seconds = began.elapsed().as_secs_f64();
    let caught_up = store.caught_up(CATCH_UP_MAX).await?;
    store.tidy().await?;
    say(&format!("search: opened in {seconds:.1} s, found {:.2} s later", caught_up.as_secs_f64()));
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    bench.add(Sample::new("search, set-up", "flights opened", "1/s", count as f64 / seconds));
    Ok(flights)
}

/// Every kind of query, asked and compared once.
async fn kinds(bench: &mut Bench, server: &Server, flights: &[Placed]) -> anyhow::Result<Vec<Kind>> {
    let api = Api::of(server)?;
    let kinds = vec![
        Kind {
            name: "route and day",
            queries: Queries::by_route_and_day(&api, flights).await?,
            judged: true,
        },
        Kind { name: "by price", queries: Queries::by_price(&api, flights).await?, judged: false },
    ];
    for Kind { name, queries, .. } in &kinds {
        let (rows, bytes) = (queries.rows_each(), queries.bytes_each());
        say(&format!(
            "search, {name}: {} queries, {rows:.1} flights of {bytes} bytes each",
            queries.paths.len()
        ));
        for wrong in queries.wrong.iter().take(WRONG_MAX) {
            bench.find(format!("search, {name}: {wrong}"));
        }
    }
    Ok(kinds)
}

async fn round(bench: &mut Bench, search: &Search) -> anyhow::Result<()> {
    let selects = selects(bench).await?;
    for kind in &search.kinds {
        let file = bench.file("paths.txt");
        fs::write(&file, kind.queries.paths.join("\n") + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
        for connections in bench.plan.search_connections.clone() {
            let nginx = Nginx::answering(bench.folder(), kind.queries.bytes_each()).await?;
            let constant =
                bench.wrk.run(&nginx.url, Requests::Paths(&file), connections, bench.plan.load()).await;
            nginx.stop().await?;
            let yardsticks = (constant?, selects);
            measure(bench, search, kind, connections, &file, yardsticks).await?;
        }
    }
    Ok(())
}

/// Selects per second of pgbench on the Postgres that has the flights.
async fn selects(bench: &mut Bench) -> anyhow::Result<f64> {
    let cluster = bench.cluster().await?;
    let Yardstick { rate, postgres, own, .. } =
        pgbench::selects(&cluster, bench.plan.pgbench_seconds).await?;
    let section = "pgbench, 32 clients, select by key";
    say(&format!("{section}: {rate:.0}/s"));
    bench.add(Sample::new(section, "selects", "1/s", rate));
    bench.add(Sample::new(section, "CPU per select: Postgres", "µs", postgres * 1e6));
    bench.add(Sample::new(section, "CPU per select: pgbench", "µs", own * 1e6));
    Ok(rate)
}

/// One load. `yardsticks`: wrk's against nginx, and pgbench's selects a second.
async fn measure(
    bench: &mut Bench,
    search: &Search,
    kind: &Kind,
    connections: u32,
    file: &Path,
    (constant, selects): (Load, f64),
) -> anyhow::Result<()> {
    let (url, requests) = (&search.server.url, Requests::Paths(file));
    bench.wrk.run(url, requests, connections, bench.plan.warm_up()).await?;
    let before = Cpu::now(&search.server, &search.store)?;
    let load = bench.wrk.run(url, requests, connections, bench.plan.load()).await?;
    let cpu = Cpu::now(&search.server, &search.store)?.since(before, load.cpu_seconds);
    let section = format!("search, {}, {connections} connections", kind.name);
    let rate = load.rate();
    say(&format!("{section}: {rate:.0} queries/s, p99 {:.1} ms; nginx {:.0}/s", load.p99, constant.rate()));
    if load.refused + load.failed > 0 {
        bench.find(format!(
            "{section}: {} queries were refused and {} connections failed",
            load.refused, load.failed
        ));
    }
    add_answers(bench, kind, &section, &load);
    bench.add(Sample::new(&section, "queries ÷ nginx's constant", "", rate / constant.rate()));
    bench.add(Sample::new(&section, "queries ÷ pgbench's selects", "", rate / selects));
    cpu.add(bench, &section, "query", &load);
    Ok(())
}

fn add_answers(bench: &mut Bench, kind: &Kind, section: &str, load: &Load) {
    let rate = Sample::new(section, "queries", "1/s", load.rate());
    let p99 = Sample::new(section, "answered after, p99", "ms", load.p99);
    bench.add(if kind.judged { rate.goal(RATE_GOAL) } else { rate });
    bench.add(Sample::new(section, "answered after, p50", "ms", load.p50));
    bench.add(if kind.judged { p99.goal(P99_GOAL) } else { p99 });
    bench.add(Sample::new(section, "flights of an answer", "", kind.queries.rows_each()));
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    bench.add(Sample::new(section, "bytes of an answer", "", kind.queries.bytes_each() as f64));
}
