//! Finds the Postgres programs: `HOLDFAST_PG_BIN`, else `PATH`, else Debian's folders, newest first.
//!
//! Guarantee: the folder that is returned has an `initdb` and a `postgres` of one version, which is the cluster's
//! version when there is a cluster already. Debian keeps these programs out of `PATH`, hence its folders.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use crate::{ClusterError, error::Doing};

/// The oldest major version we run on: the first with `wal_compression=lz4` and cheap `CREATE DATABASE`.
pub(crate) const OLDEST_MAJOR: u32 = 15;

/// Where Debian and Ubuntu put one folder per major version.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";

/// A folder with the programs of one Postgres version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Programs {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// The major version.
    pub(crate) major: u32,
}

/// Folders to look into, best first.
#[derive(Debug)]
pub(crate) struct Places(Vec<PathBuf>);

impl Places {
    /// `chosen` or `HOLDFAST_PG_BIN` alone when given, else everything we know.
    pub(crate) fn known(chosen: Option<&Path>) -> Self {
        if let Some(folder) =
            chosen.map(Path::to_owned).or_else(|| env::var_os("HOLDFAST_PG_BIN").map(Into::into))
        {
            return Self(vec![folder]);
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> =
            env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        folders.extend(debian_folders());
        Self(folders)
    }
}

/// `/usr/lib/postgresql/<major>/bin`, newest first.
fn debian_folders() -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(DEBIAN_FOLDER)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors.into_iter().map(|major| PathBuf::from(format!("{DEBIAN_FOLDER}/{major}/bin"))).collect()
}

impl Programs {
    /// The first place with programs that are new enough, and of version `cluster` if there is a cluster in `folder`.
    pub(crate) async fn find(
        places: &Places,
        folder: &Path,
        cluster: Option<u32>,
    ) -> Result<Self, ClusterError> {
        let mut found = Vec::new();
        for place in &places.0 {
            // PATH often holds links to the real programs; initdb looks for the others beside itself.
            let Ok(initdb) = place.join("initdb").canonicalize() else { continue };
            let Some(beside) = initdb.parent().filter(|beside| beside.join("postgres").is_file()) else {
                continue;
            };
            let programs = Self { folder: beside.to_owned(), major: major_of(beside).await? };
            if programs.major >= OLDEST_MAJOR && cluster.is_none_or(|made_by| made_by == programs.major) {
                return Ok(programs);
            }
            if !found.contains(&programs) {
                found.push(programs);
            }
        }
        Err(match (cluster, found.first()) {
            (_, None) => ClusterError::ProgramsMissing { searched: places.to_string() },
            (Some(made_by), _) => ClusterError::OtherVersion {
                folder: folder.to_owned(),
                made_by,
                found: found.iter().map(|p| p.major.to_string()).collect::<Vec<_>>().join(", "),
            },
            (None, Some(old)) => {
                ClusterError::ProgramsTooOld { folder: old.folder.clone(), found: old.major }
            }
        })
    }

    /// The path of one program.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl std::fmt::Display for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (nth, folder) in self.0.iter().enumerate() {
            write!(f, "{}{}", if nth == 0 { "" } else { ", " }, folder.display())?;
        }
        Ok(())
    }
}

/// Asks `postgres --version`, whose answer is `postgres (PostgreSQL) 15.18 (Debian …)`.
async fn major_of(folder: &Path) -> Result<u32, ClusterError> {
    let program = folder.join("postgres");
    let output = Command::new(&program).arg("--version").output().await.doing("run", &program)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse_major(&text).ok_or(ClusterError::ProgramFailed {
        program: format!("{} --version", program.display()),
        status: output.status,
        output: text,
    })
}

/// The digits after `(PostgreSQL) `.
fn parse_major(version: &str) -> Option<u32> {
    let after = version.split("(PostgreSQL) ").nth(1)?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_released_and_unreleased_versions() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 19devel\n"), Some(19));
        assert_eq!(parse_major("something else 16"), None);
    }

    #[tokio::test]
    async fn a_system_without_postgres_is_told_what_to_install() {
        let nowhere = Places(vec!["/nonexistent/bin".into(), "/nonexistent/sbin".into()]);
        let error = Programs::find(&nowhere, Path::new("/data"), None).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ClusterError::ProgramsMissing { .. }), "{text}");
        assert!(text.contains("apt-get install postgresql") && text.contains("HOLDFAST_PG_BIN"), "{text}");
        assert!(text.contains("/nonexistent/bin, /nonexistent/sbin"), "{text}");
    }

    #[tokio::test]
    async fn programs_of_another_version_than_the_clusters_are_refused() {
        let error = Programs::find(&Places::known(None), Path::new("/data"), Some(9)).await.unwrap_err();
        assert!(matches!(error, ClusterError::OtherVersion { made_by: 9, .. }), "{error}");
    }
}
