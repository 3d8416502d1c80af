//! A cluster's life on one folder: made, stopped, started again, adopted, killed. Real Postgres, real signals.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::Stdio,
    time::Duration,
};

use holdfast_cluster::{Cluster, ClusterError, Options, Stop};
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnection};
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A folder that the unprivileged account can pass through; temporary folders are closed otherwise.
fn open_folder() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

async fn start(data: &Path) -> Result<Cluster> {
    Ok(Cluster::start(data, &Options { shared_buffers_mib: 32, ..Options::default() }).await?)
}

async fn connect(cluster: &Cluster) -> Result<PgConnection> {
    Ok(cluster.connect_options("kept").connect().await?)
}

async fn setting(cluster: &Cluster, name: &str) -> Result<String> {
    let mut connection = connect(cluster).await?;
    Ok(sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut connection).await?)
}

/// Writes one committed row, so that a test can ask for it after whatever it does to the server.
async fn keep_a_row(cluster: &Cluster) -> Result {
    cluster.ensure_database("kept").await?;
    connect(cluster).await?.execute("CREATE TABLE kept AS SELECT 7 AS row").await?;
    Ok(())
}

async fn kept_row(cluster: &Cluster) -> Result<i32> {
    Ok(sqlx::query_scalar("SELECT row FROM kept").fetch_one(&mut connect(cluster).await?).await?)
}

#[tokio::test]
async fn a_stopped_cluster_starts_again_with_its_data() -> Result {
    let folder = open_folder()?;
    let data = folder.path().join("made/data");
    let first = start(&data).await?;
    assert!(first.was_started_here());
    keep_a_row(&first).await?;
    assert!(!first.ensure_database("kept").await?, "the database exists now");
    assert_eq!(first.stop().await?, Stop::Fast);
    assert_eq!(first.stop().await?, Stop::Already);
    assert!(Cluster::running(&data).await?.is_none());

    let second = start(&data).await?;
    assert!(second.was_started_here());
    assert_eq!(kept_row(&second).await?, 7);
    second.stop().await?;
    Ok(())
}

#[tokio::test]
async fn it_is_durable_and_reachable_only_through_its_private_socket() -> Result {
    let folder = open_folder()?;
    let cluster = start(folder.path()).await?;
    cluster.ensure_database("kept").await?;
    for (name, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("shared_buffers", "32MB"),
    ] {
        assert_eq!(setting(&cluster, name).await?, value, "{name}");
    }
    assert_eq!(fs::metadata(cluster.socket_folder())?.permissions().mode() & 0o777, 0o700);
    let group = rustix::process::getpgid(rustix::process::Pid::from_raw(cluster.pid().try_into()?))?;
    assert_ne!(group, rustix::process::getpgrp(), "Ctrl-C at our terminal would reach Postgres");
    cluster.stop().await?;
    Ok(())
}

/// After kill -9 of the process that started it, a server lives on. The next start must find it, not fight it.
#[tokio::test]
async fn a_server_whose_starter_is_gone_is_adopted() -> Result {
    let folder = open_folder()?;
    let first = start(folder.path()).await?;
    keep_a_row(&first).await?;
    let pid = first.pid();
    drop(first);

    let adopted = start(folder.path()).await?;
    assert!(!adopted.was_started_here());
    assert_eq!(adopted.pid(), pid);
    assert_eq!(kept_row(&adopted).await?, 7);
    let found = Cluster::running(folder.path()).await?.ok_or("it runs")?;
    assert_eq!(found.pid(), pid);
    found.stop().await?;
    assert!(!adopted.is_alive());
    Ok(())
}

/// The killed server's children still hold its shared memory for a moment; a backend in the middle of a statement
/// holds it until the statement ends. Without ending them, Postgres refuses to start.
#[tokio::test]
async fn a_killed_server_is_started_again_while_its_backends_still_run() -> Result {
    let folder = open_folder()?;
    let first = start(folder.path()).await?;
    keep_a_row(&first).await?;
    let mut busy = connect(&first).await?;
    let endless = "DO $$ DECLARE n bigint := 0; BEGIN LOOP n := n + 1; END LOOP; END $$";
    let running = tokio::spawn(async move { busy.execute(endless).await });
    let mut watch = connect(&first).await?;
    let started = "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'";
    while !sqlx::query_scalar::<_, bool>(started).fetch_one(&mut watch).await? {
        tokio::task::yield_now().await;
    }
    first.kill()?;

    let second = start(folder.path()).await?;
    assert!(second.was_started_here());
    assert_ne!(second.pid(), first.pid());
    assert_eq!(kept_row(&second).await?, 7);
    assert!(running.await?.is_err(), "the statement died with its server");
    second.stop().await?;
    Ok(())
}

