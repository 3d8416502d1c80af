//! How much is measured: the whole thing, or a quick look.

use clap::{Parser, ValueEnum};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};

/// Takes Holdfast's figures on this machine: real processes, a private Postgres, real requests.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench", max_term_width = 100)]
pub(crate) struct Args {
    /// What to measure; everything if nothing is said. `quick` makes it one short round with fewer points.
    parts: Vec<Part>,
    /// The `holdfast` executable, built for release.
    #[arg(long, default_value = "target/release/holdfast", value_name = "FILE")]
    pub(crate) program: PathBuf,
    /// Folder for report and logs.
    #[arg(long, default_value = "target/bench", value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Data folder, which is emptied. On a disk, not in memory, for every commit is flushed.
    #[arg(long, env = "HOLDFAST_BENCH_DATA", default_value = "target/bench/data", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Threads of wrk. One makes more requests than any server here answers.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) wrk_threads: u32,
    /// Rounds instead of three (quick: one).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: Option<u32>,
    /// Write the flash sale's ratios into `crates/bench/ratios.json`: later runs are compared with them.
    #[arg(long)]
    pub(crate) commit_ratios: bool,
}

/// What can be measured on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// Bookings per second, against pgbench; CPU, memory, lag; commit to visible.
    Core,
    /// The flash sale, against nginx's constant answer.
    K6,
    /// Relay and projectors through Kafka: events per second, CPU by process, bookings beside it, commit to visible.
    Kafka,
    /// Start with a million events in the log.
    Start,
    /// Rebuild of both read models, and verify.
    Rebuild,
    /// Memory with a million bookings in it.
    Memory,
    /// The search over 100,000 flights, by route and day and in the order of price, against nginx and pgbench's selects.
    Search,
    /// Mails and webhooks: what one costs, mails a second by SMTP, bookings while many mails wait.
    Mail,
    /// Refusals of requests beyond their limits, against nginx's constant answer.
    Refused,
    /// One short round with fewer points.
    Quick,
}

/// How much of everything.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// What to measure.
    pub(crate) parts: Vec<Part>,
    /// Values per figure.
    pub(crate) rounds: u32,
    /// Seconds of load before each measured one.
    pub(crate) warm_up_seconds: u64,
    /// Seconds of measured load per point.
    pub(crate) load_seconds: u64,
    /// Seconds of pgbench.
    pub(crate) pgbench_seconds: u64,
    /// Seconds of the flash sale.
    pub(crate) sale_seconds: u64,
    /// Users of the flash sale.
    pub(crate) sale_users: u32,
    /// Bookings in the log for start, rebuild and memory.
    pub(crate) log_bookings: i64,
    /// Days over which the flights of the search leave.
    pub(crate) search_days: usize,
    /// Flights of the search.
    pub(crate) search_flights: usize,
    /// Connections of the searches.
    pub(crate) search_connections: Vec<u32>,
    /// Mails that are sent into a folder and by SMTP, and webhooks, each; at least as many as are booked in a second.
    pub(crate) mails: i64,
    /// Mails that wait beside bookings.
    pub(crate) mails_waiting: i64,
    /// Loads: shape and connections.
    pub(crate) points: Vec<Point>,
}

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Point {
    /// Over which inventories.
    pub(crate) shape: Shape,
    /// Connections of wrk.
    pub(crate) connections: u32,
}

/// Over which inventories a load goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// Over all of them in turn.
    Spread,
    /// Over one.
    Hot,
}

impl Args {
    /// The plan that the words ask for.
    pub(crate) fn plan(&self) -> Plan {
        let all = [
            Part::Core,
            Part::K6,
            Part::Kafka,
            Part::Start,
            Part::Rebuild,
            Part::Memory,
            Part::Search,
            Part::Mail,
            Part::Refused,
        ];
        let asked: Vec<Part> = all.into_iter().filter(|part| self.parts.contains(part)).collect();
        let parts = if asked.is_empty() { all.to_vec() } else { asked };
        let mut plan =
            if self.parts.contains(&Part::Quick) { Plan::quick(parts) } else { Plan::whole(parts) };
        plan.rounds = self.rounds.unwrap_or(plan.rounds);
        plan
    }
}

impl Plan {
    fn whole(parts: Vec<Part>) -> Self {
        let shapes = [Shape::Spread, Shape::Hot];
        let points =
            shapes.iter().flat_map(|shape| [64, 256].map(|connections| Point { shape: *shape, connections }));
        Self {
            parts,
            rounds: 3,
            warm_up_seconds: 2,
            load_seconds: 8,
            pgbench_seconds: 10,
            sale_seconds: 30,
            sale_users: 500,
            log_bookings: 1_000_000,
            search_days: 60,
            search_flights: 100_000,
            search_connections: vec![16, 64],
            mails: 50_000,
            mails_waiting: 100_000,
            points: points.collect(),
        }
    }

    fn quick(parts: Vec<Part>) -> Self {
        let point = |shape| Point { shape, connections: 256 };
        Self {
            rounds: 1,
            warm_up_seconds: 1,
            load_seconds: 4,
            pgbench_seconds: 4,
            sale_seconds: 8,
            log_bookings: 200_000,
            search_days: 6,
            search_flights: 10_000,
            search_connections: vec![64],
            mails: 5_000,
            mails_waiting: 100_000,
            points: vec![point(Shape::Spread), point(Shape::Hot)],
            ..Self::whole(parts)
        }
    }

    /// Whether this part is asked for.
    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Numbers of connections, each once.
    pub(crate) fn connections(&self) -> Vec<u32> {
        let mut connections: Vec<u32> = self.points.iter().map(|point| point.connections).collect();
        connections.sort_unstable();
        connections.dedup();
        connections
    }

    /// How long load is made before it counts.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up_seconds)
    }

    /// How long a load counts.
    pub(crate) fn load(&self) -> Duration {
        Duration::from_secs(self.load_seconds)
    }
}

impl Shape {
    /// As it stands in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::Hot => "one hot inventory",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> Plan {
        Args::try_parse_from([&["bench"], words].concat()).unwrap().plan()
    }

    #[test]
    fn without_words_everything_is_measured_three_times() {
        let plan = plan(&[]);
        assert_eq!((plan.parts.len(), plan.rounds, plan.points.len()), (9, 3, 4));
    }

    #[test]
    fn quick_is_no_part_but_a_size() {
        let plan = plan(&["quick", "k6"]);
        assert_eq!((plan.parts.as_slice(), plan.rounds), (&[Part::K6][..], 1));
        assert_eq!(self::plan(&["quick", "--rounds", "2"]).rounds, 2);
    }
}
