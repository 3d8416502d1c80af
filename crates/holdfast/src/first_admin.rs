//! The admin that a new data folder begins with, and the file with its first password.
//!
//! The file opens the account, so it goes when the account has another password: at once where the change is made by a
//! process that has the folder, else at the next start.

use crate::roles::up::random_hex;
use anyhow::Context as _;
use holdfast_ambient::Machine;
use holdfast_api::{
    FirstAdmin,
    users::{self, Role, UserError},
};
use holdfast_cluster::DataFolder;
use sqlx::PgPool;
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// E-mail address of the admin that a new system begins with.
const EMAIL: &str = "admin@holdfast.local";
/// File with the password that it was made with.
pub(crate) const PASSWORD_FILE: &str = "admin-password";
/// Random bytes of that password; written in hexadecimal.
const PASSWORD_BYTES: usize = 16;

/// Makes the first admin where there is none, with a password in a file, and says which admin there is.
///
/// An account can be in the way: its admin's role was taken away and it kept the address. The system serves without an
/// admin, and the operator decides whose account that is.
pub(crate) async fn ensure(pool: &PgPool, folder: &DataFolder) -> anyhow::Result<String> {
    if users::has_admin(pool).await? {
        let first = users::find(pool, EMAIL).await?.filter(|user| user.role == Role::Admin);
        return Ok(match (first, unchanged(pool, folder.path()).await?) {
            (Some(_), Some(file)) => format!("admin {EMAIL}, whose first password is in {}", file.display()),
            (Some(_), None) => format!("admin {EMAIL}"),
            (None, _) => "an admin of your own".to_owned(),
        });
    }
    let password = folder.secret_file(PASSWORD_FILE, || random_hex(PASSWORD_BYTES))?;
    match users::create(pool, &Machine, EMAIL, &password.content, Role::Admin).await {
        Ok(_) => Ok(format!("admin {EMAIL} with the password in {}", password.path.display())),
        Err(UserError::EmailTaken) => {
            tracing::warn!(
                "there is no admin, and the account {EMAIL} is none; `holdfast user grant EMAIL admin` makes one"
            );
            Ok("no admin".to_owned())
        }
        Err(error) => Err(error.into()),
    }
}

/// The account of the file, for a server on this folder.
pub(crate) async fn of(pool: &PgPool, data: &Path) -> anyhow::Result<Option<FirstAdmin>> {
    let user = users::find(pool, EMAIL).await?;
    Ok(user.map(|user| FirstAdmin { user_id: user.user_id, file: data.join(PASSWORD_FILE) }))
}

/// The file, if its password opens the account. One that opens nothing is removed.
pub(crate) async fn unchanged(pool: &PgPool, data: &Path) -> anyhow::Result<Option<PathBuf>> {
    let file = data.join(PASSWORD_FILE);
    let password = match std::fs::read_to_string(&file) {
        Ok(password) => password,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    if users::has_password(pool, EMAIL, password.trim_end()).await? {
        return Ok(Some(file));
    }
    remove(data)?;
    Ok(None)
}

/// Removes the file if the account of `email`, which was deleted or has another password, is that of the file.
pub(crate) fn changed(email: &str, data: Option<&Path>) -> anyhow::Result<()> {
    match data {
        Some(data) if email.eq_ignore_ascii_case(EMAIL) => remove(data),
        _ => Ok(()),
    }
}

fn remove(data: &Path) -> anyhow::Result<()> {
    let file = data.join(PASSWORD_FILE);
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error)
            .with_context(|| format!("{}, which opens nothing any more, cannot be removed", file.display())),
        _ => Ok(()),
    }
}
