//! A server on a Postgres of its own: starts it, brings it back when it dies, ends it in the end.
//!
//! For a process that holds the data folder's lock; nobody else starts or stops that Postgres, so nobody else would
//! bring it back. Writer, projectors and pools find it again by themselves: its socket stays where it was.

use crate::signals::Stop;
use crate::system::System;
use anyhow::Context as _;
use holdfast_cluster::{Cluster, DataFolder, Options};
use std::{path::PathBuf, time::Duration};
use tokio::time::sleep;

/// How often Postgres is looked at, and so how long its death may go unnoticed. A look reads two files of /proc.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks after which the length of its log is looked at: ten seconds.
const LOG_LOOKS: u32 = 40;
/// First pause after a start that failed.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// Longest pause: a full disk or a missing program is not cured by trying faster.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Runs `serve` on the Postgres in `folder`, until it ends or Postgres cannot be started at first.
pub(crate) async fn with_own_postgres(
    folder: &DataFolder,
    stop: &Stop,
    serve: impl AsyncFnOnce(&System) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // One that does not become ready in time is left to its recovery, as the error says.
    let served = match stop.or(System::embedded(folder.path())).await.transpose()? {
        Some((system, cluster)) => {
            let keeper = tokio::spawn(keep(cluster, folder.path().to_owned(), stop.clone()));
            let served = serve(&system).await;
            stop.now();
            // Not stopped in the middle of a start, whose Postgres would then outlive us.
            let kept = keeper.await.context("the task that keeps Postgres running failed");
            system.disconnect().await;
            served.and(kept)
        }
        None => Ok(()), // asked to stop before Postgres answered
    };
    let ended = Cluster::stop_whatever_runs(folder.path(), stop.left_but(Duration::ZERO)).await;
    served.and(ended.map(drop).context("Postgres was not stopped"))
}

/// Starts Postgres again whenever it has died, until `stop`.
async fn keep(mut cluster: Cluster, data: PathBuf, stop: Stop) {
    let mut looks = 0;
    while stop.or(sleep(LOOK_EVERY)).await.is_some() {
        looks = (looks + 1) % LOG_LOOKS;
        if looks == 0 {
            bound_log(&data).await;
        }
        if cluster.is_alive() {
            continue;
        }
        tracing::warn!(pid = cluster.pid(), "PostgreSQL has died; it is started again");
        match stop.or(start_again(&data)).await {
            Some(started) => cluster = started,
            None => return,
        }
        tracing::info!(pid = cluster.pid(), "PostgreSQL is back");
    }
}

/// Sets the log of Postgres aside if it is too long. Copying it takes the disk some milliseconds.
async fn bound_log(data: &std::path::Path) {
    let data = data.to_owned();
    let bounded = tokio::task::spawn_blocking(move || Cluster::bound_log(&data)).await;
    if let Ok(Err(error)) = bounded {
        tracing::warn!(%error, "the log of PostgreSQL could not be set aside; it grows");
    }
}

async fn start_again(data: &std::path::Path) -> Cluster {
    let mut pause = RETRY_MIN;
    loop {
        match Cluster::start(data, &Options::default()).await {
            Ok(cluster) => return cluster,
            Err(error) => {
                let error = anyhow::Error::new(error);
                tracing::error!("PostgreSQL could not be started, it is tried again: {error:#}");
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}
