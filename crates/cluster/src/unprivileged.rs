//! Gives root's rights away: a server needs none of them.

use std::{
    fs,
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
};

use rustix::{
    process::{Gid, Uid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::{
    ClusterError,
    account::Account,
    error::Doing,
    layout::{Layout, make_folder},
};

/// What is in every data folder once it has been used.
const LOCK: &str = "lock";

/// Becomes the account that the cluster of `data` runs as, if this process is root; makes the folder if it is missing, and
/// gives it with those of root's files in it that `ours` names, and the cluster's, to that account. The folder `other` is made for
/// it, if it is missing. Returns the account's name; none: the process was not root.
///
/// To be called before the process has a second thread: on Linux a thread that is there already would keep its rights.
///
/// # Errors
/// There is no account, it cannot reach the folder, or the folder has files of others in it.
pub fn leave_root(data: &Path, ours: &[&str], other: Option<&Path>) -> Result<Option<String>, ClusterError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let layout = Layout::made(data)?;
    let account = Account::for_cluster(&layout)?;
    account.can_enter(&layout.data)?;
    if !is_a_data_folder(&layout.data)? {
        return Err(ClusterError::NotADataFolder { folder: layout.data });
    }
    give(&account, &layout.data)?;
    for name in ours.iter().chain(&[LOCK, "postgres.log", "postgres.lock"]) {
        give_all(&account, &layout.data.join(name))?;
    }
    if let Some(other) = other.filter(|other| !other.exists()) {
        make_folder(other).doing("create", other)?;
        give(&account, other)?;
    }
    become_account(&account)
        .map_err(|source| ClusterError::RootKept { account: account.name.clone(), source })?;
    Ok(Some(account.name))
}

/// Root must not give away a folder that was named by mistake, such as `/srv`.
fn is_a_data_folder(data: &Path) -> Result<bool, ClusterError> {
    if data.join(LOCK).try_exists().doing("look for", data)? {
        return Ok(true);
    }
    Ok(fs::read_dir(data).doing("look into", data)?.next().is_none())
}

/// A file or a folder with all that is in it. What is there already does not follow links, and leaves out files that have a
/// second name: an account that owns the folder could have put one of root's into it.
fn give_all(account: &Account, path: &Path) -> Result<(), ClusterError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if found.is_dir() {
        for entry in fs::read_dir(path).doing("look into", path)? {
            give_all(account, &entry.doing("look into", path)?.path())?;
        }
        return give(account, path);
    }
    if found.is_file() && found.nlink() == 1 { give(account, path) } else { Ok(()) }
}

fn give(account: &Account, path: &Path) -> Result<(), ClusterError> {
    let found = fs::symlink_metadata(path).doing("look at", path)?;
    if found.uid() != 0 {
        return Ok(());
    }
    lchown(path, Some(account.uid), Some(account.gid)).doing("give to PostgreSQL's account", path)
}

fn become_account(account: &Account) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_files_of_others_is_no_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_a_data_folder(folder.path()).unwrap());
        fs::write(folder.path().join("letter"), "").unwrap();
        assert!(!is_a_data_folder(folder.path()).unwrap());
        fs::write(folder.path().join(LOCK), "").unwrap();
        assert!(is_a_data_folder(folder.path()).unwrap());
    }
}
