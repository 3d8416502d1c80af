//! Where everything lies below a broker's folder, and what the folder was made for.
//!
//! Guarantee: a folder with somebody else's files in it is refused before anything is written. `cluster-id` appears
//! last and whole, so a folder that has one is complete, and one that was interrupted before is made from the beginning.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use holdfast_ambient::Ambient;

use crate::{BrokerError, Nodes, error::Doing};
use holdfast_ambient::Wait;

/// Bytes of a cluster's id; Kafka takes it as 22 characters of base64url.
const CLUSTER_ID_BYTES: usize = 16;

/// Characters of a cluster's id as text.
const CLUSTER_ID_LENGTH: usize = 22;

/// How long another process may be starting or stopping the same broker: its longest start, and some.
const LOCK_MAX: Duration = Duration::from_secs(180);

/// What an interrupted first start can leave behind; anything else without a `cluster-id` is somebody else's.
const BEFORE_CLUSTER_ID: [&str; 4] = ["lock", "nodes", "nodes.unfinished", "cluster-id.unfinished"];

/// A folder that was made for a broker.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The folder, absolute and without links.
    pub(crate) folder: PathBuf,
    /// How many nodes it was made for.
    pub(crate) nodes: Nodes,
    /// Kafka's name for this cluster; data of another are refused by it.
    pub(crate) cluster_id: String,
}

impl Layout {
    /// The broker's folder that exists there; `None` if there is none, or one whose making was interrupted.
    pub(crate) fn existing(folder: &Path) -> Result<Option<Self>, BrokerError> {
        if !folder.try_exists().doing("look for", folder)? {
            return Ok(None);
        }
        let folder = folder.canonicalize().doing("find", folder)?;
        let Some(cluster_id) = read(&folder.join("cluster-id"))? else {
            return if is_foreign(&folder)? { Err(BrokerError::ForeignFolder { folder }) } else { Ok(None) };
        };
        if cluster_id.len() != CLUSTER_ID_LENGTH {
            return Err(BrokerError::FileBroken {
                file: folder.join("cluster-id"),
                expected: "an id of 22 characters",
            });
        }
        let nodes = read(&folder.join("nodes"))?.and_then(|text| Nodes::from_count(text.parse().ok()?));
        let nodes = nodes.ok_or_else(|| BrokerError::FileBroken {
            file: folder.join("nodes"),
            expected: "the number 1 or 3",
        })?;
        Ok(Some(Self { folder, nodes, cluster_id }))
    }

    /// The broker's folder there, which is made if it is missing. Call it with the lock held.
    pub(crate) fn made(folder: &Path, nodes: Nodes, chance: &dyn Ambient) -> Result<Self, BrokerError> {
        let layout = match Self::existing(folder)? {
            Some(layout) => layout,
            None => {
                write_whole(&folder.join("nodes"), &nodes.count().to_string())?;
                let cluster_id = new_cluster_id(chance);
                write_whole(&folder.join("cluster-id"), &cluster_id)?;
                Self { folder: folder.canonicalize().doing("find", folder)?, nodes, cluster_id }
            }
        };
        if layout.nodes == nodes {
            Ok(layout)
        } else {
            let (made_for, wanted) = (layout.nodes.count(), nodes.count());
            Err(BrokerError::OtherNodes { folder: layout.folder, made_for, wanted })
        }
    }

    /// The folder of one node.
    pub(crate) fn node(&self, id: u8) -> PathBuf {
        self.folder.join(format!("node-{id}"))
    }

    /// Where the ports are kept.
    pub(crate) fn ports(&self) -> PathBuf {
        self.folder.join("ports")
    }
}

/// One caller at a time starts or stops what is in `folder`, which is made if it is missing. Released when the file is
/// dropped, so also when its process is killed.
pub(crate) async fn lock(folder: &Path) -> Result<File, BrokerError> {
    fs::create_dir_all(folder).doing("create the folder", folder)?;
    // Before the lock's own file is put beside a stranger's.
    Layout::existing(folder)?;
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).append(true).open(&path).doing("open", &path)?;
    let mut wait = Wait::at_most(LOCK_MAX);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error).doing("lock", path),
            Err(TryLockError::WouldBlock) if wait.again().await => {}
            Err(TryLockError::WouldBlock) => {
                let waited_seconds = LOCK_MAX.as_secs();
                return Err(BrokerError::LockTaken { folder: folder.to_owned(), waited_seconds });
            }
        }
    }
}

/// Writes a file so that it appears whole or not at all: beside, then renamed.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), BrokerError> {
    let beside = path.with_extension("unfinished");
    let write = || {
        let mut file = File::create(&beside)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().doing("write", path)
}

/// What a file of ours holds; `None` if it is missing.
pub(crate) fn read(path: &Path) -> Result<Option<String>, BrokerError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).doing("read", path),
    }
}

fn is_foreign(folder: &Path) -> Result<bool, BrokerError> {
    let mut names = fs::read_dir(folder).doing("read", folder)?.flatten().map(|entry| entry.file_name());
    Ok(names.any(|name| !BEFORE_CLUSTER_ID.iter().any(|ours| *ours == name)))
}

/// The first character is a letter: an id with a dash in front would look like an option to Kafka's tools.
fn new_cluster_id(chance: &dyn Ambient) -> String {
    let mut bytes = [0; CLUSTER_ID_BYTES];
    chance.random(&mut bytes);
    if let Some(first) = bytes.first_mut() {
        *first &= 0x7f;
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use holdfast_ambient::Machine;

    use super::*;

    /// Half of all random ids would begin otherwise, so a hundred of them are enough.
    #[test]
    fn a_cluster_id_is_22_characters_and_begins_with_a_letter() {
        for _ in 0..100 {
            let id = new_cluster_id(&Machine);
            assert_eq!(id.len(), CLUSTER_ID_LENGTH);
            assert!(id.starts_with(|c: char| c.is_ascii_alphabetic()), "{id}");
        }
    }
}
