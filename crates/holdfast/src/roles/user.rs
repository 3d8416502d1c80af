//! `holdfast user`: what an operator does to accounts.

use crate::config::{Access, BookingsFate};
use crate::first_admin;
use crate::out;
use crate::system::System;
use anyhow::Context as _;
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_api::users::{self, BOOKINGS_TO_COME_MAX, Role, UserError};
use std::io::{BufRead as _, Read as _};

/// As much as is read of a line that should be a password.
const PASSWORD_BYTES_READ: u64 = 4_096;
/// No bookings to come.
const NONE: &str = "0";

pub(crate) async fn grant(email: &str, role: Role, access: &Access) -> anyhow::Result<()> {
    let grant = async |system: &System| Ok(users::grant(&system.pool, &Machine, email, role).await?);
    System::with_all_of(access, grant).await?;
    out::line(format_args!("{email} is {role} now"));
    Ok(())
}

/// Refused where bookings to come are live and nothing says what becomes of them.
pub(crate) async fn delete(email: &str, fate: BookingsFate, access: &Access) -> anyhow::Result<()> {
    let delete = async |system: &System| {
        let (pool, now) = (&system.pool, Machine.now());
        let user = users::find(pool, email).await?.ok_or(UserError::Unknown)?;
        let live = users::bookings_to_come(pool, user.user_id, now).await;
        let live = counted(live.map(|bookings| bookings.len()));
        match fate {
            BookingsFate::Undecided if live != NONE => anyhow::bail!(
                "{email} has {live} live bookings to come; --cancel-bookings cancels them, --keep-bookings leaves them \
                 under an id that leads to no account"
            ),
            BookingsFate::Undecided | BookingsFate::Kept => users::delete(pool, email, now).await?,
            BookingsFate::Cancelled => users::delete_with_bookings(pool, user.user_id, now).await?,
        }
        first_admin::changed(email, system.folder())?;
        Ok(live)
    };
    let live = System::with_all_of(access, delete).await?;
    match fate {
        BookingsFate::Cancelled => out::line(format_args!(
            "{email} is deleted; {live} live bookings to come are cancelled by the server, or by the next that starts"
        )),
        BookingsFate::Undecided | BookingsFate::Kept => out::line(format_args!(
            "{email} is deleted; its bookings stay, {live} of them live and to come, under an id that leads to no account"
        )),
    }
    Ok(())
}

/// How many bookings, in words: the read model may not be there to ask.
fn counted(live: Result<usize, sqlx::Error>) -> String {
    match live {
        Ok(BOOKINGS_TO_COME_MAX..) => format!("{BOOKINGS_TO_COME_MAX} or more"),
        Ok(live) => live.to_string(),
        Err(error) => {
            tracing::warn!(%error, "the read models of bookings and inventories cannot be read");
            "an unknown number of".to_owned()
        }
    }
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
