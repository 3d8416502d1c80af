//! Makes a new cluster with `initdb`.
//!
//! Guarantee: `postgres/` is a whole cluster or does not exist. `initdb` works in a folder beside it, which is renamed
//! when it is done and on disk; what an interrupted one left is removed.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::DirBuilderExt,
    process,
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::{ClusterError, account::Account, error::Doing, layout::Layout, programs::Programs, settings};

/// The database superuser of every cluster of ours.
pub(crate) const SUPERUSER: &str = "holdfast";

/// Where `initdb` works; followed by our process id, so that one left running elsewhere cannot write into ours.
const UNFINISHED: &str = "postgres.unfinished-";

/// How long a helper program may run: `initdb` takes 1–2 s here, and a minute on a slow network disk.
const PROGRAM_MAX: Duration = Duration::from_secs(180);

/// How much of a failed program's output goes into the error: enough for its last lines.
const OUTPUT_BYTES_MAX: usize = 2000;

/// Makes the cluster of `layout`.
pub(crate) async fn create(
    layout: &Layout,
    account: &Account,
    programs: &Programs,
) -> Result<(), ClusterError> {
    remove_unfinished(layout)?;
    let unfinished = layout.data.join(format!("{UNFINISHED}{}", process::id()));
    fs::DirBuilder::new().mode(0o700).create(&unfinished).doing("create", &unfinished)?;
    account.own(&unfinished)?;

    let mut initdb = account.command(programs.path("initdb"), &unfinished);
    initdb.args(["--username", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--data-checksums"]);
    initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"]).arg(&unfinished);
    run(initdb, "initdb").await?;

    let main_file = unfinished.join("postgresql.conf");
    let mut file = OpenOptions::new().append(true).open(&main_file).doing("open", &main_file)?;
    writeln!(file, "\ninclude_if_exists '{}'", settings::FILE).doing("write", &main_file)?;
    file.sync_all().doing("write", &main_file)?;

    fs::rename(&unfinished, &layout.cluster).doing("rename", &unfinished)?;
    File::open(&layout.data).and_then(|folder| folder.sync_all()).doing("write", &layout.data)
}

/// Removes what interrupted runs of `initdb` left behind.
fn remove_unfinished(layout: &Layout) -> Result<(), ClusterError> {
    for entry in fs::read_dir(&layout.data).doing("list", &layout.data)? {
        let entry = entry.doing("list", &layout.data)?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path()).doing("remove", entry.path())?;
        }
    }
    Ok(())
}

/// Runs a helper program to its end; its output is in the error if it fails.
pub(crate) async fn run(mut command: Command, program: &str) -> Result<(), ClusterError> {
    let path = command.as_std().get_program().to_owned();
    let output = timeout(PROGRAM_MAX, command.kill_on_drop(true).output())
        .await
        .unwrap_or_else(|late| Err(late.into()))
        .doing("run", path)?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let tail = text.len().saturating_sub(OUTPUT_BYTES_MAX);
    Err(ClusterError::ProgramFailed {
        program: program.to_owned(),
        status: output.status,
        output: String::from_utf8_lossy(text.get(tail..).unwrap_or_default()).trim().to_owned(),
    })
}
