//! Whom Postgres runs as: ourselves, or an unprivileged account when we are root.
//!
//! Postgres refuses to run as root. The account `postgres` is preferred (Debian's package makes it), then `nobody`;
//! a cluster that exists already stays with its owner.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::{ClusterError, error::Doing, layout::Layout};

/// Accounts to run Postgres as when started by root, best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// The user that owns a cluster and runs its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// For messages.
    pub(crate) name: String,
    /// User id.
    pub(crate) uid: u32,
    /// Main group.
    pub(crate) gid: u32,
    /// Whether we are root and give our rights away.
    switch: bool,
}

impl Account {
    /// The account for the cluster of `layout`: its owner if it exists, else whom we choose.
    pub(crate) fn for_cluster(layout: &Layout) -> Result<Self, ClusterError> {
        let me = rustix::process::geteuid().as_raw();
        let my_group = rustix::process::getegid().as_raw();
        let owner = fs::metadata(&layout.cluster).ok().map(|cluster| (cluster.uid(), cluster.gid()));
        match owner {
            Some((uid, _)) if uid == me && me != 0 => Ok(Self::new(uid, my_group, false)),
            Some((uid, gid)) if uid != 0 && me == 0 => Ok(Self::new(uid, gid, true)),
            Some((owner, _)) if me != 0 => {
                Err(ClusterError::ForeignOwner { folder: layout.cluster.clone(), owner, me })
            }
            None if me != 0 => Ok(Self::new(me, my_group, false)),
            // Root, and no cluster or one that belongs to root: it is (or will be) given to the account.
            _ => Self::unprivileged(),
        }
    }

    fn new(uid: u32, gid: u32, switch: bool) -> Self {
        let name = accounts().into_iter().find(|(_, known, _)| *known == uid).map(|(name, ..)| name);
        Self { name: name.unwrap_or_else(|| format!("user {uid}")), uid, gid, switch }
    }

    fn unprivileged() -> Result<Self, ClusterError> {
        let known = accounts();
        let (name, uid, gid) = UNPRIVILEGED
            .iter()
            .find_map(|wanted| known.iter().find(|(name, uid, _)| name == wanted && *uid != 0))
            .ok_or(ClusterError::NoUnprivilegedAccount)?;
        Ok(Self { name: name.clone(), uid: *uid, gid: *gid, switch: true })
    }

    /// A command that runs as this account, with nothing of our environment but `PATH`.
    ///
    /// `PGPORT`, `PGDATA`, `PGOPTIONS` and the like would change what Postgres does, and its messages are read by us.
    pub(crate) fn command(&self, program: PathBuf, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").current_dir(folder).stdin(std::process::Stdio::null());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or folder that we made to this account.
    pub(crate) fn own(&self, path: &Path) -> Result<(), ClusterError> {
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid))
                .doing("give to PostgreSQL's user the folder", path)?;
        }
        Ok(())
    }

    /// Refuses a folder that this account could not reach; Postgres's own message would not say which part is closed.
    pub(crate) fn can_enter(&self, folder: &Path) -> Result<(), ClusterError> {
        if !self.switch {
            return Ok(());
        }
        match folder.ancestors().collect::<Vec<_>>().into_iter().rev().find(|step| !self.may_pass(step)) {
            None => Ok(()),
            Some(closed) => Err(ClusterError::FolderClosed {
                folder: folder.to_owned(),
                closed: closed.to_owned(),
                account: self.name.clone(),
            }),
        }
    }

    /// Reads the permission bits as the kernel does for a process without further groups.
    fn may_pass(&self, folder: &Path) -> bool {
        let Ok(found) = fs::metadata(folder) else { return false };
        let shift = match () {
            () if found.uid() == self.uid => 6,
            () if found.gid() == self.gid => 3,
            () => 0,
        };
        found.mode() >> shift & 1 == 1
    }
}

/// Name, user id and main group of every account in `/etc/passwd`.
fn accounts() -> Vec<(String, u32, u32)> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            Some((name, uid, fields.next()?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Without the check, Postgres says "could not access directory" of the innermost folder, not of the closed one.
    #[test]
    fn the_closed_folder_on_the_way_is_named() {
        let top = tempfile::tempdir().unwrap();
        let data = top.path().join("open/data");
        fs::create_dir_all(&data).unwrap();
        let stranger = Account { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000, switch: true };
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(stranger.can_enter(&data).is_ok());
        fs::set_permissions(top.path().join("open"), fs::Permissions::from_mode(0o750)).unwrap();
        match stranger.can_enter(&data).unwrap_err() {
            ClusterError::FolderClosed { closed, .. } => assert_eq!(closed, top.path().join("open")),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn root_is_an_account_of_every_system() {
        assert!(accounts().contains(&("root".into(), 0, 0)));
    }
}
