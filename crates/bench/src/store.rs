//! What is really stored: asked of Postgres, not of the server that is measured.

use anyhow::{Context as _, ensure};
use holdfast_availability::Availability;
use holdfast_booking_history::BookingHistory;
use holdfast_cluster::Cluster;
use holdfast_event_log::{Identity, LogPosition, RawEvent, read_raw_after_each};
use holdfast_projector::Positions;
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{path::Path, time::Duration};
use tokio::time::{Instant, sleep};

/// The embedded system's database.
const DATABASE: &str = "holdfast";
/// The notifier, as its checkpoints know it.
const NOTIFIER: &str = "notifier";
/// Between two looks at the read models: the resolution of "until they have caught up".
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Between two looks at the lag during a load: enough to see it grow, and too few to be felt.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// Nothing new for this long means that the last answers are stored: an append takes milliseconds.
const QUIET_FOR: Duration = Duration::from_millis(300);
/// How long the log may take to become quiet.
const QUIET_WITHIN: Duration = Duration::from_secs(10);

/// The database of a running system.
#[derive(Debug)]
pub(crate) struct Store {
    pool: PgPool,
    postmaster: u32,
}

impl Store {
    /// Connects to the Postgres that runs in a data folder.
    pub(crate) async fn of(data: &Path) -> anyhow::Result<Self> {
        let cluster = Cluster::running(data).await?.context("no Postgres runs in the data folder")?;
        let pool = PgPoolOptions::new().max_connections(2);
        let pool = pool.connect_with(cluster.connect_options(DATABASE)).await?;
        Ok(Self { pool, postmaster: cluster.pid() })
    }

    /// Process id of Postgres's first process.
    pub(crate) fn postmaster(&self) -> u32 {
        self.postmaster
    }

    /// Postgres's own version, without the distribution's.
    pub(crate) async fn version(&self) -> anyhow::Result<String> {
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&self.pool).await?;
        Ok(version.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Events in the log.
    pub(crate) async fn events(&self) -> anyhow::Result<i64> {
        let heads = holdfast_event_log::heads(&self.pool).await.context("the log's heads cannot be read")?;
        Ok(heads.iter().map(|head| head.position).sum())
    }

    /// The log's identity.
    pub(crate) async fn log(&self) -> anyhow::Result<Identity> {
        Ok(holdfast_event_log::identity(&self.pool).await?)
    }

    /// The first events of the log, at most so many, spread over its partitions as they are there.
    pub(crate) async fn first_events(&self, limit: i64) -> anyhow::Result<Vec<RawEvent>> {
        let partitions = 0..self.log().await?.partitions;
        let beginning = partitions.map(|log_partition| LogPosition { log_partition, position: 0 });
        Ok(read_raw_after_each(&self.pool, &beginning.collect::<Vec<_>>(), limit).await?)
    }

    /// Events that a read model has; none before its projector has run.
    pub(crate) async fn folded(&self, model: &str) -> i64 {
        let sql = format!("SELECT coalesce(sum(position), 0)::bigint FROM {}.checkpoints", schema(model));
        sqlx::query_scalar(&sql).fetch_one(&self.pool).await.unwrap_or(0)
    }

    /// Forgets a read model, so that its projector begins at position 1.
    pub(crate) async fn forget(&self, model: &str) -> anyhow::Result<()> {
        sqlx::query(&format!("DROP SCHEMA IF EXISTS {} CASCADE", schema(model))).execute(&self.pool).await?;
        Ok(())
    }

    /// Events in the log once nothing is added any more.
    pub(crate) async fn events_when_quiet(&self) -> anyhow::Result<i64> {
        let began = Instant::now();
        let mut events = self.events().await?;
        loop {
            sleep(QUIET_FOR).await;
            let now = self.events().await?;
            if now == events {
                return Ok(now);
            }
            ensure!(
                began.elapsed() < QUIET_WITHIN,
                "events are still being added {QUIET_WITHIN:?} after the load"
            );
            events = now;
        }
    }

    /// Events that the slower read model lacks.
    pub(crate) async fn lag(&self) -> anyhow::Result<i64> {
        let (availability, history) =
            (Positions::of::<Availability>(&self.pool), Positions::of::<BookingHistory>(&self.pool));
        let doing = "the read models' positions cannot be read";
        Ok(availability.lag().await.context(doing)?.max(history.lag().await.context(doing)?))
    }

    /// Whether the notifier has read the whole log, and nothing in this queue waits to be sent.
    pub(crate) async fn is_notified(&self, queue: &str) -> anyhow::Result<bool> {
        if self.folded(NOTIFIER).await < self.events().await? {
            return Ok(false);
        }
        let sql = format!("SELECT NOT EXISTS (SELECT FROM {queue} WHERE state = 'pending')");
        Ok(sqlx::query_scalar(&sql).fetch_one(&self.pool).await?)
    }

    /// Waits until the notifier has read the whole log.
    pub(crate) async fn notified(&self, within: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.folded(NOTIFIER).await < self.events().await? {
            ensure!(began.elapsed() < within, "the notifier has not read the log after {within:?}");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// What waits in a queue of the notifier.
    pub(crate) async fn waiting(&self, queue: &str) -> anyhow::Result<i64> {
        let sql = format!("SELECT count(*) FROM {queue} WHERE state = 'pending'");
        Ok(sqlx::query_scalar(&sql).fetch_one(&self.pool).await?)
    }

    /// What was delivered of it.
    pub(crate) async fn delivered(&self, queue: &str) -> anyhow::Result<i64> {
        let sql = format!("SELECT count(*) FROM {queue} WHERE state = 'delivered'");
        Ok(sqlx::query_scalar(&sql).fetch_one(&self.pool).await?)
    }

    /// Looks at the lag now and then, for as long as it is polled, and keeps the most in `most`.
    pub(crate) async fn watch_lag(&self, most: &mut i64) -> anyhow::Result<()> {
        loop {
            *most = self.lag().await?.max(*most);
            sleep(WATCH_EVERY).await;
        }
    }

    /// Waits until both read models have everything. Returns how long that took.
    pub(crate) async fn caught_up(&self, within: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        loop {
            let lag = self.lag().await?;
            if lag == 0 {
                return Ok(began.elapsed());
            }
            ensure!(began.elapsed() < within, "the read models still lack {lag} events after {within:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Does what autovacuum would do within a minute, so that it does not do it while something is measured.
    pub(crate) async fn tidy(&self) -> anyhow::Result<()> {
        sqlx::query("VACUUM (ANALYZE)").execute(&self.pool).await?;
        Ok(())
    }

    /// Lets go of the connections, so that Postgres can be stopped.
    pub(crate) async fn close(self) {
        self.pool.close().await;
    }
}

/// The Postgres schema of a read model, by its name on the command line.
fn schema(model: &str) -> String {
    model.replace('-', "_")
}
