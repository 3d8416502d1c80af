//! Secrets in files. One that others than its owner can read is refused, as PGPASSFILE is.

use anyhow::{Context as _, ensure};
use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

/// Rights of group and others.
const OTHERS: u32 = 0o077;

/// Reads the secret `what` from `file`.
pub(crate) fn read(what: &str, file: &Path) -> anyhow::Result<String> {
    let unread = || format!("{what} could not be read from {}", file.display());
    let mut opened = File::open(file).with_context(unread)?;
    let found = opened.metadata().with_context(unread)?;
    // A pipe or /dev/stdin is no file that others could read later.
    ensure!(
        !found.is_file() || found.permissions().mode() & OTHERS == 0,
        "others can read {what} in {0}; `chmod 600 {0}` closes it",
        file.display()
    );
    let mut text = String::new();
    opened.read_to_string(&mut text).with_context(unread)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, fs::Permissions};

    #[test]
    fn a_secret_that_others_can_read_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "secret word").unwrap();
        for (mode, good) in
            [(0o644, false), (0o640, false), (0o604, false), (0o620, false), (0o600, true), (0o400, true)]
        {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            match read("the key", &file) {
                Ok(text) => assert!(good && text == "secret word", "{mode:o}"),
                Err(error) => {
                    let text = format!("{error:#}");
                    assert!(
                        !good && text.contains("chmod 600") && !text.contains("word"),
                        "{mode:o}: {text}"
                    );
                }
            }
        }
    }
}
