//! `GET /v1/role-changes`: who gave whom which role. For admins only.

use crate::{
    extract::{Admin, FormRefused, FromQuery, Params, Query},
    form::id,
    problem::{Problem, problems},
    state::ApiState,
    users::{self, AfterChange, Role, RoleChange},
    view::{Cursor, JsonAnswer, Page},
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct RoleChangesQuery {
    user_id: Option<UserId>,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for RoleChangesQuery {
    fn read(params: &mut Params) -> Self {
        Self {
            user_id: params.take("user_id", "must be a UUID", |text| id(text).map(UserId)),
            limit: params.limit(),
            cursor: params.cursor(),
        }
    }
}

/// Whose changes: what a cursor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RoleChanges {
    role_changes_of: Option<UserId>,
}

/// A role that was given.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RoleChange)]
pub(crate) struct RoleChangeView {
    /// Names it.
    id: Uuid,
    /// Whose role it is.
    #[schema(value_type = Uuid)]
    user_id: UserId,
    /// What it was; null: the account was made with the new one.
    #[schema(example = "customer")]
    old_role: Option<&'static str>,
    /// What it is since then.
    #[schema(example = "agent")]
    new_role: &'static str,
    /// Which admin gave it; null: an operator, at the command line or at the first start.
    #[schema(value_type = Option<Uuid>)]
    changed_by: Option<UserId>,
    /// When.
    changed_at: DateTime<Utc>,
}

impl From<RoleChange> for RoleChangeView {
    fn from(change: RoleChange) -> Self {
        Self {
            id: change.change_id,
            user_id: change.user_id,
            old_role: change.old_role.map(Role::as_str),
            new_role: change.new_role.as_str(),
            changed_by: change.changed_by,
            changed_at: change.changed_at,
        }
    }
}

problems! {
    /// Why they are not listed.
    ListRoleChangesProblems: InvalidCursor, Unauthenticated, Forbidden, ValidationFailed, StoreUnavailable,
}

/// The roles that were given, the latest first.
#[utoipa::path(
    get, path = "/v1/role-changes", tag = "users",
    params(
        ("user_id" = Option<Uuid>, Query, description = "Only those of this account, which may be deleted by now."),
        ("limit" = Option<u32>, Query, description = "Changes of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<RoleChangeView>), ListRoleChangesProblems)
)]
pub(crate) async fn list_role_changes(
    State(api): State<ApiState>,
    _admin: Admin,
    query: Result<Query<RoleChangesQuery>, FormRefused>,
) -> Result<JsonAnswer<Page<RoleChangeView>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let wanted = RoleChanges { role_changes_of: query.user_id };
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let after = after.map(|(changed_at, change_id)| AfterChange { changed_at, change_id });
    let found = users::role_changes(&api.pool, query.user_id, after, query.limit).await?;
    let last = found.last().filter(|_| found.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.changed_at, last.change_id));
    Ok(JsonAnswer(Page::of(found.into_iter().map(RoleChangeView::from).collect(), next_cursor)))
}
