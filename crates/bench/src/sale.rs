//! The flash sale of k6, against `up` and against nginx's constant answer to the same requests.
//!
//! k6 takes most of the machine, so neither figure is the server's own; the ratio says how much of the possible is left.

use crate::{
    bench::{Bench, say},
    child::finish_with,
    figures::{Goal, Sample},
    holdfast::{Role, Server},
    nginx::Nginx,
    store::Store,
    usage,
};
use anyhow::Context as _;
use serde_json::Value;
use std::{fs, time::Duration};
use tokio::process::Command;

/// The script that is run, and what runs it.
const SCRIPT: &str = "k6/flash-sale.js";
const RUNNER: &str = "scripts/k6";
/// Whose sale is ours, in a section's name.
pub(crate) const OURS: &str = "up";
/// Requests per second of nginx's.
const RATE_GOAL: Goal = Goal::AtLeast(0.85);
/// Times nginx's 95th percentile.
const P95_GOAL: Goal = Goal::AtMost(1.2);
/// What k6 may take beyond the sale: its installation at the first time, start, and open iterations.
const EXTRA_MAX: Duration = Duration::from_secs(180);

/// k6's exit codes for a run that took place: all thresholds held, or one was crossed. A constant answer has no books
/// that could balance, so it always crosses one; ours are looked at below.
const TOOK_PLACE: [i32; 2] = [0, 99];

/// What came out of a sale.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sale {
    requests: f64,
    p95_milliseconds: f64,
    /// Answers that were neither a yes nor a no, as a share.
    business_errors: f64,
    /// Bookings and seats by which the users' count and the server's differ.
    unaccounted: f64,
}

/// One round: the constant first, then ours.
pub(crate) async fn round(bench: &mut Bench) -> anyhow::Result<()> {
    let nginx = Nginx::start(bench.folder()).await?;
    let outcome = sale(bench, &nginx.url).await;
    nginx.stop().await?;
    let constant = outcome?;
    let section = section(bench, "nginx");
    say(&format!(
        "{section}: {:.0} requests/s, p95 {:.1} ms",
        rate(bench, constant),
        constant.p95_milliseconds
    ));
    bench.add(Sample::new(&section, "requests", "1/s", rate(bench, constant)));
    bench.add(Sample::new(&section, "p95", "ms", constant.p95_milliseconds));

    let holdfast = bench.fresh().await?;
    let server = holdfast.serve(Role::UpWithCompat).await?;
    let store = bench.store(&holdfast).await?;
    ours(bench, &server, &store, constant).await?;
    store.close().await;
    server.stop().await
}

async fn ours(bench: &mut Bench, server: &Server, store: &Store, constant: Sale) -> anyhow::Result<()> {
    let (holdfast, postgres) = (usage::cpu_of(server.pid())?, usage::cpu_of_family(store.postmaster())?);
    let k6 = usage::cpu_of_ended_children();
    let ours = sale(bench, &server.url).await?;
    let costs = [
        ("holdfast", usage::cpu_of(server.pid())? - holdfast),
        ("Postgres", usage::cpu_of_family(store.postmaster())? - postgres),
        ("k6", usage::cpu_of_ended_children() - k6),
    ];
    let section = section(bench, OURS);
    if ours.business_errors > 0.0 || ours.unaccounted != 0.0 {
        bench.find(format!(
            "{section}: the books do not balance or an answer was neither yes nor no: {ours:?}"
        ));
    }
    let (requests, p95) = (rate(bench, ours), ours.p95_milliseconds);
    say(&format!("{section}: {requests:.0} requests/s, p95 {p95:.1} ms"));
    let requests = Sample::new(&section, "requests", "1/s", requests).against(Some(rate(bench, constant)));
    bench.add(requests.goal(RATE_GOAL));
    bench
        .add(Sample::new(&section, "p95", "ms", p95).against(Some(constant.p95_milliseconds)).goal(P95_GOAL));
    for (name, seconds) in costs {
        let name = format!("CPU per request: {name}");
        bench.add(Sample::new(&section, &name, "µs", seconds * 1e6 / ours.requests.max(1.0)));
    }
    Ok(())
}

/// Runs the script against `url`.
async fn sale(bench: &Bench, url: &str) -> anyhow::Result<Sale> {
    let summary = bench.folder().canonicalize()?.join("k6.json");
    let lasting = Duration::from_secs(bench.plan.sale_seconds);
    let mut k6 = Command::new(RUNNER);
    k6.arg(SCRIPT).arg("--quiet").arg("--summary-export").arg(&summary);
    k6.env("BASE_URL", url).env("VUS", bench.plan.sale_users.to_string());
    k6.env("DURATION", format!("{}s", lasting.as_secs()));
    finish_with("k6", k6, lasting + EXTRA_MAX, &TOOK_PLACE).await?;
    let text = fs::read_to_string(&summary).context("k6 wrote no summary")?;
    parse(&text).with_context(|| format!("k6's summary has not the figures we look for: {text}"))
}

/// Reads k6's summary.
fn parse(summary: &str) -> Option<Sale> {
    let summary: Value = serde_json::from_str(summary).ok()?;
    let metric = |name: &str, figure: &str| summary.get("metrics")?.get(name)?.get(figure)?.as_f64();
    let books = ["bookings_unaccounted", "seats_unaccounted", "seats_out_of_place"];
    Some(Sale {
        requests: metric("iterations", "count")?,
        p95_milliseconds: metric("http_req_duration", "p(95)")?,
        business_errors: metric("business_errors", "value")?,
        unaccounted: books.iter().map(|name| metric(name, "count").map(f64::abs)).sum::<Option<f64>>()?,
    })
}

/// Requests per second of the sale itself; k6's own rate also counts the seconds in which the script lets the books
/// settle.
fn rate(bench: &Bench, sale: Sale) -> f64 {
    sale.requests / Duration::from_secs(bench.plan.sale_seconds).as_secs_f64()
}

/// The figures' section, by who was `against` the users.
pub(crate) fn section(bench: &Bench, against: &str) -> String {
    format!("k6 flash sale, {} users, {against}", bench.plan.sale_users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_that_are_wrong_both_ways_do_not_balance() {
        let summary = r#"{"metrics":{"iterations":{"count":9000,"rate":900.5}, "business_errors":{"value":0},
            "http_req_duration":{"avg":1.0,"p(95)":12.5}, "bookings_unaccounted":{"count":3},
            "seats_unaccounted":{"count":-3}, "seats_out_of_place":{"count":0}}}"#;
        let sale = Sale { requests: 9_000.0, p95_milliseconds: 12.5, business_errors: 0.0, unaccounted: 6.0 };
        assert_eq!(parse(summary), Some(sale));
        assert_eq!(parse("{}"), None);
    }
}
