//! An account's sign-ins that have not ended: begun at sign-in, listed for their owner.
//!
//! Guarantees: an account has at most [`SESSIONS_MAX`]; the oldest gives way to a new one, and its token ends with it. What is
//! kept of a client goes with its session. Sessions of an earlier token generation have ended, so another password needs no
//! work here.
//! Not here: ending one (`tokens`). Tokens of a build before this table are good until they expire, and are not listed.

use crate::{problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// Sessions of an account. Load tests and shared desks sign in hundreds of times within a token's life.
const SESSIONS_MAX: i64 = 1_000;
/// Expired rows that one sign-in throws away: more than it adds, so that they do not gather.
const FORGOTTEN_MAX: i64 = 16;

/// A sign-in. No `Debug`: what is known of the client must not get into a log.
pub(crate) struct UserSession {
    /// The id inside its token.
    pub(crate) session_id: Uuid,
    /// The beginning of `User-Agent`.
    pub(crate) client: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// What became of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It is the account's newest session.
    Added,
    /// The same, and the oldest have ended for it.
    ReplacedOldest,
    /// There is no such account any more.
    NoAccount,
}

/// Keeps a new session.
pub(crate) async fn begin(
    pool: &PgPool,
    user: UserId,
    token_generation: i32,
    session: &UserSession,
) -> Result<Begun, StoreError> {
    let begin = sqlx::query(
        "WITH forgotten AS (
             DELETE FROM sessions WHERE (user_id, session_id) IN (
                 SELECT user_id, session_id FROM sessions WHERE expires_at <= $5
                 ORDER BY expires_at LIMIT $8 FOR UPDATE SKIP LOCKED)
         ), account AS (
             SELECT user_id FROM users WHERE user_id = $1 FOR KEY SHARE
         ), made AS (
             INSERT INTO sessions (user_id, session_id, token_generation, client, created_at, expires_at)
             SELECT user_id, $2, $3, $4, $5, $6 FROM account RETURNING 1
         ), oldest AS (
             -- After the account is locked: that is the order of those who end sessions, too.
             SELECT session_id FROM sessions JOIN account USING (user_id)
             ORDER BY session_id DESC OFFSET $7 - 2 LIMIT 1
         ), gone AS (
             DELETE FROM sessions USING oldest
             WHERE user_id = $1 AND sessions.session_id < oldest.session_id RETURNING 1
         ), ended AS (
             UPDATE users SET first_token_id = GREATEST(first_token_id, oldest.session_id) FROM oldest
             WHERE user_id = $1 AND EXISTS (SELECT FROM gone) RETURNING 1
         )
         SELECT EXISTS (SELECT FROM made) AS made, EXISTS (SELECT FROM ended) AS ended",
    )
    .bind(user.0)
    .bind(session.session_id)
    .bind(token_generation)
    .bind(&session.client)
    .bind(session.created_at)
    .bind(session.expires_at)
    .bind(SESSIONS_MAX)
    .bind(FORGOTTEN_MAX)
    .try_map(|row: PgRow| {
        Ok(match (row.try_get("made")?, row.try_get("ended")?) {
            (false, _) => Begun::NoAccount,
            (true, true) => Begun::ReplacedOldest,
            (true, false) => Begun::Added,
        })
    })
    .fetch_one(pool);
    bounded(begin).await
}

/// An account's sessions that have not ended, the latest first; those before `before`.
pub(crate) async fn sessions_of(
    pool: &PgPool,
    user: UserId,
    before: Option<Uuid>,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<Vec<UserSession>, StoreError> {
    let list = sqlx::query(
        "SELECT session_id, client, sessions.created_at, expires_at
         FROM sessions JOIN users USING (user_id, token_generation)
         WHERE user_id = $1 AND expires_at > $2 AND ($3::uuid IS NULL OR session_id < $3)
         ORDER BY session_id DESC LIMIT $4",
    )
    .bind(user.0)
    .bind(now)
    .bind(before)
    .bind(i64::from(limit))
    .try_map(|row: PgRow| {
        Ok(UserSession {
            session_id: row.try_get("session_id")?,
            client: row.try_get("client")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    })
    .fetch_all(pool);
    bounded(list).await
}
