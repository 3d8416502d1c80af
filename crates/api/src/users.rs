//! Accounts: the only code that touches `users`, `api_keys`, `guests`, `sessions`, `ended_tokens` and `role_changes`.
//!
//! Guarantees: one account per address, kept in small letters; passwords are kept as argon2id hashes; a role
//! never changes without a row that says who changed it; there is an admin for as long as one was not deleted.
//! Nothing of an account but its id and role leaves this module, but for its own owner and for admins.
//! Not here: when a hash may be computed (`auth::Hasher`), who may ask, how long any of it is remembered.

mod api_keys;
mod ended;
mod erase;
mod guests;
mod password;
mod role;
mod rules;
mod sessions;
mod to_come;
mod tokens;

pub use crate::auth::HashError;
pub(crate) use api_keys::{
    ApiKey, KeptApiKey, api_keys_of, delete as delete_api_key, find as find_api_key,
    insert as insert_api_key, used as api_key_used,
};
pub(crate) use ended::delete_own;
pub use ended::{EndedAccount, delete_with_bookings, ended_accounts, forget};
pub(crate) use guests::{Guest, erase as erase_guest, find as find_guest, insert as insert_guest};
pub(crate) use password::replace_password;
pub use password::{has_password, set_password};
pub(crate) use role::{AfterChange, RoleChange, role_changes, set_role};
pub use role::{Role, UnknownRole, grant};
pub(crate) use rules::{PASSWORD_CHARS, fits_staff, is_common};
pub(crate) use sessions::{Begun, UserSession, begin as begin_session, sessions_of};
pub use to_come::{BOOKINGS_TO_COME_MAX, bookings_to_come};
pub(crate) use tokens::{Standing, end_other_sessions, end_session, end_token, standing_of};

use crate::{auth, problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use erase::{Bookings, By};
use holdfast_ambient::Ambient;
use holdfast_domain::{UserId, nfc};
use sqlx::{PgPool, Row, postgres::PgRow};
use std::collections::HashMap;
use uuid::Uuid;

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Names it for ever.
    pub user_id: UserId,
    /// The same as an integer, as Airbourne's clients know it.
    pub number: i64,
    /// Where its owner is written to, in small letters.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Since when it exists.
    pub created_at: DateTime<Utc>,
}

/// An account with what its owner is known by. No `Debug`: it must not get into a log.
pub(crate) struct Credentials {
    pub(crate) user: User,
    /// argon2id, PHC string.
    pub(crate) password_hash: String,
    /// Which tokens are good: those of this generation.
    pub(crate) token_generation: i32,
}

/// A password that an account is given. No `Debug`: it must not get into a log.
pub(crate) struct NewPassword {
    /// argon2id, PHC string.
    pub(crate) hash: String,
    /// Whether it may be an agent's or admin's.
    pub(crate) fits_staff: bool,
}

/// Why an account was not made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Another account has the address.
    #[error("an account has this e-mail already")]
    EmailTaken,
    /// There is no such account.
    #[error("there is no such account")]
    Unknown,
    /// Without this one there would be no admin.
    #[error("this is the last admin; make another one first")]
    LastAdmin,
    /// The password is too short or too long.
    #[error("a password has {} to {} characters", PASSWORD_CHARS.start(), PASSWORD_CHARS.end())]
    Password,
    /// The password is guessed first.
    #[error("this password is one of those that are guessed first")]
    CommonPassword,
    /// The password is too short for an agent or admin.
    #[error("the password of an agent or admin has at least 12 characters; its owner changes it first")]
    StaffPassword,
    /// The password could not be hashed.
    #[error("the password could not be hashed")]
    Hash(#[from] HashError),
    /// Postgres did not do it.
    #[error("the accounts could not be read or written")]
    Store(#[source] sqlx::Error),
    /// Postgres did not answer in time.
    #[error("Postgres did not answer in time")]
    Timeout,
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database(error) => Self::Store(error),
            StoreError::Timeout | StoreError::Log(_) => Self::Timeout,
        }
    }
}

