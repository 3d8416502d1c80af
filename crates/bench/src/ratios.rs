//! The flash sale's ratios that the repository holds, beside which a run prints its own.
//!
//! Only `--commit-ratios` writes them, so that the file changes with a commit that says why.

use crate::{
    bench::Bench,
    figures::{Figures, Spread},
    sale,
};
use anyhow::{Context as _, ensure};
use holdfast_ambient::{Ambient as _, Machine};
use serde::{Deserialize, Serialize};
use std::fs;

/// Of the repository, in whose root `scripts/bench` runs the driver.
const FILE: &str = "crates/bench/ratios.json";

/// `up` under the flash sale, by nginx's constant answer to the same requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ratios {
    /// What was measured.
    commit: String,
    /// The day.
    date: String,
    /// Requests per second; the more, the better.
    requests_of_nginx: f64,
    /// 95th percentile; the less, the better.
    p95_of_nginx: f64,
}

impl Ratios {
    /// Those of this run: the middle of its rounds. None: it measured no flash sale.
    fn of(figures: &Figures, section: &str, commit: &str, date: String) -> Option<Self> {
        let median = |name: &str| {
            let figure = figures.iter().find(|figure| figure.section == section && figure.name == name)?;
            Spread::of(&figure.ratios).map(|ratios| (ratios.median * 100.0).round() / 100.0)
        };
        Some(Self {
            commit: commit.to_owned(),
            date,
            requests_of_nginx: median("requests")?,
            p95_of_nginx: median("p95")?,
        })
    }

    fn committed() -> anyhow::Result<Self> {
        let text = fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
        serde_json::from_str(&text).with_context(|| format!("{FILE} has not the ratios"))
    }

    fn line(&self, what: &str) -> String {
        let Self { commit, date, requests_of_nginx, p95_of_nginx } = self;
        format!(
            "{what}: {requests_of_nginx:.2} of nginx's requests, {p95_of_nginx:.2} × its p95 ({commit}, {date})\n"
        )
    }
}

/// The committed ratios and those of this run; empty if it measured no flash sale.
pub(crate) fn beside(bench: &Bench) -> String {
    let Some(new) = of_run(bench) else { return String::new() };
    // The run's own figures are reported in any case.
    let committed = Ratios::committed().map(|committed| committed.line("Flash sale, last committed"));
    let committed = committed.unwrap_or_else(|error| format!("Flash sale, last committed: {error:#}\n"));
    format!("{committed}{}\n", new.line("Flash sale, this run"))
}

/// Writes the ratios of this run into the repository.
pub(crate) fn commit(bench: &Bench) -> anyhow::Result<()> {
    ensure!(bench.findings.is_empty(), "the ratios are not written, for something was wrong");
    let new = of_run(bench).context("the ratios are not written: no flash sale was measured")?;
    fs::write(FILE, format!("{}\n", serde_json::to_string_pretty(&new)?))
        .with_context(|| format!("cannot write {FILE}"))
}

fn of_run(bench: &Bench) -> Option<Ratios> {
    let date = Machine.now().date_naive().to_string();
    Ratios::of(&bench.figures, &sale::section(bench, sale::OURS), &bench.machine.commit, date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Sample;

    #[test]
    fn the_ratios_of_a_run_are_the_middle_of_its_rounds() {
        let mut figures = Figures::default();
        let of = |figures: &Figures| Ratios::of(figures, "sale", "1234567", "2026-05-01".to_owned());
        for (requests, p95) in [(80.0, 130.0), (90.0, 120.0), (10.0, 500.0)] {
            figures.add(Sample::new("another", "requests", "1/s", 1.0).against(Some(1.0)));
            figures.add(Sample::new("sale", "requests", "1/s", requests).against(Some(100.0)));
            assert!(figures.iter().any(|figure| figure.name == "p95") || of(&figures).is_none());
            figures.add(Sample::new("sale", "p95", "ms", p95).against(Some(100.0)));
        }
        let line = of(&figures).unwrap().line("this run");
        assert_eq!(line, "this run: 0.80 of nginx's requests, 1.30 × its p95 (1234567, 2026-05-01)\n");
    }

    #[test]
    fn the_committed_ratios_can_be_read() {
        let committed: Ratios = serde_json::from_str(include_str!("../ratios.json")).unwrap();
        assert!(committed.requests_of_nginx > 0.0 && committed.p95_of_nginx > 0.0);
    }
}
