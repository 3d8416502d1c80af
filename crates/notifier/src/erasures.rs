//! What is owed to a person whose account is deleted goes with the account, in its transaction.

use holdfast_domain::UserId;
use sqlx::PgConnection;

/// Erases the mails that are owed to an account, and the reminders that others have made to its address. `addresses`: the forms in which
/// the address may be kept, in small letters.
///
/// # Errors
/// Whatever Postgres says.
pub async fn erase_recipient(
    tx: &mut PgConnection,
    user_id: UserId,
    addresses: &[String],
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM mails WHERE user_id = $1").bind(user_id.0).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM reminders WHERE recipient IS NOT NULL AND lower(recipient) = ANY($1)")
        .bind(addresses)
        .execute(&mut *tx)
        .await?;
    Ok(())
}
