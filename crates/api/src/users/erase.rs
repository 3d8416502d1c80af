//! The end of an account: the one transaction that takes away what is known of its owner.
//!
//! Guarantee: account, sessions that were ended, its reminders (all three go with its row), reminders of others to its address, and its
//! mails that are owed go together; that its mails in a folder are erased is asked for in the same transaction. What stays
//! has ids only.

use super::{User, UserError, kept_forms, user};
use crate::store::bounded;
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use sqlx::{PgConnection, PgPool, postgres::PgRow};
use uuid::Uuid;

/// Who ends an account, and so what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// An operator, who can make another admin.
    Operator,
    /// The owner: not the last admin.
    Owner,
}

/// What becomes of its live bookings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bookings {
    Kept,
    /// A server cancels those that it finds.
    Cancelled,
}

/// Ends an account.
pub(super) async fn erase(
    pool: &PgPool,
    user_id: UserId,
    by: By,
    bookings: Bookings,
    now: DateTime<Utc>,
) -> Result<(), UserError> {
    let erased = bounded(async {
        let mut tx = pool.begin().await?;
        let outcome = erase_in_tx(&mut tx, user_id, by, bookings, now).await?;
        if outcome.is_ok() {
            tx.commit().await?;
        }
        Ok::<_, sqlx::Error>(outcome)
    });
    erased.await?
}

async fn erase_in_tx(
    tx: &mut PgConnection,
    user_id: UserId,
    by: By,
    bookings: Bookings,
    now: DateTime<Utc>,
) -> Result<Result<(), UserError>, sqlx::Error> {
    // As for a change of a role, in a statement of its own: of two last admins one stays.
    let admins = "SELECT user_id FROM users WHERE role = 'admin' ORDER BY user_id FOR UPDATE";
    let admins: Vec<Uuid> = match by {
        By::Owner => sqlx::query_scalar(admins).fetch_all(&mut *tx).await?,
        By::Operator => vec![],
    };
    if admins == [user_id.0] {
        return Ok(Err(UserError::LastAdmin));
    }
    let gone: Option<User> = sqlx::query(
        "DELETE FROM users WHERE user_id = $1 RETURNING user_id, number, email, role, created_at",
    )
    .bind(user_id.0)
    .try_map(|row: PgRow| user(&row))
    .fetch_optional(&mut *tx)
    .await?;
    let Some(gone) = gone else { return Ok(Err(UserError::Unknown)) };
    holdfast_notifier::erase_recipient(&mut *tx, user_id, &kept_forms(&gone.email), now).await?;
    if bookings == Bookings::Cancelled {
        sqlx::query("INSERT INTO ended_accounts (user_id, ended_at, looked_at) VALUES ($1, $2, $2)")
            .bind(user_id.0)
            .bind(now)
            .execute(&mut *tx)
            .await?;
    }
    Ok(Ok(()))
}
