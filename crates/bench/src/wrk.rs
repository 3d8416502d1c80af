//! wrk, the load generator: as many requests as the connections can carry (a closed loop).
//!
//! Its latencies are corrected by itself for requests that could not be sent because an earlier one hung; they are
//! if anything too long. What it costs is measured too: against a constant answer, and as CPU time of every run.

use crate::{child::finish, usage};
use anyhow::Context as _;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;

/// What builds the requests, by file name; each gets [`LINE`] at its end.
const SCRIPTS: [(&str, &str); 2] =
    [("bookings.lua", include_str!("../bookings.lua")), ("paths.lua", include_str!("../paths.lua"))];
/// What prints the line of figures.
const LINE: &str = include_str!("../figures.lua");
/// What wrk may take beyond the time of its load.
const EXTRA_MAX: Duration = Duration::from_secs(20);
/// What the script's line begins with.
const FIGURES: &str = "FIGURES ";

/// wrk with its scripts.
#[derive(Debug)]
pub(crate) struct Wrk {
    folder: PathBuf,
    threads: u32,
    runs: u32,
}

/// What is asked, from a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Requests<'a> {
    /// Bookings of the customers and inventories in it.
    Bookings(&'a Path),
    /// GET of the paths in it, one on a line.
    Paths(&'a Path),
}

/// What came out of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Load {
    /// Answers below 400.
    pub(crate) accepted: i64,
    /// Answers of 400 and above.
    pub(crate) refused: i64,
    /// Connections that broke, requests without an answer.
    pub(crate) failed: i64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Half of the answers took at most this, in milliseconds.
    pub(crate) p50: f64,
    /// 99 of a hundred answers took at most this, in milliseconds.
    pub(crate) p99: f64,
    /// CPU seconds of wrk.
    pub(crate) cpu_seconds: f64,
}

/// The script's line.
#[derive(Deserialize)]
struct Figures {
    answered: i64,
    microseconds: f64,
    refused: i64,
    failed: i64,
    p50: f64,
    p99: f64,
}

impl Wrk {
    /// Puts the scripts into `folder`.
    pub(crate) fn new(folder: &Path, threads: u32) -> anyhow::Result<Self> {
        for (name, script) in SCRIPTS {
            let file = folder.join(name);
            fs::write(&file, format!("{script}\n{LINE}"))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(Self { folder: folder.to_owned(), threads, runs: 0 })
    }

    /// Loads the server at `url`.
    pub(crate) async fn run(
        &mut self,
        url: &str,
        requests: Requests<'_>,
        connections: u32,
        lasting: Duration,
    ) -> anyhow::Result<Load> {
        self.runs += 1;
        let (script, file) = match requests {
            Requests::Bookings(file) => ("bookings.lua", file),
            Requests::Paths(file) => ("paths.lua", file),
        };
        let mut wrk = Command::new("wrk");
        wrk.arg(format!("-t{}", self.threads))
            .arg(format!("-c{connections}"))
            .arg(format!("-d{}s", lasting.as_secs()));
        wrk.arg("-s").arg(self.folder.join(script)).args([url, "--"]).arg(file);
        wrk.arg(format!("run-{}", self.runs));
        let before = usage::cpu_of_ended_children();
        let printed = finish("wrk", wrk, lasting + EXTRA_MAX).await?;
        parse(&printed, usage::cpu_of_ended_children() - before)
    }
}

impl Load {
    /// Accepted requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests() / self.seconds
    }

    /// The same with refused requests as those that are counted.
    pub(crate) fn of_refusals(self) -> Self {
        Self { accepted: self.refused, refused: self.accepted, ..self }
    }

    /// Accepted requests, as a divisor.
    #[expect(clippy::cast_precision_loss, reason = "millions at most")]
    pub(crate) fn requests(&self) -> f64 {
        self.accepted.max(1) as f64
    }
}

fn parse(printed: &str, cpu_seconds: f64) -> anyhow::Result<Load> {
    let line = printed.lines().find_map(|line| line.strip_prefix(FIGURES));
    let line = line.with_context(|| format!("wrk printed no figures: {printed}"))?;
    let figures: Figures = serde_json::from_str(line).context("wrk's figures cannot be read")?;
    Ok(Load {
        accepted: figures.answered - figures.refused,
        refused: figures.refused,
        failed: figures.failed,
        seconds: figures.microseconds / 1e6,
        p50: figures.p50 / 1e3,
        p99: figures.p99 / 1e3,
        cpu_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_answers_are_not_counted_as_accepted() {
        let printed = "Running 4s test\nFIGURES {\"answered\":100,\"microseconds\":2000000,\"refused\":20,\
                       \"failed\":1,\"p50\":500,\"p99\":9000,\"max\":9100}\n";
        let load = parse(printed, 0.5).unwrap();
        assert_eq!((load.accepted, load.refused, load.failed), (80, 20, 1));
        assert_eq!((load.rate(), load.p50, load.p99), (40.0, 0.5, 9.0));
    }
}
