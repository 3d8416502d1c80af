//! Where everything lies below the data folder.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::{ClusterError, error::Doing};

/// Mode of the data folder: its files protect themselves, and Postgres's user has to pass through it.
const DATA_FOLDER_MODE: u32 = 0o755;

/// What Postgres's log is called.
pub(crate) const LOG_FILE: &str = "postgres.log";

/// The paths of one data folder, absolute and without links.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Postgres's own data directory.
    pub(crate) cluster: PathBuf,
    /// What Postgres says.
    pub(crate) log: PathBuf,
    /// Locked by whoever is starting the cluster.
    pub(crate) start_lock: PathBuf,
}

impl Layout {
    /// The layout of an existing data folder; `None` if there is none.
    pub(crate) fn existing(data: &Path) -> Result<Option<Self>, ClusterError> {
        if !data.try_exists().doing("look for", data)? {
            return Ok(None);
        }
        let data = data.canonicalize().doing("find", data)?;
        if data.to_str().is_none_or(|name| name.chars().any(char::is_control)) {
            return Err(ClusterError::FolderName { folder: data });
        }
        let below = |name: &str| data.join(name);
        Ok(Some(Self {
            cluster: below("postgres"),
            log: below(LOG_FILE),
            start_lock: below("postgres.lock"),
            data,
        }))
    }

    /// The layout of a data folder that is made if it is missing.
    pub(crate) fn made(data: &Path) -> Result<Self, ClusterError> {
        make_folder(data).doing("create the data folder", data)?;
        Self::existing(data)?.ok_or_else(|| ClusterError::FolderName { folder: data.to_owned() })
    }

    /// Major version of the Postgres that made the cluster; `None` if there is no cluster yet.
    pub(crate) fn made_by(&self) -> Result<Option<u32>, ClusterError> {
        let file = self.cluster.join("PG_VERSION");
        if !file.try_exists().doing("look for", &file)? {
            return Ok(None);
        }
        let text = fs::read_to_string(&file).doing("read", &file)?;
        Ok(text.trim().parse().ok())
    }
}

/// Makes a data folder and those above it; a folder that exists keeps its mode.
pub(crate) fn make_folder(data: &Path) -> std::io::Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(DATA_FOLDER_MODE).create(data)?;
    // The umask may have taken bits away.
    fs::set_permissions(data, fs::Permissions::from_mode(DATA_FOLDER_MODE))
}
