//! A database of one test: fresh, migrated, gone afterwards.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Executor, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Proxy, server, sync};

/// The workspace's migrations, read when a test runs: a new one needs no rebuild of this crate.
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

/// Connections of one test's pool: more than the server has cores, few enough for many tests at once.
const POOL_CONNECTIONS_MAX: u32 = 8;

/// How long a test waits for a connection before it fails: a busy machine, not a forgotten connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(20);

static MADE: AtomicU64 = AtomicU64::new(0);

/// A fresh database with all migrations, on the server that all tests share.
pub async fn database() -> TestDatabase {
    TestDatabase::make(&server::shared().await, true).await
}

/// A fresh database without any table, for tests of the migrations themselves.
pub async fn empty_database() -> TestDatabase {
    TestDatabase::make(&server::shared().await, false).await
}

/// A database that is dropped with this value; one whose test failed is kept for a look until the next run.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: PgConnectOptions,
    pool: PgPool,
}

impl TestDatabase {
    pub(crate) async fn make(server: &PgConnectOptions, migrated: bool) -> Self {
        let name = server::unique_name(MADE.fetch_add(1, Ordering::Relaxed));
        run_on(server, &format!("CREATE DATABASE {name}")).await.expect("a database can be made");
        let options = server.clone().database(&name);
        let pool = PgPoolOptions::new().max_connections(POOL_CONNECTIONS_MAX).acquire_timeout(ACQUIRE_MAX);
        let pool = pool.connect_with(options).await.expect("the new database takes connections");
        if migrated {
            let migrations = Migrator::new(Path::new(MIGRATIONS)).await.expect("the migrations can be read");
            migrations.run(&pool).await.unwrap_or_else(|error| panic!("{}", server::chain(&error)));
        }
        Self { name, server: server.clone(), pool }
    }

    /// Connections to it.
    pub fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    /// How to connect to it.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    /// The same as a URL, for another process.
    pub fn url(&self) -> String {
        self.connect_options().to_url_lossy().to_string()
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A proxy in front of it.
    pub fn proxy(&self) -> Proxy {
        Proxy::before(&self.connect_options())
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("testkit: kept the database for a look, until the next run: {}", self.url());
            return;
        }
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        sync::finish(async {
            match run_on(&self.server, &drop).await {
                // A test that stopped its own server has no database left to drop.
                Ok(()) | Err(sqlx::Error::Io(_)) => {}
                Err(error) => eprintln!("testkit: could not drop {}: {error}", self.name),
            }
        });
    }
}

async fn run_on(server: &PgConnectOptions, statement: &str) -> sqlx::Result<()> {
    let mut connection = server.connect().await?;
    connection.execute(statement).await?;
    connection.close().await
}
