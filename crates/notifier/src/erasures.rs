//! Mails of a person whose account is deleted: those that are owed go with it, those in a folder soon after.
//!
//! Shape: the account's transaction writes a hash of the address (`erase_recipient`) → every notifier looks for hashes, and its mailer
//! removes the files that carry one in their name (`MailFolder`), in one pass through the folder for all of them.
//! A hash stays for an hour: a notifier that had claimed a mail before the deletion may write it some minutes later, and there may be several
//! notifiers, each with a folder. A file that is younger than the deletion by more than such a claim lasts belongs to another account
//! of the same address, and stays.

use crate::{compose::receiver, mailer::Mailer};
use chrono::TimeDelta;
use holdfast_domain::{Timestamp, UserId};
use lettre::Address;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};
use std::{collections::HashMap, fmt::Write as _};

/// Hashes of one pass: bounds its memory. The oldest come first, and the rest with the next pass.
const KEYS_MAX: i64 = 10_000;
/// How long a hash is kept after its deletion.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// A claim (180 s) and an attempt (120 s): what was claimed before the deletion is written by then.
const WRITTEN_WITHIN: TimeDelta = TimeDelta::seconds(300);
/// Bytes of the hash in a file's name: of a million addresses no two have the same.
const KEY_BYTES: usize = 8;

/// What file names carry of a receiver.
pub(crate) fn recipient_key(address: &Address) -> String {
    let hash = Sha256::digest(address.to_string().to_lowercase());
    hash.iter().take(KEY_BYTES).fold(String::new(), |mut hex, byte| {
        // Writing into a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Erases what is owed to an account and to its address, in the transaction that deletes the account. `addresses`: the forms in
/// which the address may be kept.
///
/// # Errors
/// Whatever Postgres says.
pub async fn erase_recipient(
    tx: &mut PgConnection,
    user_id: UserId,
    addresses: &[String],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM mails WHERE user_id = $1").bind(user_id.0).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM reminders WHERE recipient IS NOT NULL AND lower(recipient) = ANY($1)")
        .bind(addresses)
        .execute(&mut *tx)
        .await?;
    let keys: Vec<_> = addresses.iter().filter_map(|address| receiver(address)).collect();
    let keys: Vec<_> = keys.iter().map(recipient_key).collect();
    sqlx::query(
        "INSERT INTO mail_erasures (recipient_key, asked_at)
         SELECT DISTINCT key, $2::timestamptz FROM unnest($1::text[]) key ON CONFLICT DO NOTHING",
    )
    .bind(keys)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Has the mailer erase what is asked for, and forgets what is old enough. Returns how many files are gone.
///
/// # Errors
/// If Postgres does not answer, or a file cannot be removed: the next look tries again.
pub(crate) async fn erase_once(
    pool: &PgPool,
    mailer: &dyn Mailer,
    now: Timestamp,
) -> Result<usize, EraseError> {
    let keys: HashMap<String, Timestamp> =
        sqlx::query("SELECT recipient_key, asked_at FROM mail_erasures ORDER BY asked_at LIMIT $1")
            .bind(KEYS_MAX)
            .try_map(|row: PgRow| Ok((row.try_get(0)?, row.try_get::<Timestamp, _>(1)? + WRITTEN_WITHIN)))
            .fetch_all(pool)
            .await?
            .into_iter()
            .collect();
    if keys.is_empty() {
        return Ok(0);
    }
    let gone = mailer.erase(keys).await?;
    sqlx::query("DELETE FROM mail_erasures WHERE asked_at < $1").bind(now - KEPT).execute(pool).await?;
    Ok(gone)
}

/// Why mails were not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Postgres said no.
    #[error("the addresses could not be read")]
    Database(#[from] sqlx::Error),
    /// The folder said no.
    #[error("a mail could not be removed from its folder")]
    Folder(#[from] std::io::Error),
}
