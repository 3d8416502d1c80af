//! Recognises the processes of a node, and signals them.
//!
//! Guarantee: a signal reaches only a process that works in the node's folder and runs a class of Kafka's. No process
//! id is kept in a file: after a crash or a reboot a number may belong to anything, and a starter that is killed between
//! starting a node and writing its number down would leave one that nobody knows.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{BrokerError, error::Doing};
use holdfast_ambient::Wait;

/// The class that is a node.
pub(crate) const NODE: &str = "kafka.Kafka";

/// The class that formats a node's data folder.
pub(crate) const FORMATTER: &str = "kafka.tools.StorageTool";

/// A live process of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    class: &'static str,
    folder: PathBuf,
    /// When it began, in the system's own ticks: with its number this is its name for ever.
    began: u64,
}

impl Process {
    /// The process that runs `class` in `folder`, if there is one.
    pub(crate) fn find(class: &'static str, folder: &Path) -> Option<Self> {
        let pids = fs::read_dir("/proc").into_iter().flatten();
        let mut pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let pid = pids.find(|pid| runs(*pid, class, folder))?;
        Some(Self { pid, class, folder: folder.to_owned(), began: Stat::of(pid)?.began })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Whether it has ended and given back all that it held.
    ///
    /// A killed process of many threads loses its command line first, and closes its files and ports only when the last
    /// thread is gone. Who started it anew in between would find its ports taken.
    pub(crate) fn is_gone(&self) -> bool {
        Stat::of(self.pid).is_none_or(|stat| stat.began != self.began || stat.is_ended())
    }

    /// How much of the machine's memory it holds, in MiB.
    pub(crate) fn memory_mib(&self) -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kib / 1024)
    }

    /// Sends a signal; nothing happens if it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), BrokerError> {
        let Some(target) = Pid::from_raw(self.pid).filter(|_| self.is_ours()) else { return Ok(()) };
        match kill_process(target, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(io::Error::from(error)).doing("signal Kafka in", &self.folder),
        }
    }

    fn is_ours(&self) -> bool {
        runs(self.pid, self.class, &self.folder)
    }

    /// Waits for its end; `false` if it outlives `limit`.
    pub(crate) async fn gone_within(&self, limit: Duration) -> bool {
        let mut wait = Wait::at_most(limit);
        while !self.is_gone() {
            if !wait.again().await {
                return false;
            }
        }
        true
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub(crate) async fn kill(&self, limit: Duration) -> Result<(), BrokerError> {
        self.signal(Signal::KILL)?;
        if self.gone_within(limit).await {
            Ok(())
        } else {
            Err(BrokerError::StillRunning { pid: self.pid(), folder: self.folder.clone() })
        }
    }
}

/// What the system says about a process, as far as we ask.
struct Stat {
    state: char,
    threads: u64,
    began: u64,
}

impl Stat {
    /// `None` if there is no such process.
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields 3, 20 and 22 of proc(5). The second is the name in parentheses, which may contain anything.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let threads = fields.nth(16)?.parse().ok()?;
        let began = fields.nth(1)?.parse().ok()?;
        Some(Self { state, threads, began })
    }

    /// A zombie that nobody has collected, without threads that live on.
    fn is_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

/// Whether the process works in `folder` and was started with `class`; comparing device and inode sees through links.
fn runs(pid: i32, class: &str, folder: &Path) -> bool {
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let here = place(Path::new(&format!("/proc/{pid}/cwd"))).is_some_and(|cwd| Some(cwd) == place(folder));
    here && fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == class.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn the_fields_are_counted_after_the_last_parenthesis() {
        let text = "42 (a) b) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 77 0 123456 1000 200";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.threads, stat.began), ('S', 77, 123_456));
        assert!(!stat.is_ended());
    }

    #[test]
    fn a_zombie_whose_threads_live_on_still_holds_its_ports() {
        assert!(!Stat { state: 'Z', threads: 5, began: 1 }.is_ended());
        assert!(Stat { state: 'Z', threads: 1, began: 1 }.is_ended());
    }
}
