//! Accounts: the only code that touches `users`.
//!
//! Guarantees: one account per address, whatever its letters' case; passwords are kept as argon2id
//! hashes; nothing of an account but its id and role leaves this module, but for its own owner.
//! Not here: when a hash may be computed (`auth::Hasher`), who may ask.

pub use crate::auth::HashError;
use crate::{auth, problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use holdfast_ambient::Ambient;
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Row, postgres::PgRow};
use std::{fmt, ops::RangeInclusive, str::FromStr};

/// Name of the index that a second account of one address violates.
const EMAIL_KEY: &str = "users_email_key";

/// Characters of a password: long enough that guessing is hopeless, short enough that hashing is not.
pub(crate) const PASSWORD_CHARS: RangeInclusive<usize> = 8..=128;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Books and sees for itself.
    Customer,
    /// Books and sees for others.
    Agent,
    /// Does what an agent does, and opens and changes inventories.
    Admin,
}

impl Role {
    /// The word used in the table and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// There is no such role.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is one of customer, agent, admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Customer, Self::Agent, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Names it for ever.
    pub user_id: UserId,
    /// Where its owner is written to.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Since when it exists.
    pub created_at: DateTime<Utc>,
}

/// Why an account was not made, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Another account has the address.
    #[error("an account has this e-mail already")]
    EmailTaken,
    /// No account has the address.
    #[error("no account has this e-mail")]
    Unknown,
    /// The password is too short or too long.
    #[error("a password has {} to {} characters", PASSWORD_CHARS.start(), PASSWORD_CHARS.end())]
    Password,
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
            StoreError::Database(sqlx::Error::Database(e)) if e.constraint() == Some(EMAIL_KEY) => {
                Self::EmailTaken
            }
            StoreError::Database(error) => Self::Store(error),
            StoreError::Timeout | StoreError::Log(_) => Self::Timeout,
        }
    }
}

/// Makes an account. Takes some tens of milliseconds of a blocking thread to hash the password.
///
/// # Errors
/// `EmailTaken`, or what failed.
pub async fn create(
    pool: &PgPool,
    ambient: &dyn Ambient,
    email: &str,
    password: &str,
    role: Role,
) -> Result<User, UserError> {
    let hash = auth::hash_blocking(password.to_owned(), auth::salt(ambient)?).await?;
    insert(pool, ambient, email, &hash, role).await
}

/// Writes an account whose password is hashed already.
pub(crate) async fn insert(
    pool: &PgPool,
    ambient: &dyn Ambient,
    email: &str,
    password_hash: &str,
    role: Role,
) -> Result<User, UserError> {
    let user =
        User { user_id: UserId(ambient.new_id()), email: email.to_owned(), role, created_at: ambient.now() };
    let insert = sqlx::query(
        "INSERT INTO users (user_id, email, password_hash, role, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(user.user_id.0)
    .bind(email)
    .bind(password_hash)
    .bind(role.as_str())
    .bind(user.created_at)
    .execute(pool);
    bounded(insert).await?;
    Ok(user)
}

/// Finds an account by its address, whatever its letters' case.
///
/// # Errors
/// If Postgres does not answer.
pub async fn find(pool: &PgPool, email: &str) -> Result<Option<User>, UserError> {
    Ok(find_with_hash(pool, email).await?.map(|(user, _)| user))
}

/// Finds an account with the hash of its password, for signing in.
pub(crate) async fn find_with_hash(pool: &PgPool, email: &str) -> Result<Option<(User, String)>, UserError> {
    let query = sqlx::query(
        "SELECT user_id, email, role, created_at, password_hash FROM users WHERE lower(email) = lower($1)",
    )
    .bind(email)
    .try_map(|row: PgRow| Ok((user(&row)?, row.try_get("password_hash")?)))
    .fetch_optional(pool);
    Ok(bounded(query).await?)
}

/// Finds an account by its id.
///
/// # Errors
/// If Postgres does not answer.
pub async fn find_by_id(pool: &PgPool, user_id: UserId) -> Result<Option<User>, UserError> {
    let query = sqlx::query("SELECT user_id, email, role, created_at FROM users WHERE user_id = $1")
        .bind(user_id.0)
        .try_map(|row: PgRow| user(&row))
        .fetch_optional(pool);
    Ok(bounded(query).await?)
}

/// The role of an account; none if there is no such account (any more).
pub(crate) async fn role_of(pool: &PgPool, user_id: UserId) -> Result<Option<Role>, StoreError> {
    let query = sqlx::query("SELECT role FROM users WHERE user_id = $1")
        .bind(user_id.0)
        .try_map(|row: PgRow| role(&row))
        .fetch_optional(pool);
    bounded(query).await
}

/// Gives an account another role. Running servers know it within their `role_ttl`.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn set_role(pool: &PgPool, email: &str, role: Role) -> Result<(), UserError> {
    let update = sqlx::query("UPDATE users SET role = $2 WHERE lower(email) = lower($1)")
        .bind(email)
        .bind(role.as_str())
        .execute(pool);
    if bounded(update).await?.rows_affected() == 0 { Err(UserError::Unknown) } else { Ok(()) }
}

/// Deletes an account. Its bookings stay in the log, under an id that leads to nobody any more.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn delete(pool: &PgPool, email: &str) -> Result<(), UserError> {
    let delete = sqlx::query("DELETE FROM users WHERE lower(email) = lower($1)").bind(email).execute(pool);
    if bounded(delete).await?.rows_affected() == 0 { Err(UserError::Unknown) } else { Ok(()) }
}

/// Whether there is any admin.
///
/// # Errors
/// If Postgres does not answer.
pub async fn has_admin(pool: &PgPool) -> Result<bool, UserError> {
    let query = sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE role = 'admin')").fetch_one(pool);
    Ok(bounded(query).await?)
}

/// Gives an account another password. Tokens that were given out stay good until they end.
///
/// # Errors
/// `Password` if it is too short or too long, `Unknown`, or what failed.
pub async fn set_password(
    pool: &PgPool,
    ambient: &dyn Ambient,
    email: &str,
    password: &str,
) -> Result<(), UserError> {
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        return Err(UserError::Password);
    }
    let hash = auth::hash_blocking(password.to_owned(), auth::salt(ambient)?).await?;
    let update = sqlx::query("UPDATE users SET password_hash = $2 WHERE lower(email) = lower($1)")
        .bind(email)
        .bind(hash)
        .execute(pool);
    if bounded(update).await?.rows_affected() == 0 { Err(UserError::Unknown) } else { Ok(()) }
}

fn user(row: &PgRow) -> Result<User, sqlx::Error> {
    Ok(User {
        user_id: UserId(row.try_get("user_id")?),
        email: row.try_get("email")?,
        role: role(row)?,
        created_at: row.try_get("created_at")?,
    })
}

fn role(row: &PgRow) -> Result<Role, sqlx::Error> {
    row.try_get::<&str, _>("role")?.parse().map_err(|e: UnknownRole| sqlx::Error::Decode(e.into()))
}
