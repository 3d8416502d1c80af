//! Which tokens of an account are good, and ending some.
//!
//! A token names its account's generation and itself. A new generation ends all tokens of an account at once; one that is
//! ended before its time is listed until that time is over. The list is bounded: an account that ends too many within a
//! token's life ends all. A session ends with its token.

use super::{Role, role};
use crate::{problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction, postgres::PgRow};
use std::sync::Arc;
use uuid::Uuid;

/// Ended tokens of an account that are listed: bounds what each server remembers of it (1 KiB).
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
    /// Tokens whose id is less have ended; nil: none has.
    pub(crate) first_token_id: Uuid,
    /// These have ended too.
    pub(crate) ended: Arc<[Uuid]>,
}

impl Standing {
    /// Whether a token of this id and generation was ended before its time.
    pub(crate) fn has_ended(&self, token_id: Uuid, generation: i32) -> bool {
        self.token_generation != generation
            || token_id < self.first_token_id
            || self.ended.contains(&token_id)
    }
}

/// How an account stands; none if there is no such account (any more).
pub(crate) async fn standing_of(
    pool: &PgPool,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Option<Standing>, StoreError> {
    let query = sqlx::query(
        "SELECT role, number, token_generation, first_token_id, ARRAY(
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
            first_token_id: row.try_get::<Option<Uuid>, _>("first_token_id")?.unwrap_or_default(),
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
    bounded::<_, sqlx::Error>(async {
        let Some(mut tx) = locked(pool, user, now).await? else { return Ok(()) };
        sqlx::query(
            "WITH gone AS (DELETE FROM sessions WHERE user_id = $1 AND session_id = $2)
             INSERT INTO ended_tokens VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(user.0)
        .bind(token)
        .bind(expires_at)
        .execute(&mut *tx)
        .await?;
        keep_bound(&mut tx, user, now).await?;
        tx.commit().await
    })
    .await
}

/// Ends a session that is listed. False: the account has none of this id.
pub(crate) async fn end_session(
    pool: &PgPool,
    user: UserId,
    session: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    bounded::<_, sqlx::Error>(async {
        let Some(mut tx) = locked(pool, user, now).await? else { return Ok(false) };
        let ended = sqlx::query(
            "WITH gone AS (
                 DELETE FROM sessions USING users
                 WHERE sessions.user_id = $1 AND session_id = $2 AND expires_at > $3
                   AND users.user_id = $1 AND users.token_generation = sessions.token_generation
                 RETURNING session_id, expires_at
             )
             INSERT INTO ended_tokens SELECT $1, session_id, expires_at FROM gone ON CONFLICT DO NOTHING",
        )
        .bind(user.0)
        .bind(session)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        keep_bound(&mut tx, user, now).await?;
        tx.commit().await?;
        Ok(ended.rows_affected() == 1)
    })
    .await
}

/// Ends all sessions that are listed but `current`. Where these are more than can be listed, all tokens that are older than
/// `current` end by their ids.
pub(crate) async fn end_other_sessions(
    pool: &PgPool,
    user: UserId,
    current: Uuid,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    bounded::<_, sqlx::Error>(async {
        let Some(mut tx) = locked(pool, user, now).await? else { return Ok(()) };
        sqlx::query(
            "WITH gone AS (
                 DELETE FROM sessions WHERE user_id = $1 AND session_id <> $2 RETURNING session_id, expires_at
             )
             INSERT INTO ended_tokens SELECT $1, session_id, expires_at FROM gone WHERE expires_at > $3
             ON CONFLICT DO NOTHING",
        )
        .bind(user.0)
        .bind(current)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "WITH older AS (
                 UPDATE users SET first_token_id = GREATEST(first_token_id, $2)
                 WHERE user_id = $1 AND $3 < (
                     SELECT count(*) FROM ended_tokens AS ended WHERE ended.user_id = $1 AND expires_at > $4
                 ) RETURNING user_id
             )
             DELETE FROM ended_tokens USING older WHERE ended_tokens.user_id = older.user_id AND token_id < $2",
        )
        .bind(user.0)
        .bind(current)
        .bind(ENDED_MAX)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        keep_bound(&mut tx, user, now).await?;
        tx.commit().await
    })
    .await
}

/// Throws expired rows away and locks the account, so that two requests that end tokens count one after the other. None:
/// there is no such account.
async fn locked(
    pool: &PgPool,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Option<Transaction<'static, Postgres>>, sqlx::Error> {
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
    let lock = sqlx::query("SELECT FROM users WHERE user_id = $1 FOR UPDATE").bind(user.0);
    Ok(lock.fetch_optional(&mut *tx).await?.map(|_| tx))
}

/// Where more are listed than may be, a new generation ends all of the account's tokens, and the list begins anew.
async fn keep_bound(tx: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
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
    .execute(tx)
    .await
    .map(|_| ())
}
