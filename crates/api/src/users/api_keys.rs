//! An account's API keys: the only code that touches `api_keys`.
//!
//! Guarantees: the hash of a secret leaves this module only to be compared; an account has at most [`KEYS_MAX`]; keys go with
//! their account.

use crate::{problem::StoreError, scopes::Scope, store::bounded};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::UserId;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// Keys of an account: each has quotas of its own, so their number bounds what an account may ask.
const KEYS_MAX: i64 = 10;

/// A key as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiKey {
    pub(crate) key_id: Uuid,
    /// The owner's word for it.
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    /// None: the quotas of an account alone.
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) created_at: DateTime<Utc>,
    /// None: never, unless it is deleted.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// To the minute.
    pub(crate) last_used_at: Option<DateTime<Utc>>,
}

/// A key as requests are checked against it. No `Debug`: it must not get into a log.
pub(crate) struct KeptApiKey {
    pub(crate) user_id: UserId,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// SHA-256 of its secret.
    pub(crate) secret_hash: [u8; 32],
    last_used_at: Option<DateTime<Utc>>,
    /// Its use was noted since it was read.
    is_noted: AtomicBool,
}

impl KeptApiKey {
    /// Whether a use at `now` is to be written: what is written is older than `precision`. True once.
    pub(crate) fn is_used_at(&self, now: DateTime<Utc>, precision: TimeDelta) -> bool {
        let is_old = self.last_used_at.is_none_or(|at| at + precision <= now);
        is_old && !self.is_noted.swap(true, Ordering::Relaxed)
    }
}

/// Keeps a key. False: the account has as many as it may, or is gone.
pub(crate) async fn insert(
    pool: &PgPool,
    user: UserId,
    key: &ApiKey,
    secret_hash: &[u8; 32],
) -> Result<bool, StoreError> {
    bounded::<_, sqlx::Error>(async {
        let mut tx = pool.begin().await?;
        // Two that are made at once are counted one after the other; the count needs a snapshot after the wait.
        sqlx::query("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE")
            .bind(user.0)
            .execute(&mut *tx)
            .await?;
        let made = sqlx::query(
            "INSERT INTO api_keys (key_id, user_id, name, scopes, secret_hash, requests_per_minute,
                                   created_at, expires_at)
             SELECT $1, user_id, $3, $4, $5, $6, $7, $8 FROM users
             WHERE user_id = $2 AND (SELECT count(*) FROM api_keys WHERE user_id = $2) < $9",
        )
        .bind(key.key_id)
        .bind(user.0)
        .bind(&key.name)
        .bind(key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>())
        .bind(&secret_hash[..])
        .bind(key.requests_per_minute.map(i32::try_from).transpose().unwrap_or(None))
        .bind(key.created_at)
        .bind(key.expires_at)
        .bind(KEYS_MAX)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(made.rows_affected() == 1)
    })
    .await
}

/// All of an account's keys, the latest first.
pub(crate) async fn api_keys_of(pool: &PgPool, user: UserId) -> Result<Vec<ApiKey>, StoreError> {
    let list = sqlx::query(
        "SELECT key_id, name, scopes, requests_per_minute, created_at, expires_at, last_used_at
         FROM api_keys WHERE user_id = $1 ORDER BY created_at DESC, key_id DESC",
    )
    .bind(user.0)
    .try_map(|row: PgRow| {
        Ok(ApiKey {
            key_id: row.try_get("key_id")?,
            name: row.try_get("name")?,
            scopes: scopes(&row)?,
            requests_per_minute: requests_per_minute(&row)?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            last_used_at: row.try_get("last_used_at")?,
        })
    })
    .fetch_all(pool);
    bounded(list).await
}

/// Deletes a key. False: the account has none of this id.
pub(crate) async fn delete(pool: &PgPool, user: UserId, key_id: Uuid) -> Result<bool, StoreError> {
    let delete = sqlx::query("DELETE FROM api_keys WHERE key_id = $1 AND user_id = $2")
        .bind(key_id)
        .bind(user.0)
        .execute(pool);
    Ok(bounded(delete).await?.rows_affected() == 1)
}

/// A key by its id, to be compared.
pub(crate) async fn find(pool: &PgPool, key_id: Uuid) -> Result<Option<KeptApiKey>, sqlx::Error> {
    sqlx::query(
        "SELECT user_id, scopes, secret_hash, requests_per_minute, expires_at, last_used_at
         FROM api_keys WHERE key_id = $1",
    )
    .bind(key_id)
    .try_map(|row: PgRow| {
        let hash: &[u8] = row.try_get("secret_hash")?;
        Ok(KeptApiKey {
            user_id: UserId(row.try_get("user_id")?),
            scopes: scopes(&row)?,
            requests_per_minute: requests_per_minute(&row)?,
            expires_at: row.try_get("expires_at")?,
            secret_hash: hash.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            last_used_at: row.try_get("last_used_at")?,
            is_noted: AtomicBool::new(false),
        })
    })
    .fetch_optional(pool)
    .await
}

/// Writes when a key was used, unless another server has within `precision`.
pub(crate) async fn used(
    pool: &PgPool,
    key_id: Uuid,
    now: DateTime<Utc>,
    precision: TimeDelta,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE api_keys SET last_used_at = $2 WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
    )
    .bind(key_id)
    .bind(now)
    .bind(now - precision)
    .execute(pool)
    .await
    .map(|_| ())
}

/// Words of a later build are left out: they allow nothing here.
fn scopes(row: &PgRow) -> Result<Vec<Scope>, sqlx::Error> {
    let words: Vec<String> = row.try_get("scopes")?;
    Ok(words.iter().filter_map(|word| Scope::from_word(word)).collect())
}

fn requests_per_minute(row: &PgRow) -> Result<Option<u32>, sqlx::Error> {
    let limit: Option<i32> = row.try_get("requests_per_minute")?;
    Ok(limit.and_then(|limit| u32::try_from(limit).ok()))
}
