//! Takes the figures: `scripts/bench` builds everything and runs this.
//!
//! It starts the release executable, a private Postgres and a private Kafka as child processes, loads them with wrk, k6 and requests of
//! its own, and prints what came out. It judges no figure; it ends in failure only if something is wrong: a booking
//! that was refused or is not stored, books that do not balance, a search that finds not what is there, a part that could not be measured.

mod bench;
mod bookings;
mod child;
mod client;
mod cost;
mod figures;
mod flow;
mod holdfast;
mod load;
mod machine;
mod mail;
mod market;
mod million;
mod nginx;
mod pgbench;
mod plan;
mod ratios;
mod refused;
mod report;
mod sale;
mod search;
mod store;
mod usage;
mod visible;
mod wrk;

use bench::{Bench, say};
use clap::Parser as _;
use plan::{Args, Part};
use std::process::ExitCode;
use tokio::{
    select,
    signal::unix::{SignalKind, signal},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and reports; `true` if nothing is wrong.
async fn run(args: &Args) -> anyhow::Result<bool> {
    let mut bench = Bench::new(args).await?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let interrupted = select! {
        () = measure(&mut bench) => false,
        _ = interrupt.recv() => true,
        _ = terminate.recv() => true,
    };
    if interrupted {
        bench.find("interrupted".to_owned());
    }
    bench.clear().await?;
    bench.clear_broker().await?;
    println!("{}", report::write(&bench)?);
    if args.commit_ratios {
        ratios::commit(&bench)?;
    }
    say(&format!("written to {} and report.json", bench.file("report.md").display()));
    Ok(bench.findings.is_empty())
}

/// Takes one part after the other; one that fails leaves the others' figures alone.
async fn measure(bench: &mut Bench) {
    for round in 1..=bench.plan.rounds {
        say(&format!("round {round} of {}", bench.plan.rounds));
        if bench.plan.has(Part::Core) {
            let outcome = bookings::round(bench, round).await;
            note(bench, "bookings", outcome);
        }
        if bench.plan.has(Part::K6) {
            let outcome = sale::round(bench).await;
            note(bench, "flash sale", outcome);
        }
        if bench.plan.has(Part::Kafka) {
            let outcome = flow::round(bench, round).await;
            note(bench, "through Kafka", outcome);
        }
        if bench.plan.has(Part::Mail) {
            let outcome = mail::round(bench).await;
            note(bench, "mail", outcome);
        }
    }
    if [Part::Start, Part::Rebuild, Part::Memory].iter().any(|part| bench.plan.has(*part)) {
        let outcome = million::run(bench).await;
        note(bench, "long log", outcome);
    }
    if bench.plan.has(Part::Search) {
        let outcome = search::run(bench).await;
        note(bench, "search", outcome);
    }
    if bench.plan.has(Part::Refused) {
        let outcome = refused::run(bench).await;
        note(bench, "refused", outcome);
    }
}

fn note(bench: &mut Bench, part: &str, outcome: anyhow::Result<()>) {
    if let Err(error) = outcome {
        bench.find(format!("{part}: {error:#}"));
    }
}
