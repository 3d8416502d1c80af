//! The database a role works on: an embedded system's cluster, running or not, or a given Postgres.
//!
//! Who holds the lock of a data folder may start and stop the Postgres in it. A subcommand beside a running server
//! does neither: it would otherwise bring back a Postgres that the server is stopping, or take away the one it uses.

use crate::config::{Access, Target};
use anyhow::Context as _;
use holdfast_cluster::{Cluster, ClusterError, DataFolder, FolderError, Options};
use sqlx::{PgPool, postgres::PgConnectOptions, postgres::PgPoolOptions};
use std::path::Path;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Name of the embedded system's database.
const DATABASE: &str = "holdfast";
/// Connections of one process besides its flushers': reads, loads, projectors.
const POOL_CONNECTIONS_MAX: u32 = 16;
/// How long a query waits for a connection: Postgres is gone, and the caller is told within a second.
const ACQUIRE_MAX: Duration = Duration::from_millis(900);
/// How long a subcommand waits for the Postgres of the process that has the folder: a first start makes its cluster,
/// a later one may recover for some seconds.
const BESIDE_MAX: Duration = Duration::from_secs(30);
/// How often it looks.
const BESIDE_EVERY: Duration = Duration::from_millis(100);
/// How long connections may take to be closed in good order; what comes after cuts them.
const DISCONNECT_MAX: Duration = Duration::from_millis(300);

pub(crate) struct System {
    pub(crate) pool: PgPool,
    pub(crate) connect: PgConnectOptions,
    /// Postgres and the folder's lock, of a subcommand that works on a system that is not running: nobody starts it
    /// meanwhile.
    alone: Option<(Cluster, DataFolder)>,
}

impl System {
    /// Opens what the flags name. An embedded system that is not running is started for the while.
    pub(crate) async fn open(access: &Access) -> anyhow::Result<Self> {
        let data = match access.target()? {
            Target::Folder(data) => data,
            Target::Database(url) => return Self::database(&url),
        };
        match lock(&data) {
            Ok(folder) => {
                let (system, cluster) = Self::embedded(folder.path()).await?;
                Ok(Self { alone: Some((cluster, folder)), ..system })
            }
            Err(error) if matches!(error.downcast_ref(), Some(FolderError::InUse { .. })) => {
                Self::beside(&data).await.with_context(|| format!("{error:#}"))
            }
            Err(error) => Err(error),
        }
    }

    /// A Postgres that somebody else looks after.
    pub(crate) fn database(url: &str) -> anyhow::Result<Self> {
        let connect = url
            .parse()
            .context("the database's URL is not a Postgres URL, such as postgres://user@host/database")?;
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
        let connect = connect.application_name("holdfast");
        let pool = PgPoolOptions::new()
            .max_connections(POOL_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_lazy_with(connect.clone());
        Self { pool, connect, alone: None }
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

    /// Closes connections, and stops the cluster if this process started it for itself.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.disconnect().await;
        match &self.alone {
            Some((cluster, _locked)) if cluster.was_started_here() => {
                cluster.stop().await.map(drop).context("Postgres was not stopped")
            }
            _ => Ok(()),
        }
    }
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
