//! The flash sale of k6, against `up` and against nginx's constant answer to the same requests.
//!
//! k6 takes most of the machine, so neither figure is the server's own; the ratio says how much of the possible is left.

use crate::{
    bench::{Bench, say},
    child::finish_anyhow,
    figures::{Goal, Sample},
    holdfast::{Role, Server},
    nginx::Nginx,
    store::Store,
    usage,
};
use anyhow::Context as _;
use serde_json::Value;
use std::{fs, path::PathBuf, time::Duration};
use tokio::process::Command;

/// The script that is run, and what runs it.
const SCRIPT: &str = "k6/flash-sale.js";
const RUNNER: &str = "scripts/k6";
/// Requests per second of nginx's.
const RATE_GOAL: Goal = Goal::AtLeast(0.85);
/// Times nginx's 95th percentile.
const P95_GOAL: Goal = Goal::AtMost(1.2);
/// What k6 may take beyond the sale: its installation at the first time, start, and open iterations.
const EXTRA_MAX: Duration = Duration::from_secs(180);

/// What came out of a sale.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sale {
    requests_per_second: f64,
    p95_milliseconds: f64,
    requests: f64,
}

/// One round: the constant first, then ours.
pub(crate) async fn round(bench: &mut Bench) -> anyhow::Result<()> {
    let nginx = Nginx::start(bench.folder()).await?;
    let outcome = sale(bench, &nginx.url, false).await;
    nginx.stop().await?;
    let constant = outcome?;
    say(&format!("flash sale, nginx: {:.0} requests/s", constant.requests_per_second));
    let section = section(bench, "nginx");
    bench.add(Sample::new(&section, "requests", "1/s", constant.requests_per_second));
    bench.add(Sample::new(&section, "p95", "ms", constant.p95_milliseconds));

    let holdfast = bench.fresh().await?;
    let server = holdfast.serve(Role::Up).await?;
    let store = bench.store(&holdfast).await?;
    ours(bench, &server, &store, constant).await?;
    store.close().await;
    server.stop().await
}

async fn ours(bench: &mut Bench, server: &Server, store: &Store, constant: Sale) -> anyhow::Result<()> {
    let (holdfast, postgres) = (usage::cpu_of(server.pid())?, usage::cpu_of_family(store.postmaster())?);
    let k6 = usage::cpu_of_ended_children();
    let ours = sale(bench, &server.url, true).await?;
    let costs = [
        ("holdfast", usage::cpu_of(server.pid())? - holdfast),
        ("Postgres", usage::cpu_of_family(store.postmaster())? - postgres),
        ("k6", usage::cpu_of_ended_children() - k6),
    ];
    let section = section(bench, "up");
    let (rate, p95) = (ours.requests_per_second, ours.p95_milliseconds);
    say(&format!("{section}: {rate:.0} requests/s, p95 {p95:.1} ms"));
    let (nginx_rate, nginx_p95) = (Some(constant.requests_per_second), Some(constant.p95_milliseconds));
    bench.add(Sample::new(&section, "requests", "1/s", rate).against(nginx_rate).goal(RATE_GOAL));
    bench.add(Sample::new(&section, "p95", "ms", p95).against(nginx_p95).goal(P95_GOAL));
    for (name, seconds) in costs {
        let name = format!("CPU per request: {name}");
        bench.add(Sample::new(&section, &name, "µs", seconds * 1e6 / ours.requests.max(1.0)));
    }
    Ok(())
}

/// Runs the script against `url`; a constant answer has no books that could balance.
async fn sale(bench: &mut Bench, url: &str, with_books: bool) -> anyhow::Result<Sale> {
    let summary = bench.folder().canonicalize()?.join("k6.json");
    let lasting = Duration::from_secs(bench.plan.sale_seconds);
    let mut k6 = Command::new(RUNNER);
    k6.arg(SCRIPT).arg("--quiet").arg("--summary-export").arg(&summary);
    k6.env("BASE_URL", url).env("VUS", bench.plan.sale_users.to_string());
    k6.env("DURATION", format!("{}s", lasting.as_secs()));
    k6.env("BOOKS", if with_books { "1" } else { "0" });
    let (printed, ended_well) = finish_anyhow("k6", k6, lasting + EXTRA_MAX).await?;
    if !ended_well {
        bench.find(format!("the flash sale against {url} failed: {printed}"));
    }
    read(&summary)
}

/// Reads what k6 has written.
fn read(summary: &PathBuf) -> anyhow::Result<Sale> {
    let text = fs::read_to_string(summary).context("k6 wrote no summary")?;
    parse(&text).with_context(|| format!("k6's summary has not the figures we look for: {text}"))
}

fn parse(summary: &str) -> Option<Sale> {
    let summary: Value = serde_json::from_str(summary).ok()?;
    let metric = |name: &str, figure: &str| summary.get("metrics")?.get(name)?.get(figure)?.as_f64();
    Some(Sale {
        requests_per_second: metric("http_reqs", "rate")?,
        p95_milliseconds: metric("http_req_duration", "p(95)")?,
        requests: metric("http_reqs", "count")?,
    })
}

fn section(bench: &Bench, against: &str) -> String {
    format!("k6 flash sale, {} users, {against}", bench.plan.sale_users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k6s_summary_is_read() {
        let summary = r#"{"metrics":{"http_reqs":{"count":9000,"rate":900.5},
            "http_req_duration":{"avg":1.0,"p(95)":12.5}}}"#;
        let sale = Sale { requests_per_second: 900.5, p95_milliseconds: 12.5, requests: 9_000.0 };
        assert_eq!(parse(summary), Some(sale));
        assert_eq!(parse("{}"), None);
    }
}
