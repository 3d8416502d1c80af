//! Accounts that were deleted together with their bookings: what a server still has to cancel.
//!
//! Guarantee: the account is gone and its row is here, or neither. The row goes only after a look through all bookings that
//! the account can have made, so a server that is killed leaves the rest to the next look.
//! Not here: which bookings these are, and their cancellation (the server's loop).

use super::{
    UserError,
    erase::{Bookings, By, erase},
};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::UserId;
use holdfast_event_log::heads;
use sqlx::{PgPool, Row, postgres::PgRow};

/// How long after its deletion an account may still book: servers know how accounts stand for 5 s, and a request may take
/// as long again.
const MAY_BOOK_FOR: TimeDelta = TimeDelta::seconds(10);

/// An account whose bookings are to be cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedAccount {
    /// The account as bookings name it.
    pub user_id: UserId,
    /// All of its bookings are up to there, by partition; none: it may still book.
    pub positions: Option<Vec<i64>>,
}

/// Deletes an account, and asks for its bookings to come to be cancelled.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn delete_with_bookings(
    pool: &PgPool,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<(), UserError> {
    erase(pool, user_id, By::Operator, Bookings::Cancelled, now).await
}

/// The same for its owner. Bookings that no read model knows yet are cancelled too.
pub(crate) async fn delete_own(pool: &PgPool, user_id: UserId, now: DateTime<Utc>) -> Result<(), UserError> {
    erase(pool, user_id, By::Owner, Bookings::Cancelled, now).await
}

/// Accounts to look through, the one that waits longest first.
///
/// # Errors
/// Whatever Postgres says.
pub async fn ended_accounts(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<EndedAccount>, sqlx::Error> {
    let positions: Vec<_> = heads(pool).await?.into_iter().map(|head| head.position).collect();
    sqlx::query("UPDATE ended_accounts SET positions = $1 WHERE positions IS NULL AND ended_at < $2")
        .bind(positions)
        .bind(now - MAY_BOOK_FOR)
        .execute(pool)
        .await?;
    sqlx::query(
        "UPDATE ended_accounts SET looked_at = $1
         WHERE user_id = ANY (ARRAY(SELECT user_id FROM ended_accounts ORDER BY looked_at LIMIT $2))
         RETURNING user_id, positions",
    )
    .bind(now)
    .bind(i64::from(limit))
    .try_map(|row: PgRow| {
        Ok(EndedAccount { user_id: UserId(row.try_get("user_id")?), positions: row.try_get("positions")? })
    })
    .fetch_all(pool)
    .await
}

/// No booking to come is left of the account.
///
/// # Errors
/// Whatever Postgres says.
pub async fn forget(pool: &PgPool, user_id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM ended_accounts WHERE user_id = $1")
        .bind(user_id.0)
        .execute(pool)
        .await
        .map(|_| ())
}
