//! Recognises the running server of a cluster, and what is left of a killed one.
//!
//! Guarantee: a signal reaches only processes that are named `postgres` and work in this cluster's folder. A process
//! id alone proves nothing: after a crash or a reboot it may belong to anything.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{ClusterError, error::Doing};
use holdfast_ambient::Wait;

/// The main process of a running server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Postmaster {
    pid: i32,
    cluster: PathBuf,
}

impl Postmaster {
    /// The live server of `cluster`, by its `postmaster.pid`; the leftover file of a dead one counts for nothing.
    pub(crate) fn find(cluster: &Path) -> Result<Option<Self>, ClusterError> {
        let file = pid_file(cluster);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).doing("read", file),
        };
        let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) else {
            return Ok(None);
        };
        let postmaster = Self::new(pid, cluster);
        Ok(postmaster.is_alive().then_some(postmaster))
    }

    /// The server that we have just started.
    pub(crate) fn new(pid: i32, cluster: &Path) -> Self {
        Self { pid, cluster: cluster.to_owned() }
    }

    /// Whether it is still the server of this cluster; a zombie is not.
    pub(crate) fn is_alive(&self) -> bool {
        works_in(self.pid, &self.cluster)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// The folder of its cluster.
    pub(crate) fn folder(&self) -> &Path {
        &self.cluster
    }

    /// The socket's folder that it has written into `postmaster.pid`; `None` while it is still starting.
    pub(crate) fn socket_folder(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(pid_file(&self.cluster)).ok()?;
        let mut lines = text.lines();
        let pid: i32 = lines.next()?.trim().parse().ok()?;
        // Lines: pid, data folder, start time, port, socket folder.
        lines.nth(3).filter(|folder| pid == self.pid && !folder.is_empty()).map(PathBuf::from)
    }

    /// Sends a signal; `false` if it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<bool, ClusterError> {
        if !self.is_alive() {
            return Ok(false);
        }
        send(self.pid, signal, &self.cluster)
    }

    /// Waits for its end.
    pub(crate) async fn gone_within(&self, limit: Duration) -> bool {
        let mut wait = Wait::at_most(limit);
        while self.is_alive() {
            if !wait.again().await {
                return false;
            }
        }
        true
    }
}

/// Ends what a killed server left behind and removes its stale pid file, so that a new one can start.
///
/// The server processes notice their postmaster's death by themselves only when they next wait for something;
/// until then Postgres refuses to start on the same folder. It also refuses when the number in the stale file lives
/// on as another process, or as a zombie that nobody collects. Call this only when no postmaster is alive.
pub(crate) async fn end_orphans(cluster: &Path, limit: Duration) -> Result<(), ClusterError> {
    let mut wait = Wait::at_most(limit);
    loop {
        let orphans = processes_in(cluster);
        let Some(first) = orphans.first() else { break };
        for pid in &orphans {
            send(*pid, Signal::QUIT, cluster)?;
        }
        if !wait.again().await {
            return Err(ClusterError::StillRunning { pid: first.unsigned_abs(), folder: cluster.to_owned() });
        }
    }
    let file = pid_file(cluster);
    match fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).doing("remove", file),
        _ => Ok(()),
    }
}

fn pid_file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

/// Every process named `postgres` whose working folder is `cluster`.
fn processes_in(cluster: &Path) -> Vec<i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| works_in(*pid, cluster))
        .collect()
}

/// Postgres changes into its data folder first of all; comparing device and inode sees through links and mounts.
fn works_in(pid: i32, cluster: &Path) -> bool {
    let named =
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "postgres");
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    named && place(Path::new(&format!("/proc/{pid}/cwd"))).is_some_and(|cwd| Some(cwd) == place(cluster))
}

fn send(pid: i32, signal: Signal, cluster: &Path) -> Result<bool, ClusterError> {
    let Some(target) = Pid::from_raw(pid) else { return Ok(false) };
    match kill_process(target, signal) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(error) => Err(io::Error::from(error)).doing("signal PostgreSQL of", cluster),
    }
}
