//! The executable that is measured, as child processes on a data folder.

use crate::child::{Background, finish};
use anyhow::Context as _;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{process::Command, time::Instant};

/// How long a server may take to its ready line: a new cluster takes seconds, recovery of a big log longer.
const READY_MAX: Duration = Duration::from_secs(120);
/// How long `rebuild` and `verify` may take over the whole log.
const WHOLE_LOG_MAX: Duration = Duration::from_secs(300);

/// The executable and the folder it works on.
#[derive(Clone, Debug)]
pub(crate) struct Holdfast {
    program: PathBuf,
    data: PathBuf,
    log: PathBuf,
}

/// A role that serves HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// HTTP and writer; no projector runs anywhere.
    Api,
    /// Everything in one process.
    Up,
    /// The same with booking_monitor's routes, for the flash sale.
    UpWithCompat,
    /// The same with webhooks to this machine.
    UpWithPrivateWebhooks,
    /// The same with limits that leave one search to an address and one hold to an account, on loopback, too.
    UpRefusing,
}

/// A server that is ready.
#[derive(Debug)]
pub(crate) struct Server {
    process: Background,
    /// Such as `http://127.0.0.1:41234`.
    pub(crate) url: String,
    /// From its start to its ready line.
    pub(crate) ready_after: Duration,
}

impl Role {
    /// As it stands in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Api => "api alone",
            Self::Up | Self::UpWithCompat | Self::UpWithPrivateWebhooks | Self::UpRefusing => "up",
        }
    }

    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Api => &["api"],
            Self::Up => &["up"],
            Self::UpWithCompat => &["up", "--compat", "true"],
            Self::UpWithPrivateWebhooks => &["up", "--webhooks-allow-private"],
            Self::UpRefusing => &[
                "up",
                "--limit-loopback",
                "true",
                "--limit-address",
                "search=1/86400",
                "--limit-account",
                "hold=1/86400",
            ],
        }
    }
}

impl Holdfast {
    /// `program` on `data`; what it logs goes to `log`.
    pub(crate) fn new(program: &Path, data: &Path, log: &Path) -> anyhow::Result<Self> {
        let program = program.canonicalize();
        let program = program.context("the holdfast executable is missing; `scripts/bench` builds it")?;
        Ok(Self { program, data: data.to_owned(), log: log.to_owned() })
    }

    /// Starts a server on a free port and waits until it is ready.
    pub(crate) async fn serve(&self, role: Role) -> anyhow::Result<Server> {
        let began = Instant::now();
        let command = self.command([&["--log", "warn"], role.words(), &["--listen", "127.0.0.1:0"]].concat());
        let mut process = Background::start("holdfast", command, &self.log)?;
        let line = process.line(READY_MAX).await?;
        let ready_after = began.elapsed();
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.with_context(|| format!("no address in the ready line: {line}"))?.to_owned();
        Ok(Server { process, url, ready_after })
    }

    /// Starts a role that serves nobody, and waits until it is at work.
    pub(crate) async fn work(&self, words: &[&str], brokers: &str) -> anyhow::Result<Worker> {
        let mut command = self.command([&["--log", "error"], words].concat());
        command.env("KAFKA_BROKERS", brokers);
        let mut process = Background::start("holdfast", command, &self.log)?;
        process.line(READY_MAX).await?;
        Ok(Worker { process })
    }

    /// Runs a subcommand to its end and returns what it printed.
    pub(crate) async fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        let name = format!("holdfast {}", words.join(" "));
        finish(&name, self.command([&["--log", "warn"], words].concat()), WHOLE_LOG_MAX).await
    }

    /// The first admin's password, which `up` has written.
    pub(crate) fn admin_password(&self) -> anyhow::Result<String> {
        let file = self.data.join("admin-password");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(text.trim().to_owned())
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    fn command<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--data").arg(&self.data).env_remove("DATABASE_URL");
        command
    }
}

/// A role that serves nobody: relay or projector.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Background,
}

impl Worker {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// SIGTERM, and its end in good order.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}

impl Server {
    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// SIGTERM, and its end in good order.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}
