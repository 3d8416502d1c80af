//! The first admin of a data folder, whose password lies in a file until it is changed.

use holdfast_domain::UserId;
use std::{io::ErrorKind, path::PathBuf};
use tracing::{info, warn};

/// Whose password is in which file.
#[derive(Clone, Debug)]
pub struct FirstAdmin {
    /// The account.
    pub user_id: UserId,
    /// The file; it is removed when the account has another password.
    pub file: PathBuf,
}

impl FirstAdmin {
    /// Whether the password is still the first one.
    #[must_use]
    pub fn has_first_password(&self) -> bool {
        self.file.is_file()
    }

    /// Removes the file if `user`, whose password was changed, is this account.
    pub async fn password_changed(&self, user: UserId) {
        if user != self.user_id {
            return;
        }
        let file = self.file.clone();
        let removed = tokio::task::spawn_blocking(move || std::fs::remove_file(file)).await;
        match removed {
            Ok(Ok(())) => info!("the first admin's password was changed; its file is removed"),
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {}
            Ok(Err(error)) => {
                warn!(%error, "the file with the first admin's old password could not be removed")
            }
            Err(error) => warn!(%error, "the file with the first admin's old password was not removed"),
        }
    }
}
