//! The list of what admins did, the latest first.

use crate::{problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// An action as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminAction {
    pub(crate) action_id: Uuid,
    pub(crate) actor: UserId,
    pub(crate) action: String,
    pub(crate) target: Option<Uuid>,
    pub(crate) begun_at: DateTime<Utc>,
    /// None: the server ended before it knew.
    pub(crate) outcome: Option<String>,
    pub(crate) code: Option<String>,
}

/// Which actions are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) actor: Option<UserId>,
    pub(crate) action: Option<String>,
}

/// Where a page begins: after this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AfterAction {
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) action_id: Uuid,
}

/// Every filter has a statement, and an index, of its own. What is filtered by stands first in the order, as a range: of an equality
/// Postgres may take the index of all actions, and read every one of them for an admin who has done nothing.
fn statement(filter: &Filter) -> &'static str {
    match (filter.actor, &filter.action) {
        (None, None) => {
            "SELECT * FROM admin_actions
             WHERE $4::uuid IS NULL AND $5::text IS NULL AND (begun_at, action_id) < (coalesce($1, 'infinity'), $2)
             ORDER BY begun_at DESC, action_id DESC LIMIT $3"
        }
        (Some(_), None) => {
            "SELECT * FROM admin_actions
             WHERE $5::text IS NULL AND actor_id >= $4
               AND (actor_id, begun_at, action_id) < ($4, coalesce($1, 'infinity'), $2)
             ORDER BY actor_id DESC, begun_at DESC, action_id DESC LIMIT $3"
        }
        (None, Some(_)) => {
            "SELECT * FROM admin_actions
             WHERE $4::uuid IS NULL AND action >= $5
               AND (action, begun_at, action_id) < ($5, coalesce($1, 'infinity'), $2)
             ORDER BY action DESC, begun_at DESC, action_id DESC LIMIT $3"
        }
        (Some(_), Some(_)) => {
            "SELECT * FROM admin_actions
             WHERE (actor_id, action) >= ($4, $5)
               AND (actor_id, action, begun_at, action_id) < ($4, $5, coalesce($1, 'infinity'), $2)
             ORDER BY actor_id DESC, action DESC, begun_at DESC, action_id DESC LIMIT $3"
        }
    }
}

/// A page of actions.
pub(crate) async fn admin_actions(
    pool: &PgPool,
    filter: &Filter,
    after: Option<AfterAction>,
    limit: u32,
) -> Result<Vec<AdminAction>, StoreError> {
    let query = sqlx::query(statement(filter))
        .bind(after.map(|after| after.begun_at))
        .bind(after.map_or(Uuid::max(), |after| after.action_id))
        .bind(i64::from(limit))
        .bind(filter.actor.map(|user| user.0))
        .bind(&filter.action)
        .try_map(|row: PgRow| action(&row))
        .fetch_all(pool);
    bounded(query).await
}

/// Which of these endpoints an account has registered, as far as its actions say.
pub(crate) async fn registered_endpoints(
    pool: &PgPool,
    user: UserId,
    endpoints: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    let query = sqlx::query_scalar(
        "SELECT DISTINCT target_id FROM admin_actions
         WHERE actor_id = $1 AND action = 'create_endpoint' AND outcome = 'done' AND target_id = ANY ($2)",
    )
    .bind(user.0)
    .bind(endpoints)
    .fetch_all(pool);
    bounded(query).await
}

fn action(row: &PgRow) -> Result<AdminAction, sqlx::Error> {
    Ok(AdminAction {
        action_id: row.try_get("action_id")?,
        actor: UserId(row.try_get("actor_id")?),
        action: row.try_get("action")?,
        target: row.try_get("target_id")?,
        begun_at: row.try_get("begun_at")?,
        outcome: row.try_get("outcome")?,
        code: row.try_get("code")?,
    })
}
