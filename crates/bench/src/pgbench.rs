//! The yardsticks: pgbench's single-row INSERT into a table like ours, and its select of one row by its key, on the same
//! Postgres with the same settings.

use crate::{child::finish, usage};
use anyhow::Context as _;
use holdfast_cluster::Cluster;
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{process::Command, time::Instant};

/// One transaction that inserts.
const SCRIPT: &str = include_str!("../pgbench.sql");
/// Its database. For inserts it is made by our own migrations, so the table has our columns and indexes.
const DATABASE: &str = "yardstick";
/// Clients, as in all our figures since the first.
const CLIENTS: u32 = 32;
/// What pgbench may take beyond its time.
const EXTRA_MAX: Duration = Duration::from_secs(20);
/// How long it may take to fill its table.
const FILL_MAX: Duration = Duration::from_secs(60);

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yardstick {
    /// Transactions a second.
    pub(crate) rate: f64,
    /// Average milliseconds from a client's view.
    pub(crate) latency: f64,
    /// CPU seconds of Postgres per transaction.
    pub(crate) postgres: f64,
    /// CPU seconds of pgbench per transaction.
    pub(crate) own: f64,
    /// Cores that were busy with anything else.
    pub(crate) others: f64,
}

/// Inserts on a running cluster; its database is gone afterwards.
pub(crate) async fn inserts(cluster: &Cluster, folder: &Path, seconds: u64) -> anyhow::Result<Yardstick> {
    let script = folder.join("pgbench.sql");
    fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
    cluster.ensure_database(DATABASE).await?;
    let mut connection = PgConnection::connect_with(&cluster.connect_options(DATABASE)).await?;
    holdfast_event_log::MIGRATIONS
        .run(&mut connection)
        .await
        .context("the yardstick's tables cannot be made")?;
    connection.close().await?;
    let mut pgbench = load(cluster, seconds)?;
    pgbench.args(["-D", "sequence=0", "-f"]).arg(script).arg(DATABASE);
    let outcome = measure(cluster, pgbench, seconds).await;
    drop_database(cluster).await?;
    outcome
}

/// pgbench's own select of one row by its key, of 100,000, on a running cluster; its database is gone afterwards.
pub(crate) async fn selects(cluster: &Cluster, seconds: u64) -> anyhow::Result<Yardstick> {
    cluster.ensure_database(DATABASE).await?;
    let mut fill = command(cluster)?;
    fill.args(["-i", "-q", "-s", "1", DATABASE]);
    finish("pgbench -i", fill, FILL_MAX).await?;
    let mut pgbench = load(cluster, seconds)?;
    pgbench.args(["-S", DATABASE]);
    let outcome = measure(cluster, pgbench, seconds).await;
    drop_database(cluster).await?;
    outcome
}

async fn measure(cluster: &Cluster, pgbench: Command, seconds: u64) -> anyhow::Result<Yardstick> {
    let (postgres, own) = (usage::cpu_of_family(cluster.pid())?, usage::cpu_of_ended_children());
    let (machine, began) = (usage::cpu_of_machine(), Instant::now());
    let printed = finish("pgbench", pgbench, Duration::from_secs(seconds) + EXTRA_MAX).await?;
    let postgres = usage::cpu_of_family(cluster.pid())? - postgres;
    let own = usage::cpu_of_ended_children() - own;
    let others = (usage::cpu_of_machine() - machine - postgres - own) / began.elapsed().as_secs_f64();
    let figure = |label| number(&printed, label).with_context(|| format!("no `{label}` in: {printed}"));
    let transactions = figure("number of transactions actually processed: ")?.max(1.0);
    Ok(Yardstick {
        rate: figure("tps = ")?,
        latency: figure("latency average = ")?,
        postgres: postgres / transactions,
        own: own / transactions,
        others,
    })
}

async fn drop_database(cluster: &Cluster) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(&cluster.connect_options("postgres")).await?;
    connection.execute(format!("DROP DATABASE {DATABASE} WITH (FORCE)").as_str()).await?;
    Ok(connection.close().await?)
}

/// As many transactions as all clients can make.
fn load(cluster: &Cluster, seconds: u64) -> anyhow::Result<Command> {
    let mut pgbench = command(cluster)?;
    pgbench.args(["-n", "-M", "prepared", "-j", "2", "-c", &CLIENTS.to_string(), "-T", &seconds.to_string()]);
    Ok(pgbench)
}

fn command(cluster: &Cluster) -> anyhow::Result<Command> {
    let mut pgbench = Command::new(beside_postgres(cluster.pid())?);
    pgbench.args(["-U", "holdfast", "-p", "5432"]).arg("-h").arg(cluster.socket_folder());
    Ok(pgbench)
}

/// pgbench of the very version that runs; Debian keeps it out of `PATH`.
fn beside_postgres(postmaster: u32) -> anyhow::Result<PathBuf> {
    let postgres =
        fs::read_link(format!("/proc/{postmaster}/exe")).context("cannot see which Postgres runs")?;
    let pgbench = postgres.with_file_name("pgbench");
    anyhow::ensure!(pgbench.is_file(), "pgbench is missing beside {}", postgres.display());
    Ok(pgbench)
}

/// The number behind `label`.
fn number(printed: &str, label: &str) -> Option<f64> {
    let rest = printed.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split([' ', '/']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgbenchs_own_words_are_read() {
        let printed = "number of transactions actually processed: 64000\nlatency average = 2.345 ms\n\
                       tps = 13542.123 (without initial connection time)\n";
        assert_eq!(number(printed, "tps = "), Some(13_542.123));
        assert_eq!(number(printed, "latency average = "), Some(2.345));
        assert_eq!(number(printed, "number of failed"), None);
    }
}
