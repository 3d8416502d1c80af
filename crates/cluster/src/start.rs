//! Adopts the running server of a cluster, or starts one.
//!
//! Guarantee: at most one caller at a time gets past the start lock, over all processes, so two starts of one folder
//! end in one server that both use. Ready means that a connection was made, not that some time has passed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
    time::Duration,
};

use tokio::process::Child;
use tracing::{info, warn};

use crate::{
    Cluster, ClusterError, Options,
    account::Account,
    create,
    error::Doing,
    layout::Layout,
    log::Log,
    postmaster::{Postmaster, end_orphans},
    programs::{Places, Programs},
    settings, socket,
};
use holdfast_ambient::Wait;

/// How long a server may take until it answers: recovery of `max_wal_size` (4 GB) takes minutes on a slow disk.
const READY_MAX: Duration = Duration::from_secs(300);

/// How long another process may be starting the same cluster: its own `initdb` and recovery, and some.
const START_LOCK_MAX: Duration = Duration::from_secs(600);

/// How long processes of a killed server may take to end after SIGQUIT; they have nothing to save.
const ORPHANS_END_MAX: Duration = Duration::from_secs(10);

/// The server of `data`, adopted if one runs, else started on the cluster there, which is made if it is missing.
pub(crate) async fn start(data: &Path, options: &Options) -> Result<Cluster, ClusterError> {
    let layout = Layout::made(data)?;
    let _until_the_end = start_lock(&layout).await?;
    if let Some(cluster) = running(&layout).await? {
        info!(pid = cluster.pid(), "adopted the PostgreSQL that runs in {}", layout.cluster.display());
        return Ok(cluster);
    }
    let account = Account::for_cluster(&layout)?;
    account.can_enter(&layout.data)?;
    let places = Places::known(options.programs.as_deref());
    let programs = Programs::find(&places, &layout.cluster, layout.made_by()?).await?;
    if layout.made_by()?.is_none() {
        info!(major = programs.major, "making a PostgreSQL cluster in {}", layout.cluster.display());
        create::create(&layout, &account, &programs).await?;
    }
    end_orphans(&layout.cluster, ORPHANS_END_MAX).await?;
    let socket_folder = socket::prepare(&layout, &account)?;
    write_settings(&layout, &account, &programs, options, &socket_folder).await?;
    launch(&layout, &account, &programs).await
}

/// The running server of a cluster, once it answers; `None` if there is none, or it ends before that.
pub(crate) async fn running(layout: &Layout) -> Result<Option<Cluster>, ClusterError> {
    match Postmaster::find(&layout.cluster)? {
        Some(postmaster) => {
            ready(&postmaster, &Log::of_running(layout), false, || Ok(!postmaster.is_alive())).await
        }
        None => Ok(None),
    }
}

/// One caller at a time; released when the file is dropped, so also when its process is killed.
async fn start_lock(layout: &Layout) -> Result<File, ClusterError> {
    let path = &layout.start_lock;
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path).doing("open", path)?;
    let mut wait = Wait::at_most(START_LOCK_MAX);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::Error(error)) => return Err(error).doing("lock", path),
            Err(fs::TryLockError::WouldBlock) if wait.again().await => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(ClusterError::StartTaken {
                    folder: layout.data.clone(),
                    waited_seconds: START_LOCK_MAX.as_secs(),
                });
            }
        }
    }
}

async fn write_settings(
    layout: &Layout,
    account: &Account,
    programs: &Programs,
    options: &Options,
    socket_folder: &Path,
) -> Result<(), ClusterError> {
    // Not every build of Postgres has lz4; this asks the one we start whether it takes the value.
    let mut asks = account.command(programs.path("postgres"), &layout.cluster);
    asks.args(["-C", "wal_compression", "-c", "wal_compression=lz4", "-D"]).arg(&layout.cluster);
    let lz4 = create::run(asks, "postgres -C").await.is_ok();
    let file = layout.cluster.join(settings::FILE);
    fs::write(&file, settings::render(options, socket_folder, lz4)).doing("write", &file)?;
    account.own(&file)
}

/// Starts the server and waits until it answers.
async fn launch(layout: &Layout, account: &Account, programs: &Programs) -> Result<Cluster, ClusterError> {
    let (log, output) = Log::open(layout)?;
    let errors = output.try_clone().doing("open", log.path())?;
    let mut postgres = account.command(programs.path("postgres"), &layout.cluster);
    postgres.arg("-D").arg(&layout.cluster).stdout(Stdio::from(output)).stderr(Stdio::from(errors));
    // Its own process group: Ctrl-C at our terminal must reach only us, who end Postgres after our last answer.
    let mut child = postgres.process_group(0).spawn().doing("run", programs.path("postgres"))?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    let postmaster = Postmaster::new(pid, &layout.cluster);
    // Asked of the child, not of /proc: there it bears our name and not yet Postgres's for a moment.
    let mut end = None;
    let ended = || {
        end = child.try_wait()?;
        Ok(end.is_some())
    };
    let cluster = ready(&postmaster, &log, true, ended).await?;
    match (cluster, end) {
        (Some(cluster), _) => {
            info!(pid, "PostgreSQL {} is ready in {}", programs.major, layout.cluster.display());
            tokio::spawn(collect(child));
            Ok(cluster)
        }
        (None, status) => {
            let status = status.unwrap_or_default();
            Err(ClusterError::Died { status, log: log.path(), tail: log.tail() })
        }
    }
}

/// Waits until `postmaster` answers; `None` if it has `ended` instead.
async fn ready(
    postmaster: &Postmaster,
    log: &Log,
    started_here: bool,
    mut ended: impl FnMut() -> io::Result<bool>,
) -> Result<Option<Cluster>, ClusterError> {
    let mut wait = Wait::at_most(READY_MAX);
    while !ended().doing("wait for the server that logs into", log.path())? {
        if let Some(socket_folder) = postmaster.socket_folder() {
            let cluster = Cluster::new(postmaster.clone(), socket_folder, started_here);
            if cluster.answers().await? {
                return Ok(Some(cluster));
            }
        }
        if !wait.again().await {
            return Err(ClusterError::NotReady {
                pid: postmaster.pid(),
                waited_seconds: READY_MAX.as_secs(),
                log: log.path(),
                tail: log.tail(),
            });
        }
    }
    Ok(None)
}

/// Collects the server's exit status as long as we live, so that it does not stay behind as a zombie.
async fn collect(mut child: Child) {
    match child.wait().await {
        Ok(status) if status.success() => info!("PostgreSQL has ended"),
        Ok(status) => warn!("PostgreSQL has ended: {status}"),
        Err(error) => warn!("could not wait for the end of PostgreSQL: {error}"),
    }
}
