//! The data folder as one process's own: a lock that says who uses it, and files only its owner can read.
//!
//! Guarantee: of two processes that open the same folder, one is refused and told the other's process id. The lock
//! belongs to the process, so it ends with it, however it ends. A killed process is gone some milliseconds after the
//! kill: [`DataFolder::open_within`] waits for its lock.

use std::{
    fmt, fs,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use tokio::time::{sleep, timeout};

use crate::layout::make_folder;

/// Secrets are read and written by their owner alone.
const SECRET_MODE: u32 = 0o600;
/// How often a lock that another process holds is tried again.
const LOCK_EVERY: Duration = Duration::from_millis(20);

/// A data folder could not be opened, or a secret in it not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process uses the folder.
    #[error("{folder} is in use by process {holder}. End that one, or choose another folder with --data")]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other process's id, as it wrote it down.
        holder: String,
    },
    /// A secret's file exists and holds nothing.
    #[error("{file} is empty. Remove it, and a new one is made at the next start")]
    EmptySecret {
        /// The file.
        file: PathBuf,
    },
    /// A file or folder could not be read or made.
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

/// A data folder that this process alone uses until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held for its lock.
    _lock: File,
}

/// A secret in a file that only its owner can read.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The secret, without the line's end.
    pub content: String,
    /// Whether it was made by this call.
    pub created: bool,
}

impl DataFolder {
    /// Makes the folder if it is missing and locks it for this process.
    pub fn open(folder: &Path) -> Result<Self, FolderError> {
        make_folder(folder).map_err(failed("create the data folder", folder))?;
        let path = folder.canonicalize().map_err(failed("find", folder))?;
        let file = path.join("lock");
        // Not truncated on opening: until the lock is ours, its content is the holder's.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let mut lock = options.open(&file).map_err(failed("open", &file))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse { folder: path, holder: holder(lock) });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &file)(source)),
        }
        write_holder(&mut lock).map_err(failed("write", &file))?;
        Ok(Self { path, _lock: lock })
    }

    /// The same, which waits up to `wait` for a process that has the folder: one that was killed may still be ending.
    pub async fn open_within(folder: &Path, wait: Duration) -> Result<Self, FolderError> {
        let freed = async {
            loop {
                match Self::open(folder) {
                    Err(FolderError::InUse { .. }) => sleep(LOCK_EVERY).await,
                    opened => return opened,
                }
            }
        };
        match timeout(wait, freed).await {
            Ok(opened) => opened,
            // The last try names the holder of now.
            Err(_) => Self::open(folder),
        }
    }

    /// The folder, absolute and without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the secret `name`, or makes it with `generate` at the first time.
    ///
    /// It appears whole or not at all: written beside, flushed to disk, renamed. One that has become readable for
    /// others is closed again.
    pub fn secret_file(
        &self,
        name: &str,
        generate: impl FnOnce() -> String,
    ) -> Result<SecretFile, FolderError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => Err(FolderError::EmptySecret { file: path }),
            Ok(text) => {
                fs::set_permissions(&path, fs::Permissions::from_mode(SECRET_MODE))
                    .map_err(failed("close to others", &path))?;
                Ok(SecretFile { path, content: text.trim_end().to_owned(), created: false })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let content = generate();
                self.write_secret(&path, &content).map_err(failed("write", &path))?;
                Ok(SecretFile { path, content, created: true })
            }
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    fn write_secret(&self, path: &Path, content: &str) -> io::Result<()> {
        let beside = path.with_extension("unfinished");
        if let Err(error) = fs::remove_file(&beside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(SECRET_MODE).open(&beside)?;
        writeln!(file, "{content}")?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(&self.path)?.sync_all()
    }
}

/// Without the secret, so that it cannot end up in a log.
impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile")
            .field("path", &self.path)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Io { doing, path, source }
}

fn holder(mut lock: File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "(unknown)".to_owned(),
    }
}

fn write_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", process::id())
}
