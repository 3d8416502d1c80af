//! What a node has written: whether it has started, and the last lines for our errors.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// What Kafka says when it is a member of its cluster and takes connections.
const STARTED: &str = "Kafka Server started";

/// How much of the end of a log is looked at: a failing start says its reason there, between lines of a stack trace.
const TAIL_BYTES: u64 = 8192;

/// How many lines of it go into an error.
const TAIL_LINES: usize = 25;

/// Whether the node's present start is complete. The file is the node's own and begins anew with each start.
pub(crate) fn says_started(started_log: &Path) -> bool {
    fs::read_to_string(started_log).is_ok_and(|text| text.contains(STARTED))
}

/// The last lines of these files together; what cannot be read is simply missing.
pub(crate) fn tail(files: &[&Path]) -> String {
    let texts: Vec<String> = files.iter().filter_map(|file| end_of(file).ok()).collect();
    let lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}

fn end_of(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let from = file.metadata()?.len().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}