/// A start that is interrupted leaves a server that answers nobody yet and that no handle knows.
#[tokio::test]
async fn a_server_that_is_only_starting_is_stopped_too() -> Result {
    let folder = open_folder()?;
    start(folder.path()).await?.stop().await?;
    // Ends at a random place of the start; wherever that is, nothing may be left.
    let _ = tokio::time::timeout(Duration::from_millis(60), start(folder.path())).await;
    Cluster::stop_whatever_runs(folder.path(), Duration::from_secs(10)).await?;
    assert!(Cluster::running(folder.path()).await?.is_none());
    assert_eq!(Cluster::stop_whatever_runs(folder.path(), Duration::ZERO).await?, Stop::Already);
    Ok(())
}

#[tokio::test]
async fn two_starts_at_once_end_in_one_server() -> Result {
    let folder = open_folder()?;
    let (one, other) = tokio::join!(start(folder.path()), start(folder.path()));
    let (one, other) = (one?, other?);
    assert_eq!(one.pid(), other.pid());
    assert!(one.was_started_here() != other.was_started_here());
    one.stop().await?;
    Ok(())
}

/// A process id means nothing after a crash: here it belongs to a process of the server's own user, which is the case
/// in which Postgres itself takes the file for that of a living server.
#[tokio::test]
async fn a_stale_pid_file_that_names_a_living_stranger_does_not_stop_the_start() -> Result {
    let folder = open_folder()?;
    let first = start(folder.path()).await?;
    let pid_file = folder.path().join("postgres/postmaster.pid");
    let owner = fs::metadata(&pid_file)?.uid();
    let mut stranger = std::process::Command::new("cat").stdin(Stdio::piped()).uid(owner).spawn()?;
    let stale =
        fs::read_to_string(&pid_file)?.replacen(&first.pid().to_string(), &stranger.id().to_string(), 1);
    first.stop().await?;
    fs::write(&pid_file, stale)?;

    assert!(Cluster::running(folder.path()).await?.is_none());
    let second = start(folder.path()).await;
    stranger.kill()?;
    stranger.wait()?;
    second?.stop().await?;
    Ok(())
}

#[tokio::test]
async fn what_an_interrupted_initdb_left_is_removed() -> Result {
    let folder = open_folder()?;
    let half = folder.path().join("postgres.unfinished-1");
    fs::create_dir(&half)?;
    fs::write(half.join("PG_VERSION"), "15")?;
    let cluster = start(folder.path()).await?;
    assert!(!half.exists());
    cluster.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_long_data_path_gets_a_short_private_socket_folder() -> Result {
    let folder = open_folder()?;
    let data = folder.path().join("long-".repeat(30));
    let cluster = start(&data).await?;
    assert!(!cluster.socket_folder().starts_with(&data), "{}", cluster.socket_folder().display());
    assert_eq!(fs::metadata(cluster.socket_folder())?.permissions().mode() & 0o777, 0o700);
    let again = start(&data).await?;
    assert_eq!(again.socket_folder(), cluster.socket_folder());
    cluster.stop().await?;
    fs::remove_dir_all(cluster.socket_folder())?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() -> Result {
    let folder = open_folder()?;
    start(folder.path()).await?.stop().await?;
    let overrides = folder.path().join("postgres/postgresql.auto.conf");
    fs::write(&overrides, "shared_buffers = 'a lot'\n")?;
    let error = Cluster::start(folder.path(), &Options::default()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Died { .. }), "{error}");
    assert!(error.to_string().contains("invalid value for parameter \"shared_buffers\""), "{error}");
    Ok(())
}

#[tokio::test]
async fn missing_programs_are_named_with_the_cure() -> Result {
    let folder = open_folder()?;
    let options = Options { programs: Some("/nonexistent".into()), ..Options::default() };
    let error = Cluster::start(folder.path(), &options).await.unwrap_err();
    assert!(matches!(error, ClusterError::ProgramsMissing { .. }), "{error}");
    assert!(error.to_string().contains("apt-get install postgresql"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_database_name_that_would_need_quotes_is_refused() -> Result {
    let folder = open_folder()?;
    let cluster = start(folder.path()).await?;
    for name in ["", "Upper", "a b", "a\"; DROP DATABASE postgres; --", &"a".repeat(64)] {
        let error = cluster.ensure_database(name).await.unwrap_err();
        assert!(matches!(error, ClusterError::DatabaseName { .. }), "{name}: {error}");
    }
    let (one, other) = tokio::join!(cluster.ensure_database("raced"), cluster.ensure_database("raced"));
    assert!(one? != other?, "made once");
    cluster.ping().await?;
    cluster.stop().await?;
    Ok(())
}

/// Asks the server something, to see that none of the refused names did harm.
trait Ping {
    async fn ping(&self) -> Result;
}

impl Ping for Cluster {
    async fn ping(&self) -> Result {
        self.connect_options("postgres").connect().await?.ping().await?;
        Ok(())
    }
}
