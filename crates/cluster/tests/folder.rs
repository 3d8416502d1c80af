//! The data folder as one process's own: refused to a second one, and its secrets closed to others.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use holdfast_cluster::{DataFolder, FolderError};
use tokio::time::timeout;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn a_folder_in_use_is_refused_with_the_holders_process_id() -> Result {
    let parent = tempfile::tempdir()?;
    let path = parent.path().join("data");
    let held = DataFolder::open(&path)?;
    let error = DataFolder::open(&path).unwrap_err();
    assert!(matches!(&error, FolderError::InUse { holder, .. } if *holder == std::process::id().to_string()));
    assert!(error.to_string().contains("--data"), "{error}");
    drop(held);
    DataFolder::open(&path)?;
    Ok(())
}

/// A start right after `kill -9`: the killed process still holds the lock for a moment.
#[tokio::test]
async fn a_start_waits_for_the_lock_of_a_process_that_is_ending() -> Result {
    let parent = tempfile::tempdir()?;
    let held = DataFolder::open(parent.path())?;
    let opened = DataFolder::open_within(parent.path(), Duration::from_secs(60));
    tokio::pin!(opened);
    assert!(timeout(Duration::ZERO, opened.as_mut()).await.is_err(), "it waits while the lock is held");
    drop(held);
    let held = opened.await?;

    let refused = DataFolder::open_within(held.path(), Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(refused.to_string(), DataFolder::open(held.path()).unwrap_err().to_string());
    assert!(matches!(refused, FolderError::InUse { .. }), "{refused}");
    Ok(())
}

#[test]
fn a_secret_is_made_once_and_only_its_owner_can_read_it() -> Result {
    let parent = tempfile::tempdir()?;
    let folder = DataFolder::open(&parent.path().join("data"))?;
    let first = folder.secret_file("token-key", || "first".into())?;
    assert!(first.created);
    fs::set_permissions(&first.path, fs::Permissions::from_mode(0o644))?;

    let second = folder.secret_file("token-key", || "second".into())?;
    assert_eq!((second.content.as_str(), second.created), ("first", false));
    assert_eq!(fs::metadata(&second.path)?.permissions().mode() & 0o777, 0o600);
    assert!(!format!("{second:?}").contains("first"), "a secret must not get into a log");
    Ok(())
}

#[test]
fn an_emptied_secret_is_reported_not_replaced() -> Result {
    let parent = tempfile::tempdir()?;
    let folder = DataFolder::open(parent.path())?;
    fs::write(folder.path().join("token-key"), "\n")?;
    let error = folder.secret_file("token-key", || "new".into()).unwrap_err();
    assert!(matches!(error, FolderError::EmptySecret { .. }), "{error}");
    Ok(())
}

#[test]
fn the_folder_can_be_entered_by_postgres_whatever_the_umask() -> Result {
    let parent = tempfile::tempdir()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let folder = DataFolder::open(&parent.path().join("data"))?;
    assert_eq!(fs::metadata(folder.path())?.permissions().mode() & 0o777, 0o755);
    Ok(())
}
