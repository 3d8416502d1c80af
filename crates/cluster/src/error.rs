//! Why a private cluster could not be found, made, started or stopped.
//!
//! Every text says what the operator can change; what went wrong underneath stays in `source`.

use std::{io, path::PathBuf, process::ExitStatus};

use crate::programs::OLDEST_MAJOR;

/// A private cluster could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No folder with the Postgres programs was found.
    #[error(
        "PostgreSQL {OLDEST_MAJOR} or newer is needed, and its programs `initdb` and `postgres` are in none of: \
         {searched}. On Debian or Ubuntu run `apt-get install postgresql`; elsewhere install it and set \
         HOLDFAST_PG_BIN to the folder with these programs"
    )]
    ProgramsMissing {
        /// The folders that were looked at.
        searched: String,
    },
    /// Programs were found, but of too old a version.
    #[error(
        "PostgreSQL {OLDEST_MAJOR} or newer is needed; the one in {folder} is version {found}. Install a newer one, \
         or set HOLDFAST_PG_BIN to the folder with its `initdb` and `postgres`"
    )]
    ProgramsTooOld {
        /// Where the programs lie.
        folder: PathBuf,
        /// Their major version.
        found: u32,
    },
    /// The cluster was made by another major version, whose files these programs cannot read.
    #[error(
        "the cluster in {folder} was made by PostgreSQL {made_by}, and only version {found} is installed. Install \
         PostgreSQL {made_by}, move the cluster with pg_upgrade, or choose another data folder"
    )]
    OtherVersion {
        /// The cluster's folder.
        folder: PathBuf,
        /// Major version in its `PG_VERSION`.
        made_by: u32,
        /// Major versions that are installed.
        found: String,
    },
    /// A Postgres program ended with a failure.
    #[error("`{program}` failed ({status}): {output}")]
    ProgramFailed {
        /// Name of the program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed.
        output: String,
    },
    /// Postgres refuses to run as root, and there is no account to run it as.
    #[error(
        "PostgreSQL does not run as root, and this system has neither an account `postgres` nor `nobody`. Create \
         one (`useradd --system postgres`), or start holdfast as an ordinary user"
    )]
    NoUnprivilegedAccount,
    /// The account that Postgres runs as cannot enter a folder on the way to its data.
    #[error(
        "PostgreSQL runs as `{account}`, which may not enter {closed} on the way to {folder}. Choose a data folder \
         it can reach (for example --data /var/lib/holdfast), or allow it with `chmod o+x {closed}`"
    )]
    FolderClosed {
        /// The data folder.
        folder: PathBuf,
        /// The first folder on the way that is closed.
        closed: PathBuf,
        /// Name of the account.
        account: String,
    },
    /// Root would give a folder away that is none of ours.
    #[error(
        "{folder} has files in it and is no data folder of holdfast's. Choose an empty or a new folder with --data"
    )]
    NotADataFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Root's rights could not be given away.
    #[error("could not become `{account}`, which PostgreSQL runs as; start holdfast as an ordinary user")]
    RootKept {
        /// Name of the account.
        account: String,
        /// What the system said.
        #[source]
        source: rustix::io::Errno,
    },
    /// The cluster belongs to another user.
    #[error(
        "the cluster in {folder} belongs to user id {owner}, and you are {me}. Start holdfast as that user or as \
         root, or choose another data folder"
    )]
    ForeignOwner {
        /// The cluster's folder.
        folder: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who asked.
        me: u32,
    },
    /// The folder's name cannot be written into Postgres's configuration.
    #[error("the data folder {folder:?} has a name with control characters or not in UTF-8; choose another")]
    FolderName {
        /// The folder as it was given.
        folder: PathBuf,
    },
    /// The socket's folder under the temporary folder is not ours alone.
    #[error(
        "{folder} must be a folder of user id {owner} that nobody else can enter, for PostgreSQL's socket. Remove \
         it, or choose a data folder with a shorter path"
    )]
    SocketFolderTaken {
        /// The folder.
        folder: PathBuf,
        /// Who should own it.
        owner: u32,
    },
    /// Somebody else is starting this cluster and does not finish.
    #[error(
        "another process has been starting the cluster in {folder} for {waited_seconds} s; end it and try again"
    )]
    StartTaken {
        /// The data folder.
        folder: PathBuf,
        /// How long we waited.
        waited_seconds: u64,
    },
    /// Postgres ended while it was starting.
    #[error("PostgreSQL ended while starting ({status}); the end of {log}:\n{tail}")]
    Died {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// Postgres is alive and does not take connections.
    #[error(
        "PostgreSQL (process {pid}) did not take connections within {waited_seconds} s. It goes on, perhaps with \
         crash recovery: start again to go on waiting. The end of {log}:\n{tail}"
    )]
    NotReady {
        /// Process id of the postmaster.
        pid: u32,
        /// How long we waited.
        waited_seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// Processes of the cluster outlive every signal.
    #[error(
        "process {pid} of PostgreSQL in {folder} does not end; look at it with `ps -p {pid}` and end it by hand"
    )]
    StillRunning {
        /// The process.
        pid: u32,
        /// The cluster's folder.
        folder: PathBuf,
    },
    /// A name that would need quoting; ours never do.
    #[error(
        "`{name}` is no database name: use a letter, then letters, digits and `_`, at most 63, all lower case"
    )]
    DatabaseName {
        /// The name as it was given.
        name: String,
    },
    /// A statement or a connection to the running cluster failed.
    #[error("could not {doing}")]
    Sql {
        /// What we were doing.
        doing: String,
        /// What Postgres or the connection said.
        #[source]
        source: sqlx::Error,
    },
    /// A file or folder could not be read, made or given away.
    #[error("could not {doing} {path}")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Adds to an IO error what was being done to which path.
pub(crate) trait Doing<T> {
    /// Names the action ("read", "create") and the path.
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, ClusterError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, ClusterError> {
        self.map_err(|source| ClusterError::Io { doing, path: path.into(), source })
    }
}
