//! One run of the driver: its plan, its folders, and what it has found so far.

use crate::{
    figures::{Figures, Sample},
    holdfast::Holdfast,
    machine::Machine,
    plan::{Args, Plan},
    store::Store,
    wrk::{Load, Wrk},
};
use anyhow::Context as _;
use holdfast_broker::{Broker, BrokerError, BrokerOptions};
use holdfast_cluster::Cluster;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What all parts share.
#[derive(Debug)]
pub(crate) struct Bench {
    /// How much of everything.
    pub(crate) plan: Plan,
    /// On what.
    pub(crate) machine: Machine,
    /// The figures so far.
    pub(crate) figures: Figures,
    /// What is not as it must be, whatever the figures: a refused booking, one that is not stored, a part that failed.
    pub(crate) findings: Vec<String>,
    /// The load generator.
    pub(crate) wrk: Wrk,
    /// Report, logs and scripts.
    pub(crate) folder: PathBuf,
    data: PathBuf,
    program: PathBuf,
}

impl Bench {
    /// Makes the folders.
    pub(crate) async fn new(args: &Args) -> anyhow::Result<Self> {
        fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {}", args.folder.display()))?;
        Ok(Self {
            plan: args.plan(),
            machine: Machine::look().await,
            figures: Figures::default(),
            findings: vec![],
            wrk: Wrk::new(&args.folder, args.wrk_threads)?,
            folder: args.folder.clone(),
            data: args.data.clone(),
            program: args.program.clone(),
        })
    }

    /// The executable on an empty data folder.
    pub(crate) async fn fresh(&self) -> anyhow::Result<Holdfast> {
        self.clear().await?;
        Holdfast::new(&self.program, &self.data, &self.folder.join("holdfast.log"))
    }

    /// The Postgres that runs on the data folder.
    pub(crate) async fn cluster(&self) -> anyhow::Result<Cluster> {
        Cluster::running(&self.data).await?.context("no Postgres runs in the data folder")
    }

    /// A Kafka broker on an empty folder.
    pub(crate) async fn fresh_broker(&self) -> anyhow::Result<Broker> {
        self.clear_broker().await?;
        Ok(Broker::start(&self.broker(), &BrokerOptions::default(), &holdfast_ambient::Machine).await?)
    }

    /// Ends a broker that still runs, and removes its folder.
    pub(crate) async fn clear_broker(&self) -> anyhow::Result<()> {
        let folder = self.broker();
        match Broker::stop_whatever_runs(&folder).await {
            Err(BrokerError::NoBroker { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => {
                fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
            }
        }
    }

    fn broker(&self) -> PathBuf {
        self.folder.join("kafka")
    }

    /// Ends a Postgres that still runs on the data folder, and removes it.
    pub(crate) async fn clear(&self) -> anyhow::Result<()> {
        if let Some(cluster) = Cluster::running(&self.data).await? {
            cluster.stop().await?;
        }
        match fs::remove_dir_all(&self.data) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.data.display()))
            }
            _ => Ok(()),
        }
    }

    /// The database of a running system, whose version goes into the report.
    pub(crate) async fn store(&mut self, holdfast: &Holdfast) -> anyhow::Result<Store> {
        let store = Store::of(holdfast.data()).await?;
        self.machine.postgres = store.version().await?;
        Ok(store)
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, sample: Sample<'_>) {
        self.figures.add(sample);
    }

    /// Notes what must not be.
    pub(crate) fn find(&mut self, finding: String) {
        eprintln!("   WRONG: {finding}");
        self.findings.push(finding);
    }

    /// Notes what went wrong in a load, and compares what was answered with what is `stored` of it. wrk leaves when
    /// its time is over: what it had sent and not yet seen answered, at most one booking a connection, is stored too.
    pub(crate) fn check(&mut self, section: &str, load: &Load, stored: i64, connections: u32) {
        let Load { accepted, refused, failed, .. } = *load;
        if refused + failed > 0 {
            self.find(format!("{section}: {refused} bookings were refused and {failed} connections failed"));
        }
        if !(accepted..=accepted + i64::from(connections)).contains(&stored) {
            self.find(format!("{section}: {accepted} bookings were accepted and {stored} are stored"));
        }
    }

    /// A file in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of report and logs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Tells whoever waits what is going on.
pub(crate) fn say(text: &str) {
    eprintln!("== {text}");
}
