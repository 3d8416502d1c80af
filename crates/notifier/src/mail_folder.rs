//! Mails as files: one for each, in a folder. For development, and for whatever carries them from there.
//!
//! Readable for the owner alone: they have addresses in them. A mail that is taken is on the disk, name and all: the files of
//! a group are made durable first, then renamed, then the folder, once for the group. A flush costs the disk milliseconds
//! and the processor more than the file itself, so a larger group is flushed with its whole file system, once; a small one
//! file by file, because what else waits there to be written would be written with it.

use crate::{
    erasures::recipient_key,
    mailer::{Again, Capacity, Mail, Mailer, NotTaken},
};
use futures::future::BoxFuture;
use holdfast_domain::Timestamp;
use std::{
    collections::HashMap,
    error::Error,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use tracing::warn;

/// Mails that are made durable together: bounds what a crash makes written again.
const GROUP_MAX: usize = 500;
/// From so many files on, one flush of the file system costs less than one for each.
const FLUSHED_AT_ONCE_MIN: usize = 8;

/// Puts mails into a folder, each as `<event id>.<hash of the receiver>.eml`. A file is whole or not there; a mail that is written again
/// takes its own place. By the hash the mails of a person are found that are to be erased.
#[derive(Clone, Debug)]
pub struct MailFolder {
    folder: PathBuf,
}

impl MailFolder {
    /// Mails into `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }
}

/// A file's name while it is written, and afterwards.
struct Names {
    half: PathBuf,
    whole: PathBuf,
}

impl Names {
    fn of(folder: &Path, name: &str) -> Self {
        Self { half: folder.join(format!(".{name}.part")), whole: folder.join(format!("{name}.eml")) }
    }
}

/// What a mail's file is called, without its ending.
fn name(mail: &Mail) -> String {
    let receiver = mail.envelope.to().first().map(recipient_key).unwrap_or_default();
    format!("{}.{receiver}", mail.id)
}

/// Removes the files of these receivers, in one pass through the folder.
fn erase_all(folder: &Path, receivers: &HashMap<String, Timestamp>) -> io::Result<usize> {
    let mut gone = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let Some(file) = file.to_str() else { continue };
        // Of `<id>.<key>.eml` and `.<id>.<key>.part`.
        let key = file.rsplit('.').nth(1).unwrap_or_default();
        let Some(until) = receivers.get(key) else { continue };
        if entry.metadata().and_then(|found| found.modified()).is_ok_and(|at| Timestamp::from(at) > *until) {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => gone += 1,
        }
    }
    if gone > 0 {
        File::open(folder)?.sync_all()?;
    }
    Ok(gone)
}

/// Writes a group; one result for each mail.
fn write_all(folder: &Path, group: &[(String, &[u8])]) -> Vec<io::Result<()>> {
    // Opened before the files are written: a flush reports what failed since then.
    let opened = match File::open(folder) {
        Ok(opened) => opened,
        Err(error) => return failed(group.len(), &error),
    };
    let at_once = group.len() >= FLUSHED_AT_ONCE_MIN;
    let written: Vec<io::Result<Names>> = group
        .iter()
        .map(|(name, message)| {
            let names = Names::of(folder, name);
            write(&names.half, message, !at_once).map(|()| names)
        })
        .collect();
    if at_once && let Err(error) = rustix::fs::syncfs(&opened) {
        return failed(group.len(), &error.into());
    }
    let rename = |names: io::Result<Names>| names.and_then(|names| fs::rename(names.half, names.whole));
    let named = written.into_iter().map(rename).collect();
    match opened.sync_all() {
        Ok(()) => named,
        Err(error) => failed(group.len(), &error),
    }
}

fn write(path: &Path, message: &[u8], flush: bool) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(message)?;
    if flush { file.sync_all() } else { Ok(()) }
}

/// The same failure for a whole group.
fn failed(mails: usize, error: &io::Error) -> Vec<io::Result<()>> {
    (0..mails).map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect()
}

