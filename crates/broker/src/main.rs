//! `holdfast-broker start|stop|status`: a private Kafka broker from the command line; `scripts/kafka` runs it.
//!
//! Guarantee: exit code 0 means that what was asked is so: after `start` every node is ready, after `stop` none runs,
//! and `status` has found all of them running. Every other end says why. Standard output is the answer alone.

use std::{error::Error, io, io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerError, BrokerOptions, NodeStatus, Nodes, Stop, status};
use tracing_subscriber::EnvFilter;

/// Smallest heap of a node: with less Kafka ends for lack of memory, and not always while it starts.
const HEAP_MIB_MIN: u32 = 128;

/// A private Kafka broker, or three nodes of one, in a folder.
#[derive(Debug, Parser)]
#[command(name = "holdfast-broker", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start it, making it if it is missing, and leave it running; prints its address.
    Start {
        #[command(flatten)]
        place: Place,
        /// The folder with Kafka's jars.
        #[arg(long, env = "HOLDFAST_KAFKA_LIBS", value_name = "FOLDER")]
        libs: Option<PathBuf>,
        /// The `java` to run them with; without it the one on PATH.
        #[arg(long, env = "HOLDFAST_JAVA", value_name = "PROGRAM")]
        java: Option<PathBuf>,
        /// Heap of each node in MiB.
        #[arg(long, default_value_t = BrokerOptions::default().heap_mib, value_parser = heap_mib)]
        heap_mib: u32,
    },
    /// End every node of it.
    Stop {
        #[command(flatten)]
        place: Place,
    },
    /// Print each node: running or not, process id, address, memory.
    Status {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// Where it keeps everything.
    #[arg(long, default_value = ".holdfast-kafka", value_name = "FOLDER")]
    data: PathBuf,
    /// How many nodes, 1 or 3; without it as many as the folder was made for, and 1 in a new one.
    #[arg(long, value_name = "1|3", value_parser = nodes)]
    nodes: Option<Nodes>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).without_time().with_target(false);
    let lines = lines.with_ansi(io::stderr().is_terminal());
    lines.with_env_filter(EnvFilter::new("warn,holdfast_broker=info")).init();
    let done = match cli.what {
        What::Start { place, libs, java, heap_mib } => start(&place, libs, java, heap_mib).await,
        What::Stop { place } => stop(&place).await,
        What::Status { place } => look(&place),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {}", chain(&error));
        ExitCode::FAILURE
    })
}

async fn start(
    place: &Place,
    libs: Option<PathBuf>,
    java: Option<PathBuf>,
    heap_mib: u32,
) -> Result<ExitCode, BrokerError> {
    let nodes = match place.nodes {
        Some(nodes) => nodes,
        None => holdfast_broker::made_for(&place.data)?.unwrap_or_default(),
    };
    let options = BrokerOptions { nodes, libs, java, heap_mib, security: None };
    let broker = Broker::start(&place.data, &options, &Machine).await?;
    println!("KAFKA_BROKERS={}", broker.bootstrap());
    broker.leave_running();
    Ok(ExitCode::SUCCESS)
}

async fn stop(place: &Place) -> Result<ExitCode, BrokerError> {
    place.is_made_as_said()?;
    println!(
        "{}",
        match Broker::stop_whatever_runs(&place.data).await? {
            Stop::Already => "not running",
            Stop::InOrder => "stopped",
            Stop::Killed => "stopped; it took too long and was killed, and the next start recovers its log",
        }
    );
    Ok(ExitCode::SUCCESS)
}

fn look(place: &Place) -> Result<ExitCode, BrokerError> {
    place.is_made_as_said()?;
    let found = status(&place.data)?;
    for node in &found {
        println!("{}", sentence(node));
    }
    let all_run = !found.is_empty() && found.iter().all(|node| node.started);
    Ok(if all_run { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Place {
    /// Whoever says how many nodes they expect is told when the folder has another number.
    fn is_made_as_said(&self) -> Result<(), BrokerError> {
        match (holdfast_broker::made_for(&self.data)?, self.nodes) {
            (Some(made_for), Some(wanted)) if made_for != wanted => Err(BrokerError::OtherNodes {
                folder: self.data.clone(),
                made_for: made_for.count(),
                wanted: wanted.count(),
            }),
            _ => Ok(()),
        }
    }
}

fn sentence(status: &NodeStatus) -> String {
    let NodeStatus { node, address, .. } = status;
    match (status.pid, status.started) {
        (None, _) => format!("node {node}: not running (address {address})"),
        (Some(pid), started) => {
            let state = if started { "running" } else { "starting" };
            let memory_mib = status.memory_mib.unwrap_or_default();
            format!("node {node}: {state}, process {pid}, address {address}, memory {memory_mib} MiB")
        }
    }
}

fn heap_mib(text: &str) -> Result<u32, String> {
    let heap_mib = text.parse().ok().filter(|heap_mib| *heap_mib >= HEAP_MIB_MIN);
    heap_mib.ok_or_else(|| format!("a node needs a heap of {HEAP_MIB_MIN} MiB or more"))
}

fn nodes(text: &str) -> Result<Nodes, String> {
    let nodes = text.parse().ok().and_then(Nodes::from_count);
    nodes.ok_or_else(|| "a broker has 1 node or 3".to_owned())
}

/// An error with everything beneath it in one line; each text says only its own part.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(error) = beneath {
        text = format!("{text}: {error}");
        beneath = error.source();
    }
    text
}