/// An address as it is kept and compared: small letters, NFC, its domain in Unicode (UTS #46). `BÜCHER.example`,
/// `bu\u{308}cher.example` and `xn--bcher-kva.example` are one domain.
pub(crate) fn kept_email(email: &str) -> String {
    let small = email.to_lowercase();
    let kept = match small.rsplit_once('@') {
        Some((local, domain)) => match idna::domain_to_unicode(domain) {
            (domain, Ok(())) => format!("{local}@{domain}"),
            (_, Err(_)) => small,
        },
        None => small,
    };
    nfc(&kept).into_owned()
}

/// The forms under which an account of the address can be kept, today's first: an older build kept the domain as it was
/// written, in Unicode or in ASCII.
pub(crate) fn kept_forms(email: &str) -> [String; 3] {
    let kept = kept_email(email);
    let ascii = kept.rsplit_once('@').and_then(|(local, domain)| {
        idna::domain_to_ascii(domain).ok().map(|domain| format!("{local}@{domain}"))
    });
    let ascii = ascii.unwrap_or_else(|| kept.clone());
    [kept, email.to_lowercase(), ascii]
}

/// Makes an account. Takes some tens of milliseconds of a blocking thread to hash the password.
///
/// # Errors
/// `EmailTaken`, what is wrong with the password, or what failed.
pub async fn create(
    pool: &PgPool,
    ambient: &dyn Ambient,
    email: &str,
    password: &str,
    role: Role,
) -> Result<User, UserError> {
    let password = nfc(password);
    rules::check(&password, role)?;
    let fits_staff = fits_staff(&password);
    let hash = auth::hash_blocking(password.into_owned(), auth::salt(ambient)?).await?;
    insert(pool, ambient, email, &NewPassword { hash, fits_staff }, role).await
}

/// Writes an account whose password is hashed already. A role that is more than a customer's is audited. A taken address is
/// no error of the statement: Postgres would write it into its own log.
pub(crate) async fn insert(
    pool: &PgPool,
    ambient: &dyn Ambient,
    email: &str,
    password: &NewPassword,
    role: Role,
) -> Result<User, UserError> {
    let (user_id, forms, created_at) = (UserId(ambient.new_id()), kept_forms(email), ambient.now());
    let email = forms[0].clone();
    let insert = sqlx::query_scalar(
        "WITH made AS (
             INSERT INTO users (user_id, email, password_hash, role, created_at, staff_password)
             SELECT $1::uuid, $2::text, $3::text, $4::text, $5::timestamptz, $7::boolean
             WHERE NOT EXISTS (SELECT FROM users WHERE lower(email) = ANY($8))
             ON CONFLICT (lower(email)) DO NOTHING RETURNING number
         ), audited AS (
             INSERT INTO role_changes (change_id, user_id, new_role, changed_at)
             SELECT $6, $1, $4, $5 FROM made WHERE $4 <> 'customer'
         )
         SELECT number FROM made",
    )
    .bind(user_id.0)
    .bind(&email)
    .bind(&password.hash)
    .bind(role.as_str())
    .bind(created_at)
    .bind(ambient.new_id())
    .bind(password.fits_staff)
    .bind(forms)
    .fetch_optional(pool);
    let number = bounded(insert).await?.ok_or(UserError::EmailTaken)?;
    Ok(User { user_id, number, email, role, created_at })
}

/// Finds an account by its address, whatever its letters' case.
///
/// # Errors
/// If Postgres does not answer.
pub async fn find(pool: &PgPool, email: &str) -> Result<Option<User>, UserError> {
    Ok(credentials(pool, email).await?.map(|found| found.user))
}

/// Finds an account by its address with the hash of its password, for signing in.
pub(crate) async fn credentials(pool: &PgPool, email: &str) -> Result<Option<Credentials>, UserError> {
    let query = sqlx::query(
        "SELECT user_id, number, email, role, created_at, password_hash, token_generation FROM users
         WHERE lower(email) = ANY($1) ORDER BY array_position($1, lower(email)) LIMIT 1",
    )
    .bind(kept_forms(email))
    .try_map(|row: PgRow| read_credentials(&row))
    .fetch_optional(pool);
    Ok(bounded(query).await?)
}

/// The same by its id, for whom a token has told already.
pub(crate) async fn credentials_of(pool: &PgPool, user: UserId) -> Result<Option<Credentials>, UserError> {
    let query = sqlx::query(
        "SELECT user_id, number, email, role, created_at, password_hash, token_generation FROM users
         WHERE user_id = $1",
    )
    .bind(user.0)
    .try_map(|row: PgRow| read_credentials(&row))
    .fetch_optional(pool);
    Ok(bounded(query).await?)
}

