//! A handle on a running cluster: connect to it, make databases in it, end it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;
use sqlx::{
    ConnectOptions, Connection, Executor, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::time::timeout;

use crate::{
    ClusterError, Options,
    create::SUPERUSER,
    layout::{LOG_FILE, Layout},
    log::set_aside_if_long,
    postmaster::{Postmaster, end_orphans},
    settings::PORT,
    start,
};

/// How long the server may take to answer one question of ours before it counts as not answering.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a fast shutdown may take. It writes a checkpoint, so it can be long; with the immediate shutdown after it
/// this still fits into the 10 s that the executable has to end in.
const FAST_STOP_MAX: Duration = Duration::from_secs(5);

/// How long an immediate shutdown may take: the server only ends its processes.
const IMMEDIATE_STOP_MAX: Duration = Duration::from_secs(2);

/// The database that always exists, to make others from.
const FIRST_DATABASE: &str = "postgres";

/// SQLSTATE of "the database system is starting up" (or shutting down, or in recovery).
const CANNOT_CONNECT_NOW: &str = "57P03";

/// SQLSTATE of "too many clients already".
const TOO_MANY_CONNECTIONS: &str = "53300";

/// SQLSTATEs of losing the race for a database's name: seen before, and seen at the unique index.
const NAME_TAKEN: [&str; 2] = ["42P04", "23505"];

/// A running private cluster.
///
/// Dropping it does **not** stop Postgres: the server outlives us on purpose, so that a crash of ours costs it
/// nothing and the next start adopts it. Call [`Cluster::stop`] to end it.
#[derive(Debug, Clone)]
pub struct Cluster {
    postmaster: Postmaster,
    socket_folder: PathBuf,
    started_here: bool,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It had ended before it was asked.
    Already,
    /// In order, with a checkpoint: the next start has nothing to recover.
    Fast,
    /// At once, because the fast way took too long: the next start replays its write-ahead log. Nothing is lost.
    Immediate,
}

impl Cluster {
    /// Adopts the server that runs in `data`, or starts one, making folder and cluster if they are missing.
    ///
    /// Started by root, Postgres runs as the account `postgres` or `nobody`, to which its folder is given.
    pub async fn start(data: &Path, options: &Options) -> Result<Self, ClusterError> {
        start::start(data, options).await
    }

    /// The server that runs in `data`; `None` if there is none. Waits for one that is still recovering.
    pub async fn running(data: &Path) -> Result<Option<Self>, ClusterError> {
        match Layout::existing(data)? {
            Some(layout) => start::running(&layout).await,
            None => Ok(None),
        }
    }

    /// Sets the log of the server in `data` aside if it has grown too long; `true` if it had.
    pub fn bound_log(data: &Path) -> std::io::Result<bool> {
        set_aside_if_long(&data.join(LOG_FILE))
    }

    pub(crate) fn new(postmaster: Postmaster, socket_folder: PathBuf, started_here: bool) -> Self {
        Self { postmaster, socket_folder, started_here }
    }

    /// How to connect to `database` as the superuser, over the unix socket.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        // Without pgpass and TLS: the socket's folder is the only guard, and a file of the user's has no say in it.
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_folder)
            .port(PORT)
            .username(SUPERUSER)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// Makes `database` if it is missing; `true` if it was.
    pub async fn ensure_database(&self, database: &str) -> Result<bool, ClusterError> {
        if !is_plain_name(database) {
            return Err(ClusterError::DatabaseName { name: database.to_owned() });
        }
        let failed = |source| ClusterError::Sql { doing: format!("create the database {database}"), source };
        let mut connection = self.connect().await.map_err(failed)?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(database)
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        if exists {
            return Ok(false);
        }
        match connection.execute(format!("CREATE DATABASE {database}").as_str()).await {
            Ok(_) => Ok(true),
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| NAME_TAKEN.contains(&&*code)) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether this handle started the server, rather than adopting it.
    pub fn was_started_here(&self) -> bool {
        self.started_here
    }

    /// Process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.postmaster.pid()
    }

    /// The folder of the unix socket.
    pub fn socket_folder(&self) -> &Path {
        &self.socket_folder
    }

    /// Whether the server's main process lives; it may still be starting, ending or out of connections.
    pub fn is_alive(&self) -> bool {
        self.postmaster.is_alive()
    }

    /// Ends the server: in order within 5 s, else at once. Connections are cut, their open transactions rolled back.
    pub async fn stop(&self) -> Result<Stop, ClusterError> {
        stop(&self.postmaster, FAST_STOP_MAX).await
    }

    /// Ends whatever there is of a server in `data` within `limit`: one that answers, one that is only starting, or
    /// what a killed one left. For who owns the folder and may have been interrupted in [`Cluster::start`].
    ///
    /// The immediate way is tried even if `limit` has no time for it; it only ends processes.
    pub async fn stop_whatever_runs(data: &Path, limit: Duration) -> Result<Stop, ClusterError> {
        let Some(layout) = Layout::existing(data)? else { return Ok(Stop::Already) };
        let way = match Postmaster::find(&layout.cluster)? {
            Some(postmaster) => stop(&postmaster, limit.saturating_sub(IMMEDIATE_STOP_MAX)).await?,
            None => Stop::Already,
        };
        end_orphans(&layout.cluster, IMMEDIATE_STOP_MAX).await?;
        Ok(way)
    }

    /// Kills the postmaster as a crash would (SIGKILL), for fault tests. Its children notice and end by themselves.
    pub fn kill(&self) -> Result<(), ClusterError> {
        self.postmaster.signal(Signal::KILL).map(|_| ())
    }

    /// Whether anybody is connected but for those of the given `application_name`.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn is_in_use_but_by(&self, application_name: &str) -> Result<bool, ClusterError> {
        let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity
                                  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                                  AND application_name <> $1)";
        let asked = async {
            let mut connection = self.connect().await?;
            let in_use = sqlx::query_scalar(sql).bind(application_name).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(in_use)
        };
        asked.await.map_err(|source| ClusterError::Sql {
            doing: format!("ask PostgreSQL in {} who uses it", self.socket_folder.display()),
            source,
        })
    }

    /// Whether a connection can be made. An error is an answer that waiting will not change.
    pub(crate) async fn answers(&self) -> Result<bool, ClusterError> {
        match timeout(ANSWER_MAX, self.connect()).await {
            Ok(Ok(connection)) => {
                // Whether it closes in good order says nothing about the server's readiness.
                let _ = connection.close().await;
                Ok(true)
            }
            Ok(Err(sqlx::Error::Database(error))) => match error.code().as_deref() {
                Some(CANNOT_CONNECT_NOW) => Ok(false),
                Some(TOO_MANY_CONNECTIONS) => Ok(true),
                _ => Err(ClusterError::Sql {
                    doing: format!("connect to PostgreSQL in {}", self.socket_folder.display()),
                    source: sqlx::Error::Database(error),
                }),
            },
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.connect_options(FIRST_DATABASE).connect().await
    }
}

/// Asks for the fast way, and after `fast` for the immediate one.
async fn stop(postmaster: &Postmaster, fast: Duration) -> Result<Stop, ClusterError> {
    let ways = [(Signal::INT, fast, Stop::Fast), (Signal::QUIT, IMMEDIATE_STOP_MAX, Stop::Immediate)];
    let mut asked = Stop::Already;
    for (signal, limit, way) in ways {
        if !postmaster.signal(signal)? {
            return Ok(asked);
        }
        asked = way;
        if postmaster.gone_within(limit).await {
            return Ok(way);
        }
    }
    Err(ClusterError::StillRunning { pid: postmaster.pid(), folder: postmaster.folder().to_owned() })
}

/// A name that Postgres takes without quotes.
fn is_plain_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.len() <= 63 && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed)
}
