//! Requests beyond their limits: refusals per second, against nginx's constant answer of as many bytes.
//!
//! A client whose quota is used up goes on asking as fast as it is answered: searches without a token, which are refused by
//! address, and bookings with one, which are refused by account. What a refusal costs is what such a client takes from others.

use crate::{
    bench::{Bench, say},
    client::Api,
    cost::Cpu,
    figures::{Goal, Sample},
    holdfast::{Role, Server},
    market::Market,
    nginx::Nginx,
    store::Store,
    wrk::{Load, Requests},
};
use anyhow::{Context as _, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Refusals per constant answer.
const RATE_GOAL: Goal = Goal::AtLeast(0.5);
/// Connections of the client.
const CONNECTIONS: u32 = 64;
/// What is searched for. One request of it passes, and then none.
const SEARCH: &str = "/v1/flights";

/// What is asked too often.
struct Kind {
    name: &'static str,
    file: PathBuf,
    bookings: bool,
}

impl Kind {
    fn requests(&self) -> Requests<'_> {
        if self.bookings { Requests::Bookings(&self.file) } else { Requests::Paths(&self.file) }
    }
}

/// Takes the figures.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let holdfast = bench.fresh().await?;
    let server = holdfast.serve(Role::UpRefusing).await?;
    let store = bench.store(&holdfast).await?;
    let market = Market::open(&holdfast, &server).await?;
    let api = Api::of(&server)?;
    api.get(SEARCH).await.context("the first search is not refused")?;
    let bytes = api.refused(SEARCH).await?.len();
    let kinds = kinds(bench, &market)?;
    for _ in 0..bench.plan.rounds {
        for kind in &kinds {
            let constant = constant(bench, kind, bytes).await?;
            measure(bench, &server, &store, kind, constant).await?;
        }
    }
    store.close().await;
    server.stop().await
}

fn kinds(bench: &Bench, market: &Market) -> anyhow::Result<Vec<Kind>> {
    let (paths, bookings) = (bench.file("refused-paths.txt"), bench.file("refused-bookings.txt"));
    write(&paths, &format!("{SEARCH}\n"))?;
    market.write(&bookings)?;
    Ok(vec![
        Kind { name: "searches, by address", file: paths, bookings: false },
        Kind { name: "bookings, by account", file: bookings, bookings: true },
    ])
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The same requests against nginx.
async fn constant(bench: &mut Bench, kind: &Kind, bytes: usize) -> anyhow::Result<Load> {
    let nginx = Nginx::answering(bench.folder(), bytes).await?;
    let load = bench.wrk.run(&nginx.url, kind.requests(), CONNECTIONS, bench.plan.load()).await;
    nginx.stop().await?;
    load
}

async fn measure(
    bench: &mut Bench,
    server: &Server,
    store: &Store,
    kind: &Kind,
    constant: Load,
) -> anyhow::Result<()> {
    bench.wrk.run(&server.url, kind.requests(), CONNECTIONS, bench.plan.warm_up()).await?;
    let before = Cpu::now(server, store)?;
    let load = bench.wrk.run(&server.url, kind.requests(), CONNECTIONS, bench.plan.load()).await?;
    let cpu = Cpu::now(server, store)?.since(before, load.cpu_seconds);
    let section = format!("refused {}, {CONNECTIONS} connections", kind.name);
    ensure!(load.refused > 0, "{section}: none was refused");
    if load.accepted + load.failed > 0 {
        bench.find(format!(
            "{section}: {} were not refused and {} connections failed",
            load.accepted, load.failed
        ));
    }
    let refusals = load.of_refusals();
    let rate = refusals.rate();
    say(&format!(
        "{section}: {rate:.0}/s ({:.2} of nginx's), p99 {:.1} ms",
        rate / constant.rate(),
        load.p99
    ));
    let rate = Sample::new(&section, "refusals", "1/s", rate).against(Some(constant.rate()));
    bench.add(rate.goal(RATE_GOAL));
    bench.add(Sample::new(&section, "answered after, p99", "ms", load.p99));
    cpu.add(bench, &section, "refusal", &refusals);
    Ok(())
}
