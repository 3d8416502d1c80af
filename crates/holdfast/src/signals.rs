//! SIGTERM, SIGINT and SIGHUP (the terminal is closed) ask the process to finish; a second one ends it at once.
//!
//! One deadline from the signal holds for the whole end, and each step gets what the earlier ones left of it:
//! HTTP at most 5 s, then the writer until Postgres's share begins, then Postgres.

use std::{sync::Arc, sync::OnceLock, time::Duration};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal: as the shell reports an interrupt.
const INTERRUPTED: i32 = 130;
/// From the signal to the last step's end. 10 s are promised; the rest is for the process's own end on a busy machine.
const END_MAX: Duration = Duration::from_secs(9);
/// What the steps before it must leave for Postgres: 2 s for the immediate way, and before it what a usual checkpoint
/// takes. After the 5 s of HTTP this leaves the writer one second: a command waits less than that for its answer.
pub(crate) const POSTGRES_SHARE: Duration = Duration::from_secs(3);

/// The wish to stop, and the time that is left for it.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    token: CancellationToken,
    asked_at: Arc<OnceLock<Instant>>,
}

impl Stop {
    fn new() -> Self {
        Self { token: CancellationToken::new(), asked_at: Arc::default() }
    }

    /// Is cancelled when the process is asked to stop.
    pub(crate) fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Does `work` until it is done or the process is asked to stop.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.token.run_until_cancelled(work).await
    }

    /// Asks by ourselves, or again; the first time counts.
    pub(crate) fn now(&self) {
        self.asked_at.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// What is left until the end but for `share`, which belongs to later steps.
    pub(crate) fn left_but(&self, share: Duration) -> Duration {
        let asked_at = *self.asked_at.get_or_init(Instant::now);
        (asked_at + END_MAX).saturating_duration_since(Instant::now()).saturating_sub(share)
    }
}

/// Listens to the signals.
pub(crate) fn asked_to_stop() -> std::io::Result<Stop> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // `nohup` asks for it to be ignored.
    let mut hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
    let stop = Stop::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        let mut again = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = heard(&mut hangup) => {}
            }
            if again {
                tracing::warn!(
                    "ended at once; a PostgreSQL and a Kafka of its own may go on, and the next start on the folder adopts them"
                );
                std::process::exit(INTERRUPTED);
            }
            again = true;
            asked.now();
            tracing::info!("stopping: what is in flight is finished and answered");
        }
    });
    Ok(stop)
}

/// Waits for a signal that may not be listened to.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP is ignored: the lowest bit of a mask in hexadecimal.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
