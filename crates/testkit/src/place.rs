//! Folders for test servers, which an unprivileged account must be able to enter when the tests run as root.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// Name of the shared server's folder, or of a link to it, in Cargo's target folder; `scripts/test` stops it there.
const SHARED: &str = "testkit-postgres";

/// A temporary folder that everybody may pass through, as a data folder is; temporary folders are closed otherwise.
pub fn open_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("holdfast-test-").tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    folder
}

/// The data folder of the shared server: in the target folder, or, when that is closed to the unprivileged account
/// (a checkout below root's home), in the temporary folder with a link to it.
pub(crate) fn shared_data() -> PathBuf {
    let target = target_folder();
    fs::create_dir_all(&target).expect("the target folder can be made");
    let target = target.canonicalize().expect("the target folder exists");
    let place = target.join(SHARED);
    if place.exists() || is_open_to_all(&target) {
        return place;
    }
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    let elsewhere = env::temp_dir().join(format!("holdfast-{SHARED}-{:016x}", hasher.finish()));
    fs::create_dir_all(&elsewhere).expect("the temporary folder is writable");
    let found = fs::symlink_metadata(&elsewhere).expect("just made");
    assert!(
        found.is_dir() && found.uid() == rustix::process::geteuid().as_raw(),
        "{} belongs to somebody else; remove it",
        elsewhere.display()
    );
    match symlink(&elsewhere, &place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.expect("the target folder is writable"),
    }
    place
}

/// `CARGO_TARGET_DIR`, or `target` beside the workspace's manifest.
pub(crate) fn target_folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |target| workspace.join(target))
}

/// Only root's server runs as somebody else.
fn is_open_to_all(folder: &Path) -> bool {
    let passable = |step: &Path| fs::metadata(step).is_ok_and(|found| found.mode() & 1 == 1);
    !rustix::process::geteuid().is_root() || folder.ancestors().all(passable)
}
