//! Another password. It ends every token of the account: a thief of the old one is out.

use super::{NewPassword, Role, UserError, fits_staff, rules};
use crate::{auth, store::bounded};
use holdfast_ambient::Ambient;
use holdfast_domain::{UserId, nfc};
use sqlx::PgPool;

/// Gives an account another password, as an operator. Its tokens end: in running servers within their `role_ttl`.
///
/// # Errors
/// What is wrong with the password, `Unknown`, or what failed.
pub async fn set_password(
    pool: &PgPool,
    ambient: &dyn Ambient,
    email: &str,
    password: &str,
) -> Result<(), UserError> {
    let password = nfc(password);
    let user = super::find(pool, email).await?;
    rules::check(&password, user.as_ref().map_or(Role::Customer, |user| user.role))?;
    let user = user.ok_or(UserError::Unknown)?;
    let fits_staff = fits_staff(&password);
    let hash = auth::hash_blocking(password.into_owned(), auth::salt(ambient)?).await?;
    let update = sqlx::query(
        "UPDATE users SET password_hash = $2, token_generation = token_generation + 1, staff_password = $3
         WHERE user_id = $1",
    )
    .bind(user.user_id.0)
    .bind(hash)
    .bind(fits_staff)
    .execute(pool);
    if bounded(update).await?.rows_affected() == 0 { Err(UserError::Unknown) } else { Ok(()) }
}

/// Whether an account exists and has this password.
///
/// # Errors
/// What failed.
pub async fn has_password(pool: &PgPool, email: &str, password: &str) -> Result<bool, UserError> {
    let Some(found) = super::credentials(pool, email).await? else { return Ok(false) };
    Ok(auth::verify_blocking(password.to_owned(), found.password_hash).await?)
}

/// Replaces the password that was just found to be right. False: it is another one by now.
pub(crate) async fn replace_password(
    pool: &PgPool,
    user: UserId,
    old_hash: &str,
    new: &NewPassword,
) -> Result<bool, UserError> {
    let update = sqlx::query(
        "UPDATE users SET password_hash = $3, token_generation = token_generation + 1, staff_password = $4
         WHERE user_id = $1 AND password_hash = $2",
    )
    .bind(user.0)
    .bind(old_hash)
    .bind(&new.hash)
    .bind(new.fits_staff)
    .execute(pool);
    Ok(bounded(update).await?.rows_affected() == 1)
}
