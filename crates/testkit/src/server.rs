//! The Postgres server that all tests of this machine share.
//!
//! It is started once, by whichever test comes first, and adopted by the others and by later runs; `scripts/test`
//! stops it. `HOLDFAST_TEST_POSTGRES` (a URL) names another server to use instead.

use std::{env, fs, path::PathBuf, process, str::FromStr};

use holdfast_cluster::{Cluster, Options};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::sync::OnceCell;

use crate::place;

/// Connections of the shared server: every test thread with a pool or two, and tests that open dozens.
const CONNECTIONS_MAX: u16 = 300;

/// Names of test databases begin like this, followed by the maker's process id and start time and a count.
const PREFIX: &str = "test_";

/// Key of the advisory lock of whoever removes leftover databases: the letters "tidy".
const TIDY_LOCK: i64 = 0x7469_6479;

static SHARED: OnceCell<PgConnectOptions> = OnceCell::const_new();

/// Server settings of test servers: as in production, with less memory.
pub(crate) fn options() -> Options {
    Options { shared_buffers_mib: 128, connections_max: CONNECTIONS_MAX, ..Options::default() }
}

/// How to reach the shared server's first database; starts the server if nobody has yet.
pub(crate) async fn shared() -> PgConnectOptions {
    let start = || async {
        if let Ok(url) = env::var("HOLDFAST_TEST_POSTGRES") {
            return PgConnectOptions::from_str(&url).expect("HOLDFAST_TEST_POSTGRES is a postgres:// URL");
        }
        let data = place::shared_data();
        let cluster =
            Cluster::start(&data, &options()).await.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let server = cluster.connect_options("postgres");
        remove_leftovers(&server).await.expect("leftover test databases can be listed");
        server
    };
    SHARED.get_or_init(start).await.clone()
}

/// An error with everything below it, for a panic.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A name that no other test has, on this machine since it was switched on.
pub(crate) fn unique_name(nth: u64) -> String {
    let me = process::id();
    format!("{PREFIX}{me}_{}_{nth}", started(me).expect("/proc lists this process"))
}

/// Removes databases whose makers are gone: killed tests, and failed ones that kept theirs for a look.
async fn remove_leftovers(server: &PgConnectOptions) -> sqlx::Result<()> {
    let mut connection: PgConnection = server.connect().await?;
    let first: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(TIDY_LOCK)
        .fetch_one(&mut connection)
        .await?;
    if first {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT datname FROM pg_database").fetch_all(&mut connection).await?;
        for name in names.iter().filter(|name| is_left_over(name)) {
            // It may be gone by now: its maker's last act is to drop it.
            let dropped =
                connection.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)").as_str()).await;
            if let Err(error) = dropped {
                eprintln!("testkit: could not drop {name}: {error}");
            }
        }
    }
    connection.close().await
}

/// Whether it is a test database whose maker has ended.
fn is_left_over(database: &str) -> bool {
    let mut parts = database.strip_prefix(PREFIX).unwrap_or_default().split('_');
    let maker = parts.next().and_then(|pid| pid.parse().ok());
    let began = parts.next().and_then(|ticks| ticks.parse().ok());
    matches!((maker, began), (Some(pid), Some(ticks)) if started(pid) != Some(ticks))
}

/// When a process started, in clock ticks since boot; `None` if it is gone.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
    // The name stands in parentheses and may hold anything; the start time is the 20th field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_databases_of_ended_processes_are_left_over() {
        assert!(!is_left_over(&unique_name(0)));
        let me = process::id();
        assert!(is_left_over(&format!("test_{me}_1_0")), "same number, other process");
        assert!(!is_left_over("holdfast") && !is_left_over("test_data") && !is_left_over("postgres"));
    }
}
