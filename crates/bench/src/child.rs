//! Programs that the driver runs: in the background until they are stopped, or to their end within a bound.
//!
//! Guarantee: a background program that is stopped gets SIGTERM and time to finish, and is gone afterwards either way.
//! One whose handle is dropped (the driver failed or was interrupted) gets SIGTERM too, and nobody waits for it: its
//! own children (nginx's workers, Postgres) end with it, which a kill would not do. All are named by process id.

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::{fs::File, path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long a program may take to finish after SIGTERM: Holdfast promises 10 s.
const FINISH_MAX: Duration = Duration::from_secs(20);
/// How much of a failed program's errors is shown.
const ERRORS_BYTES_MAX: usize = 2_000;

/// A program that runs in the background.
#[derive(Debug)]
pub(crate) struct Background {
    name: &'static str,
    child: Child,
    pid: u32,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Background {
    /// Starts it; its errors are appended to `log`.
    pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let errors = File::options().create(true).append(true).open(log);
        let errors = errors.with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("cannot run {name}"))?;
        let pid = child.id().with_context(|| format!("{name} ended at once"))?;
        let output = child.stdout.take().context("its output was piped")?;
        Ok(Self { name, child, pid, lines: BufReader::new(output).lines() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The next line it prints.
    pub(crate) async fn line(&mut self, within: Duration) -> anyhow::Result<String> {
        let name = self.name;
        let line = timeout(within, self.lines.next_line()).await;
        let line = line.with_context(|| format!("{name} said nothing within {within:?}"))?;
        line?.with_context(|| format!("{name} ended before it was ready; its log says why"))
    }

    /// Asks it to finish and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let name = self.name;
        self.terminate();
        match timeout(FINISH_MAX, self.child.wait()).await {
            Ok(status) => {
                let status = status?;
                ensure!(status.success(), "{name} ended with {status}");
            }
            Err(_) => {
                self.child.kill().await?;
                bail!("{name} did not finish within {FINISH_MAX:?} of SIGTERM and was killed");
            }
        }
        Ok(())
    }

    /// Sends SIGTERM, unless it has ended: its number may be another's then.
    fn terminate(&mut self) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let (Some(pid), Ok(None)) = (pid, self.child.try_wait()) {
            // It fails only for a process that has ended this very moment.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.terminate();
    }
}

/// Runs a program to its end and returns what it printed. An end in failure is an error that says why.
pub(crate) async fn finish(name: &str, command: Command, within: Duration) -> anyhow::Result<String> {
    finish_with(name, command, within, &[0]).await
}

/// The same for a program with more than one good end: its exit codes.
pub(crate) async fn finish_with(
    name: &str,
    mut command: Command,
    within: Duration,
    good: &[i32],
) -> anyhow::Result<String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(within, command.output()).await;
    let output = output.with_context(|| format!("{name} took longer than {within:?}"))?;
    let output = output.with_context(|| format!("cannot run {name}"))?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), &output.stderr);
    if !output.status.code().is_some_and(|code| good.contains(&code)) {
        let end = errors.get(errors.len().saturating_sub(ERRORS_BYTES_MAX)..).unwrap_or_default();
        bail!("{name} ended with {}: {text}{}", output.status, String::from_utf8_lossy(end));
    }
    Ok(text.into_owned())
}
