//! The folder of the unix socket: `run/` in the data folder, or a private one under the temporary folder.
//!
//! Guarantee: nobody but the server's user and root can enter it, because Postgres trusts whoever comes in.
//! A socket's path is limited by the kernel, hence the second place for data folders with long paths.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use crate::{ClusterError, account::Account, error::Doing, layout::Layout, settings::PORT};

/// `sockaddr_un` holds 108 bytes, the last of which ends the string.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Mode of the folder: its owner alone.
const PRIVATE_MODE: u32 = 0o700;

/// The socket's file in `folder`, named as every Postgres client expects it.
pub(crate) fn socket_in(folder: &Path) -> PathBuf {
    folder.join(format!(".s.PGSQL.{PORT}"))
}

/// Chooses and makes the folder for the socket, owned by `account`, and removes what a killed server left
/// in it: its number may live on as a zombie, which Postgres takes for the server. Call this only when no
/// postmaster of the cluster is alive.
pub(crate) fn prepare(layout: &Layout, account: &Account) -> Result<PathBuf, ClusterError> {
    let folder = choose(layout, account)?;
    let socket = socket_in(&folder);
    for left in [socket.with_extension(format!("{PORT}.lock")), socket] {
        match fs::remove_file(&left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).doing("remove", &left);
            }
            _ => {}
        }
    }
    Ok(folder)
}

fn choose(layout: &Layout, account: &Account) -> Result<PathBuf, ClusterError> {
    let beside = layout.data.join("run");
    if fits(&beside) {
        if !beside.is_dir() {
            make_private(&beside)?;
        }
        account.own(&beside)?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(PRIVATE_MODE))
            .doing("close to others", &beside)?;
        return Ok(beside);
    }
    let folder = short_folder(&layout.data);
    match make_private(&folder) {
        Ok(()) => account.own(&folder)?,
        Err(ClusterError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(other) => return Err(other),
    }
    // Anybody may make this name first, so what lies there must prove to be ours; a link is not followed.
    let found = fs::symlink_metadata(&folder).doing("look at", &folder)?;
    if !found.is_dir() || found.uid() != account.uid || found.mode() & 0o077 != 0 {
        return Err(ClusterError::SocketFolderTaken { folder, owner: account.uid });
    }
    Ok(folder)
}

fn make_private(folder: &Path) -> Result<(), ClusterError> {
    fs::DirBuilder::new().mode(PRIVATE_MODE).create(folder).doing("create", folder)
}

fn fits(folder: &Path) -> bool {
    socket_in(folder).as_os_str().as_bytes().len() <= SOCKET_PATH_BYTES_MAX
}

/// One name per data folder. A running server's folder is read from its `postmaster.pid`, so this only has to be
/// short and different for different folders.
fn short_folder(data: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    env::temp_dir().join(format!("holdfast-{:016x}", hasher.finish()))
}
