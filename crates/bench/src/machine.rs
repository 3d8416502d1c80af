//! What the figures were taken on: without it they say nothing.

use crate::child::finish;
use serde::Serialize;
use std::{fs, time::Duration};
use tokio::process::Command;

/// How long git may take to say which commit this is.
const GIT_MAX: Duration = Duration::from_secs(10);

/// Machine, programs and commit.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// Cores that this process may use.
    pub(crate) cores: usize,
    /// Memory in GiB.
    pub(crate) memory_gib: f64,
    /// The processor's own name.
    pub(crate) processor: String,
    /// Linux's version.
    pub(crate) kernel: String,
    /// Load average of the last minute when the run began: about 0, or something else is running here.
    pub(crate) load_average: f64,
    /// Commit, with `+` if files differ from it.
    pub(crate) commit: String,
    /// As Postgres says it; empty until one was started.
    pub(crate) postgres: String,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) async fn look() -> Self {
        let memory =
            read("/proc/meminfo", "MemTotal:").split(' ').next().and_then(|kib| kib.parse::<f64>().ok());
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory.unwrap_or(0.0) / 1024.0 / 1024.0,
            processor: read("/proc/cpuinfo", "model name\t:"),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            load_average: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
            commit: commit().await,
            postgres: String::new(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, memory_gib, processor, kernel, load_average, commit, postgres } = self;
        write!(
            f,
            "{cores} cores ({processor}), {memory_gib:.1} GiB, Linux {kernel}, PostgreSQL {postgres}, commit {commit}; \
             load average {load_average} at the start; the load generators run on the same cores"
        )
    }
}

/// The rest of the first line of `file` that begins with `label`.
fn read(file: &str, label: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default().trim().to_owned()
}

async fn commit() -> String {
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.args(words);
        finish("git", git, GIT_MAX)
    };
    match (git(&["rev-parse", "--short", "HEAD"]).await, git(&["status", "--porcelain"]).await) {
        (Ok(commit), Ok(changes)) => {
            format!("{}{}", commit.trim(), if changes.is_empty() { "" } else { "+" })
        }
        _ => "unknown".to_owned(),
    }
}
