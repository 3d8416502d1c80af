//! The database a role works on: an embedded system's cluster, running or not, or a given Postgres.

use crate::config::Access;
use anyhow::Context as _;
use holdfast_cluster::{Cluster, DataFolder, FolderError, Options};
use sqlx::{PgPool, postgres::PgConnectOptions, postgres::PgPoolOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the embedded system's database.
const DATABASE: &str = "holdfast";
/// Folder of the embedded system when nothing is said.
const DATA_DEFAULT: &str = "./.holdfast";
/// Connections of one process besides its flushers': reads, loads, projectors.
const POOL_CONNECTIONS_MAX: u32 = 16;
/// How long a query waits for a connection: Postgres is gone, and the caller is told within a second.
const ACQUIRE_MAX: Duration = Duration::from_millis(900);

pub(crate) struct System {
    pub(crate) pool: PgPool,
    pub(crate) connect: PgConnectOptions,
    cluster: Option<Cluster>,
    /// Held while a subcommand works on a system that is not running, so that nobody starts it meanwhile.
    _folder: Option<DataFolder>,
}

impl System {
    /// Opens what the flags name. An embedded system that is not running is started for the while.
    pub(crate) async fn open(access: &Access) -> anyhow::Result<Self> {
        match (&access.data, &access.database_url) {
            (Some(data), _) => Self::existing(data).await,
            (None, Some(url)) => {
                let connect = url
                    .parse()
                    .context("DATABASE_URL is not a Postgres URL, such as postgres://user@host/database")?;
                Ok(Self::new(connect, None))
            }
            (None, None) => Self::existing(&PathBuf::from(DATA_DEFAULT)).await,
        }
    }

    async fn existing(data: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(
            data.join("postgres").is_dir(),
            "there is no embedded system in {}; `holdfast up --data {}` makes one, or give --data or DATABASE_URL",
            data.display(),
            data.display(),
        );
        let folder = match DataFolder::open(data) {
            Ok(folder) => Some(folder),
            Err(FolderError::InUse { .. }) => None, // a server runs: work beside it
            Err(error) => return Err(error.into()),
        };
        Ok(Self { _folder: folder, ..Self::embedded(data).await? })
    }

    /// The cluster in a data folder, started if it is not running, made if it is not there.
    pub(crate) async fn embedded(data: &Path) -> anyhow::Result<Self> {
        let cluster = Cluster::start(data, &Options::default()).await?;
        cluster.ensure_database(DATABASE).await?;
        Ok(Self::new(cluster.connect_options(DATABASE), Some(cluster)))
    }

    fn new(connect: PgConnectOptions, cluster: Option<Cluster>) -> Self {
        let connect = connect.application_name("holdfast");
        let pool = PgPoolOptions::new()
            .max_connections(POOL_CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_lazy_with(connect.clone());
        Self { pool, connect, cluster, _folder: None }
    }

    /// Migrates, and writes the log's identity if it is new. Returns the number of partitions.
    pub(crate) async fn migrate(&self, partitions: Option<u16>) -> anyhow::Result<u16> {
        holdfast_event_log::MIGRATIONS.run(&self.pool).await.context("the migrations did not run")?;
        let mut connection = self.pool.acquire().await.context("Postgres could not be reached")?;
        Ok(holdfast_event_log::initialize(&mut connection, partitions).await?)
    }

    /// Closes connections, and stops the cluster if this process started it.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        match self.cluster {
            Some(cluster) if cluster.was_started_here() => {
                cluster.stop().await.map(|_| ()).context("Postgres was not stopped")
            }
            _ => Ok(()),
        }
    }

    /// Stops the embedded cluster whoever started it: `up` owns the data folder.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.pool.close().await;
        match self.cluster {
            Some(cluster) => cluster.stop().await.map(|_| ()).context("Postgres was not stopped"),
            None => Ok(()),
        }
    }
}
