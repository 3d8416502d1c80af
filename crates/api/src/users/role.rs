//! Roles: who may do what, and who said so.
//!
//! Guarantee: role and audit row change in one transaction, and two admins who demote each other at the same time
//! do not both succeed: each locks every admin's row before it counts them.

use super::{User, UserError, user};
use crate::{problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use holdfast_ambient::Ambient;
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use std::{fmt, str::FromStr};
use uuid::Uuid;

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

/// A role that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleChange {
    pub(crate) change_id: Uuid,
    pub(crate) user_id: UserId,
    /// None: the account was made with the new one.
    pub(crate) old_role: Option<Role>,
    pub(crate) new_role: Role,
    /// None: an operator, who has no account.
    pub(crate) changed_by: Option<UserId>,
    pub(crate) changed_at: DateTime<Utc>,
}

/// Gives the account of an address another role, as an operator. Running servers know it within their `role_ttl`.
///
/// # Errors
/// `Unknown`, `LastAdmin`, `StaffPassword`, or what failed.
pub async fn grant(pool: &PgPool, ambient: &dyn Ambient, email: &str, role: Role) -> Result<(), UserError> {
    let user = super::find(pool, email).await?.ok_or(UserError::Unknown)?;
    set_role(pool, ambient, user.user_id, role, None).await.map(|_| ())
}

/// Gives an account another role. The same role again changes nothing and is not audited.
pub(crate) async fn set_role(
    pool: &PgPool,
    ambient: &dyn Ambient,
    user_id: UserId,
    role: Role,
    changed_by: Option<UserId>,
) -> Result<User, UserError> {
    let changed = bounded(async {
        let mut tx = pool.begin().await?;
        let user = set_role_in_tx(&mut tx, ambient, user_id, role, changed_by).await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>(user)
    });
    changed.await?
}

async fn set_role_in_tx(
    tx: &mut PgConnection,
    ambient: &dyn Ambient,
    user_id: UserId,
    role: Role,
    changed_by: Option<UserId>,
) -> Result<Result<User, UserError>, sqlx::Error> {
    // In a statement of its own and in one order: whoever waited here sees what the other has left.
    let admins: Vec<Uuid> =
        sqlx::query_scalar("SELECT user_id FROM users WHERE role = 'admin' ORDER BY user_id FOR UPDATE")
            .fetch_all(&mut *tx)
            .await?;
    let found = sqlx::query(
        "SELECT user_id, number, email, role, created_at, staff_password FROM users WHERE user_id = $1 FOR UPDATE",
    )
    .bind(user_id.0)
    .try_map(|row: PgRow| Ok((user(&row)?, row.try_get::<Option<bool>, _>("staff_password")?)))
    .fetch_optional(&mut *tx)
    .await?;
    let Some((user, staff_password)) = found else { return Ok(Err(UserError::Unknown)) };
    if user.role == role {
        return Ok(Ok(user));
    }
    // Of a password that is older than the column nothing is known.
    if role != Role::Customer && staff_password == Some(false) {
        return Ok(Err(UserError::StaffPassword));
    }
    if user.role == Role::Admin && admins == [user_id.0] {
        return Ok(Err(UserError::LastAdmin));
    }
    sqlx::query(
        "WITH changed AS (UPDATE users SET role = $3 WHERE user_id = $2)
         INSERT INTO role_changes (change_id, user_id, old_role, new_role, changed_by, changed_at)
         VALUES ($1, $2, $4, $3, $5, $6)",
    )
    .bind(ambient.new_id())
    .bind(user_id.0)
    .bind(role.as_str())
    .bind(user.role.as_str())
    .bind(changed_by.map(|by| by.0))
    .bind(ambient.now())
    .execute(tx)
    .await?;
    Ok(Ok(User { role, ..user }))
}

/// Where a page of changes begins: after this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AfterChange {
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) change_id: Uuid,
}

/// Roles that were given, to one account or to any, the latest first.
pub(crate) async fn role_changes(
    pool: &PgPool,
    user: Option<UserId>,
    after: Option<AfterChange>,
    limit: u32,
) -> Result<Vec<RoleChange>, StoreError> {
    let sql = match user {
        None => {
            "SELECT * FROM role_changes WHERE $4::uuid IS NULL
             AND (changed_at, change_id) < (coalesce($1, 'infinity'), $2)
             ORDER BY changed_at DESC, change_id DESC LIMIT $3"
        }
        Some(_) => {
            "SELECT * FROM role_changes WHERE user_id = $4
             AND (changed_at, change_id) < (coalesce($1, 'infinity'), $2)
             ORDER BY changed_at DESC, change_id DESC LIMIT $3"
        }
    };
    let query = sqlx::query(sql)
        .bind(after.map(|after| after.changed_at))
        .bind(after.map_or(Uuid::max(), |after| after.change_id))
        .bind(i64::from(limit))
        .bind(user.map(|user| user.0))
        .try_map(|row: PgRow| change(&row))
        .fetch_all(pool);
    bounded(query).await
}

fn change(row: &PgRow) -> Result<RoleChange, sqlx::Error> {
    let old_role = row.try_get::<Option<&str>, _>("old_role")?.map(|_| read(row, "old_role")).transpose()?;
    Ok(RoleChange {
        change_id: row.try_get("change_id")?,
        user_id: UserId(row.try_get("user_id")?),
        old_role,
        new_role: read(row, "new_role")?,
        changed_by: row.try_get::<Option<Uuid>, _>("changed_by")?.map(UserId),
        changed_at: row.try_get("changed_at")?,
    })
}

/// A role in a column.
pub(super) fn read(row: &PgRow, column: &str) -> Result<Role, sqlx::Error> {
    row.try_get::<&str, _>(column)?.parse().map_err(|e: UnknownRole| sqlx::Error::Decode(e.into()))
}
