//! Which tokens of an account are good, and ending one.
//!
//! A token names its account's generation and itself. A new generation ends all tokens of an account at once; one that is
//! signed out is listed until its time is over. The list is bounded: who signs out too often within a token's life ends all.

use super::{Role, role};
use crate::{problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::sync::Arc;
use uuid::Uuid;

/// Signed-out tokens of an account that are listed: bounds what each server remembers of it (1 KiB).
const ENDED_MAX: i64 = 64;
/// Expired rows that one sign-out throws away: more than it adds, so that they do not gather.
const FORGOTTEN_MAX: i64 = 16;

/// What an account may do now, and with which tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) role: Role,
    /// What Airbourne's clients know it by.
    pub(crate) number: i64,
    /// Tokens of an earlier generation have ended.
    pub(crate) token_generation: i32,
    /// These have ended too.
    pub(crate) ended: Arc<[Uuid]>,
}

/// How an account stands; none if there is no such account (any more).
pub(crate) async fn standing_of(
    pool: &PgPool,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Option<Standing>, StoreError> {
    let query = sqlx::query(
        "SELECT role, number, token_generation, ARRAY(
             SELECT token_id FROM ended_tokens AS ended WHERE ended.user_id = users.user_id AND expires_at > $2
         ) AS ended FROM users WHERE user_id = $1",
    )
    .bind(user.0)
    .bind(now)
    .try_map(|row: PgRow| {
        Ok(Standing {
            role: role::read(&row, "role")?,
            number: row.try_get("number")?,
            token_generation: row.try_get("token_generation")?,
            ended: row.try_get::<Vec<Uuid>, _>("ended")?.into(),
        })
    })
    .fetch_optional(pool);
    bounded(query).await
}

/// Ends a token before its time. Doing it twice is the same as once.
pub(crate) async fn end_token(
    pool: &PgPool,
    user: UserId,
    token: Uuid,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ended = bounded(async {
        let mut tx = pool.begin().await?;
        sqlx::query(
            "DELETE FROM ended_tokens WHERE (user_id, token_id) IN (
                 SELECT user_id, token_id FROM ended_tokens WHERE expires_at <= $1
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .bind(now)
        .bind(FORGOTTEN_MAX)
        .execute(&mut *tx)
        .await?;
        // The account's row is locked first, so that two who sign out count one after the other.
        let lock = sqlx::query("SELECT FROM users WHERE user_id = $1 FOR UPDATE").bind(user.0);
        if lock.fetch_optional(&mut *tx).await?.is_some() {
            sqlx::query("INSERT INTO ended_tokens VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(user.0)
                .bind(token)
                .bind(expires_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "WITH many AS (
                     SELECT count(*) > $2 AS too_many FROM ended_tokens WHERE user_id = $1 AND expires_at > $3
                 ), next AS (
                     UPDATE users SET token_generation = token_generation + 1
                     WHERE user_id = $1 AND (SELECT too_many FROM many) RETURNING user_id
                 )
                 DELETE FROM ended_tokens USING next WHERE ended_tokens.user_id = next.user_id",
            )
            .bind(user.0)
            .bind(ENDED_MAX)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await
    });
    ended.await
}
