//! `holdfast user`: what an operator does to accounts.

use crate::config::Access;
use crate::first_admin;
use crate::out;
use crate::system::System;
use anyhow::Context as _;
use holdfast_ambient::Machine;
use holdfast_api::users::{self, Role};
use std::io::{BufRead as _, Read as _};

/// As much as is read of a line that should be a password.
const PASSWORD_BYTES_READ: u64 = 4_096;

pub(crate) async fn grant(email: &str, role: Role, access: &Access) -> anyhow::Result<()> {
    let grant = async |system: &System| Ok(users::grant(&system.pool, &Machine, email, role).await?);
    System::with_all_of(access, grant).await?;
    out::line(format_args!("{email} is {role} now"));
    Ok(())
}

pub(crate) async fn delete(email: &str, access: &Access) -> anyhow::Result<()> {
    let delete = async |system: &System| {
        users::delete(&system.pool, email).await?;
        first_admin::changed(email, system.folder())
    };
    System::with_all_of(access, delete).await?;
    out::line(format_args!("{email} is deleted; its bookings stay, under an id that leads to no account"));
    Ok(())
}

/// Takes the new password from standard input: no process list and no shell history shows it.
pub(crate) async fn password(email: &str, access: &Access) -> anyhow::Result<()> {
    let mut password = String::new();
    std::io::stdin().lock().take(PASSWORD_BYTES_READ).read_line(&mut password).context("no password came")?;
    let password = password.trim_end_matches(['\r', '\n']);
    let set = async |system: &System| {
        users::set_password(&system.pool, &Machine, email, password).await?;
        first_admin::changed(email, system.folder())
    };
    System::with_all_of(access, set).await?;
    out::line(format_args!("{email} has the new password; its tokens end within 5 seconds"));
    Ok(())
}
