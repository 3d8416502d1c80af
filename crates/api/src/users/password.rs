//! Another password. It ends every token of the account: whoever had the old one is out.

use super::{PASSWORD_CHARS, UserError, kept_forms};
use crate::{auth, store::bounded};
use holdfast_ambient::Ambient;
use holdfast_domain::{UserId, nfc};
use sqlx::PgPool;

/// Gives an account another password, as an operator. Its tokens end: in running servers within their `role_ttl`.
///
/// # Errors
/// `Password` if it is too short or too long, `Unknown`, or what failed.
pub async fn set_password(
    pool: &PgPool,
    ambient: &dyn Ambient,
    email: &str,
    password: &str,
) -> Result<(), UserError> {
    let password = nfc(password);
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        return Err(UserError::Password);
    }
    let hash = auth::hash_blocking(password.into_owned(), auth::salt(ambient)?).await?;
    let update = sqlx::query(
        "UPDATE users SET password_hash = $2, token_generation = token_generation + 1
         WHERE lower(email) = ANY($1)",
    )
    .bind(kept_forms(email))
    .bind(hash)
    .execute(pool);
    if bounded(update).await?.rows_affected() == 0 { Err(UserError::Unknown) } else { Ok(()) }
}

/// Replaces the password that was just found to be right. False: it is another one by now.
pub(crate) async fn replace_password(
    pool: &PgPool,
    user: UserId,
    old_hash: &str,
    new_hash: &str,
) -> Result<bool, UserError> {
    let update = sqlx::query(
        "UPDATE users SET password_hash = $3, token_generation = token_generation + 1
         WHERE user_id = $1 AND password_hash = $2",
    )
    .bind(user.0)
    .bind(old_hash)
    .bind(new_hash)
    .execute(pool);
    Ok(bounded(update).await?.rows_affected() == 1)
}
