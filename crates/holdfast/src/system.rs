//! The database a role works on: an embedded system's cluster, running or not, or a given Postgres.
//!
//! Who holds the lock of a data folder may start and stop the Postgres in it. A subcommand beside a running server
//! does neither: it would otherwise bring back a Postgres that the server is stopping, or take away the one it uses.
//! Where no server runs, whichever subcommand leaves last stops it, also when it was asked to stop itself.

use crate::config::{Access, Target};
use crate::signals;
use anyhow::Context as _;
use holdfast_cluster::{Cluster, ClusterError, DataFolder, FolderError, Options};
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgConnectOptions, postgres::PgPoolOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Name of the embedded system's database.
const DATABASE: &str = "holdfast";
/// Connections of one process besides those of its flushers, its projectors and its HTTP side (`holdfast_api::Pools`).
const POOL_CONNECTIONS_MAX: u32 = 16;
/// How long a query waits for a connection: Postgres is gone, and the caller is told within a second.
const ACQUIRE_MAX: Duration = Duration::from_millis(900);
/// How long a subcommand waits for the Postgres of the process that has the folder: a first start makes its cluster,
/// a later one may recover for some seconds.
const BESIDE_MAX: Duration = Duration::from_secs(30);
/// How often it looks.
const BESIDE_EVERY: Duration = Duration::from_millis(100);
/// How long connections may take to be closed in good order; what comes after cuts them.
pub(crate) const DISCONNECT_MAX: Duration = Duration::from_millis(300);
/// How long a given Postgres may take to accept a first connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How often who leaves looks whether somebody else still uses Postgres: of two that leave at the same moment, one is
/// gone when the other looks again.
const LEAVE_LOOKS: u32 = 10;
/// How often it tries for a lock that somebody has: a server has it for good, another that is leaving for a moment.
const LEAVE_LOCKS: u32 = 3;
/// Between two looks or tries.
const LEAVE_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct System {
    pub(crate) pool: PgPool,
    pub(crate) connect: PgConnectOptions,
    /// The embedded system's folder.
    folder: Option<PathBuf>,
    /// Its lock, of a subcommand that works on a system that is not running: nobody starts it meanwhile.
    lock: Option<DataFolder>,
}

