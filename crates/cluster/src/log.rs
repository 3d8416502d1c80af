//! Postgres's log file: where it writes, and the end of it for our errors.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{ClusterError, error::Doing, layout::Layout};

/// A log longer than this is set aside as `postgres.log.old`, at a start or while Postgres runs: two of them are all that is kept.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// How much of the end goes into an error: a failing start says its reason in its last lines.
const TAIL_BYTES: u64 = 4096;

/// The log of one start of Postgres.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    begun_at: u64,
}

impl Log {
    /// Opens the log for Postgres to append to; it gets the open file, so it needs no right to the path.
    pub(crate) fn open(layout: &Layout) -> Result<(Self, File), ClusterError> {
        let path = layout.log.clone();
        let length = fs::metadata(&path).map_or(0, |log| log.len());
        if length > LOG_BYTES_MAX {
            fs::rename(&path, path.with_extension("log.old")).doing("set aside", &path)?;
        }
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path).doing("open", &path)?;
        let begun_at = file.metadata().doing("read", &path)?.len();
        Ok((Self { path, begun_at }, file))
    }

    /// The log of a server that somebody else started.
    pub(crate) fn of_running(layout: &Layout) -> Self {
        Self { path: layout.log.clone(), begun_at: 0 }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The end of what was written since this start; what could not be read is simply missing from an error.
    pub(crate) fn tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            // Set aside since then: all of it is of this start.
            let begun_at = if self.begun_at > length { 0 } else { self.begun_at };
            let from = length.saturating_sub(TAIL_BYTES).max(begun_at);
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
        };
        read().unwrap_or_default()
    }
}

/// Sets the log of a running Postgres aside if it has grown too long; `true` if it had. Postgres appends to the open file, so the file begins
/// anew where it is; what is written in the moment between copy and cut is lost.
pub(crate) fn set_aside_if_long(path: &Path) -> std::io::Result<bool> {
    if fs::metadata(path)?.len() <= LOG_BYTES_MAX {
        return Ok(false);
    }
    fs::copy(path, path.with_extension("log.old"))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_log_that_grew_too_long_begins_anew_while_postgres_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.log");
        let mut writer = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        writer.write_all(b"short\n").unwrap();
        assert!(!set_aside_if_long(&path).unwrap());
        writer.set_len(LOG_BYTES_MAX + 1).unwrap();
        assert!(set_aside_if_long(&path).unwrap());
        writer.write_all(b"next\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "next\n");
        assert_eq!(fs::metadata(path.with_extension("log.old")).unwrap().len(), LOG_BYTES_MAX + 1);
    }
}