/// Finds an account by its id.
///
/// # Errors
/// If Postgres does not answer.
pub async fn find_by_id(pool: &PgPool, user_id: UserId) -> Result<Option<User>, UserError> {
    let query = sqlx::query("SELECT user_id, number, email, role, created_at FROM users WHERE user_id = $1")
        .bind(user_id.0)
        .try_map(|row: PgRow| user(&row))
        .fetch_optional(pool);
    Ok(bounded(query).await?)
}

/// The addresses of those of these users who have an account or are guests.
///
/// # Errors
/// If Postgres does not answer.
pub async fn addresses_of(pool: &PgPool, users: &[UserId]) -> Result<HashMap<UserId, String>, UserError> {
    let ids: Vec<_> = users.iter().map(|user| user.0).collect();
    let query = sqlx::query(
        "SELECT user_id, email FROM users WHERE user_id = ANY ($1)
         UNION ALL SELECT guest_id, email FROM guests WHERE guest_id = ANY ($1) AND email IS NOT NULL",
    )
    .bind(ids)
    .try_map(|row: PgRow| Ok((UserId(row.try_get("user_id")?), row.try_get("email")?)))
    .fetch_all(pool);
    Ok(bounded(query).await?.into_iter().collect())
}

/// Finds an account by its number.
pub(crate) async fn find_by_number(pool: &PgPool, number: i64) -> Result<Option<User>, UserError> {
    let query = sqlx::query("SELECT user_id, number, email, role, created_at FROM users WHERE number = $1")
        .bind(number)
        .try_map(|row: PgRow| user(&row))
        .fetch_optional(pool);
    Ok(bounded(query).await?)
}

/// Where a page of accounts begins: after this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct After {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user_id: UserId,
}

/// Accounts of a role, or all, the latest first.
pub(crate) async fn list(
    pool: &PgPool,
    role: Option<Role>,
    after: Option<After>,
    limit: u32,
) -> Result<Vec<User>, StoreError> {
    // The role is spelled out: with a parameter for it, the index of those who may more is not used.
    macro_rules! page {
        ($only:literal) => {
            concat!(
                "SELECT user_id, number, email, role, created_at FROM users WHERE ",
                $only,
                " AND (created_at, user_id) < (coalesce($1, 'infinity'), $2)
                 ORDER BY created_at DESC, user_id DESC LIMIT $3"
            )
        };
    }
    let sql = match role {
        None => page!("true"),
        Some(Role::Customer) => page!("role = 'customer'"),
        Some(Role::Agent) => page!("role = 'agent'"),
        Some(Role::Admin) => page!("role = 'admin'"),
    };
    let query = sqlx::query(sql)
        .bind(after.map(|after| after.created_at))
        .bind(after.map_or(Uuid::max(), |after| after.user_id.0))
        .bind(i64::from(limit))
        .try_map(|row: PgRow| user(&row))
        .fetch_all(pool);
    bounded(query).await
}

/// Deletes an account with all personal data. Its bookings stay in the log, under an id that names no person any more.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn delete(pool: &PgPool, email: &str, now: DateTime<Utc>) -> Result<(), UserError> {
    let user = find(pool, email).await?.ok_or(UserError::Unknown)?;
    erase::erase(pool, user.user_id, By::Operator, Bookings::Kept, now).await
}

/// Whether there is any admin.
///
/// # Errors
/// If Postgres does not answer.
pub async fn has_admin(pool: &PgPool) -> Result<bool, UserError> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE role = 'admin')").fetch_one(pool);
    Ok(bounded(query).await?)
}

fn read_credentials(row: &PgRow) -> Result<Credentials, sqlx::Error> {
    Ok(Credentials {
        user: user(row)?,
        password_hash: row.try_get("password_hash")?,
        token_generation: row.try_get("token_generation")?,
    })
}

fn user(row: &PgRow) -> Result<User, sqlx::Error> {
    Ok(User {
        user_id: UserId(row.try_get("user_id")?),
        number: row.try_get("number")?,
        email: row.try_get("email")?,
        role: role::read(row, "role")?,
        created_at: row.try_get("created_at")?,
    })
}