fn not_taken() -> NotTaken {
    NotTaken::new("folder", Again::Later)
}

impl Mailer for MailFolder {
    fn capacity(&self) -> Capacity {
        Capacity { groups: 1, mails: GROUP_MAX }
    }

    fn take<'a>(&'a self, group: &'a [Mail]) -> BoxFuture<'a, Vec<Result<(), NotTaken>>> {
        Box::pin(async move {
            let folder = self.folder.clone();
            let mails: Vec<_> = group.iter().map(|mail| (name(mail), mail.message.clone())).collect();
            let writing = tokio::task::spawn_blocking(move || {
                let mails: Vec<_> = mails.iter().map(|(name, message)| (name.clone(), &**message)).collect();
                write_all(&folder, &mails)
            });
            let results = match writing.await {
                Ok(results) => results,
                Err(panicked) => failed(group.len(), &io::Error::other(panicked)),
            };
            if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
                warn!(error = error as &dyn Error, "mails could not be put into their folder");
            }
            results.into_iter().map(|result| result.map_err(|_| not_taken())).collect()
        })
    }

    fn erase(&self, receivers: HashMap<String, Timestamp>) -> BoxFuture<'_, io::Result<usize>> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let erasing = tokio::task::spawn_blocking(move || erase_all(&folder, &receivers));
            erasing.await.map_err(io::Error::other)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use holdfast_ambient::{Ambient as _, Machine};
    use std::os::unix::fs::PermissionsExt as _;
    use uuid::Uuid;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// One name is taken by a folder, which no file can replace.
    #[test]
    fn one_mail_that_cannot_be_written_keeps_no_other_of_its_group() {
        for size in [3, 20] {
            let folder = tempfile::tempdir().unwrap();
            let ids: Vec<_> = (1..=size).map(Uuid::from_u128).collect();
            fs::create_dir_all(folder.path().join(format!("{}.eml/x", ids[1]))).unwrap();
            let group: Vec<_> = ids.iter().map(|id| (id.to_string(), b"text".as_slice())).collect();
            let results = write_all(folder.path(), &group);
            assert_eq!(results.len(), group.len());
            for (nth, result) in results.iter().enumerate() {
                assert_eq!(result.is_ok(), nth != 1, "{nth} of {size}: {result:?}");
            }
            let whole = folder.path().join(format!("{}.eml", ids[2]));
            assert_eq!(fs::read(&whole).unwrap(), b"text");
            assert_eq!(fs::metadata(&whole).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_mail_that_is_written_again_takes_its_own_place() {
        let folder = tempfile::tempdir().unwrap();
        let id = Uuid::from_u128(7);
        for text in ["first, and longer", "again"] {
            assert!(write_all(folder.path(), &[(id.to_string(), text.as_bytes())])[0].is_ok());
            assert_eq!(names(folder.path()), [format!("{id}.eml")]);
            assert_eq!(fs::read_to_string(folder.path().join(format!("{id}.eml"))).unwrap(), text);
        }
    }

    /// A mail of another receiver stays, and so does one of another account that got the address later.
    #[test]
    fn the_mails_of_a_receiver_are_erased_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let key = |address: &str| recipient_key(&address.parse().unwrap());
        assert_eq!(key("Ada@Example.org"), key("ada@example.org"));
        let (ada, bob, eve) = (key("ada@example.org"), key("bob@example.org"), key("eve@example.org"));
        for key in [&ada, &bob, &eve] {
            assert!(write_all(folder.path(), &[(format!("1.{key}"), b"text".as_slice())])[0].is_ok());
        }
        let now = Machine.now();
        let (later, earlier) = (now + TimeDelta::minutes(5), now - TimeDelta::minutes(5));
        let receivers = HashMap::from([(ada, later), (bob.clone(), earlier)]);
        assert_eq!(erase_all(folder.path(), &receivers).unwrap(), 1);
        let mut left = [format!("1.{bob}.eml"), format!("1.{eve}.eml")];
        left.sort();
        assert_eq!(names(folder.path()), left);
    }
}