impl System {
    /// Opens what the flags name, works on it, and closes it. None: the process was asked to stop meanwhile.
    pub(crate) async fn with<T>(
        access: &Access,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<Option<T>> {
        let stop = signals::asked_to_stop()?;
        let system = Self::open(access).await?;
        let outcome = stop.or(work(&system)).await.transpose();
        let closed = system.close().await;
        let outcome = outcome?;
        closed.map(|()| outcome)
    }

    /// The same for a server, which ends by itself when its token is cancelled: in its own order, and in bounded time.
    pub(crate) async fn serve(
        access: &Access,
        server: impl AsyncFnOnce(&Self, CancellationToken) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let stop = signals::asked_to_stop()?;
        let system = Self::open(access).await?;
        let served = server(&system, stop.token()).await;
        let closed = system.close().await;
        served.and(closed)
    }

    /// The embedded system's folder.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The same for what is of no use half done.
    pub(crate) async fn with_all_of<T>(
        access: &Access,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        Self::with(access, work).await?.context("it was asked to stop before it was done")
    }

    /// An embedded system that is not running is started for the while.
    async fn open(access: &Access) -> anyhow::Result<Self> {
        let data = match access.target()? {
            Target::Folder(data) => data,
            Target::Database(url) => return Self::database(&url).await,
        };
        match lock(&data) {
            Ok(folder) => {
                let (system, _) = Self::embedded(folder.path()).await?;
                Ok(Self { folder: Some(data), lock: Some(folder), ..system })
            }
            Err(error) if matches!(error.downcast_ref(), Some(FolderError::InUse { .. })) => {
                let system = Self::beside(&data).await.with_context(|| format!("{error:#}"))?;
                Ok(Self { folder: Some(data), ..system })
            }
            Err(error) => Err(error),
        }
    }

    /// A Postgres that somebody else looks after, and that answers.
    pub(crate) async fn database(url: &str) -> anyhow::Result<Self> {
        let connect: PgConnectOptions = url
            .parse()
            .context("the database's URL is not a Postgres URL, such as postgres://user@host/database")?;
        let place = || {
            let database = connect.get_database().unwrap_or("the default database");
            format!(
                "{database} of Postgres at {}:{} could not be reached",
                connect.get_host(),
                connect.get_port()
            )
        };
        let first = timeout(CONNECT_MAX, PgConnection::connect_with(&connect)).await.with_context(place)?;
        // Whether it is closed in good order says nothing about those that follow.
        drop(first.with_context(place)?.close().await);
        Ok(Self::new(connect))
    }

    /// The cluster in a data folder that this process has locked, started if it is not running, made if it is not
    /// there. Stopping it is the caller's.
    pub(crate) async fn embedded(data: &Path) -> anyhow::Result<(Self, Cluster)> {
        let cluster = Cluster::start(data, &Options::default()).await?;
        cluster.ensure_database(DATABASE).await?;
        Ok((Self::new(cluster.connect_options(DATABASE)), cluster))
    }

    /// The cluster of the process that has the folder, as soon as it answers.
    async fn beside(data: &Path) -> anyhow::Result<Self> {
        let cluster = timeout(BESIDE_MAX, answering(data)).await.with_context(|| {
            format!("its PostgreSQL does not answer for {} s; try again when it does", BESIDE_MAX.as_secs())
        })??;
        Ok(Self::new(cluster.connect_options(DATABASE)))
    }

    fn new(connect: PgConnectOptions) -> Self {
        let connect = connect.application_name(&application_name());
        let pool = PgPoolOptions::new()
            .max_connections(POOL_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_lazy_with(connect.clone());
        Self { pool, connect, folder: None, lock: None }
    }

    /// Migrates, and writes the log's identity if it is new. Returns the number of partitions.
    pub(crate) async fn migrate(&self, partitions: Option<u16>) -> anyhow::Result<u16> {
        holdfast_event_log::MIGRATIONS.run(&self.pool).await.context("the migrations did not run")?;
        let mut connection = self.pool.acquire().await.context("Postgres could not be reached")?;
        Ok(holdfast_event_log::initialize(&mut connection, partitions).await?)
    }

    /// Closes connections.
    pub(crate) async fn disconnect(&self) {
        if timeout(DISCONNECT_MAX, self.pool.close()).await.is_err() {
            tracing::debug!("connections are still in use; they end with the process");
        }
    }

    /// Closes connections, and stops an embedded system's cluster if nobody else uses it any more.
    async fn close(self) -> anyhow::Result<()> {
        self.disconnect().await;
        drop(self.lock);
        let Some(folder) = &self.folder else { return Ok(()) };
        let (mut looks, mut locks) = (LEAVE_LOOKS, LEAVE_LOCKS);
        while looks > 0 && locks > 0 {
            if let Ok(lock) = lock(folder) {
                let Some(cluster) = Cluster::running(lock.path()).await? else { return Ok(()) };
                if !cluster.is_in_use_but_by(&application_name()).await? {
                    return cluster.stop().await.map(drop).context("Postgres was not stopped");
                }
                looks -= 1;
            } else {
                locks -= 1;
            }
            sleep(LEAVE_EVERY).await;
        }
        Ok(())
    }
}

/// Names this process's connections: those that it has closed may be seen for a while.
fn application_name() -> String {
    format!("holdfast {}", std::process::id())
}

/// Locks the folder of an embedded system that exists.
pub(crate) fn lock(data: &Path) -> anyhow::Result<DataFolder> {
    anyhow::ensure!(
        data.join("postgres").is_dir(),
        "there is no embedded system in {}; `holdfast up --data {}` makes one, or give --data or DATABASE_URL",
        data.display(),
        data.display(),
    );
    Ok(DataFolder::open(data)?)
}

async fn answering(data: &Path) -> Result<Cluster, ClusterError> {
    loop {
        if let Some(cluster) = Cluster::running(data).await? {
            return Ok(cluster);
        }
        sleep(BESIDE_EVERY).await;
    }
}
