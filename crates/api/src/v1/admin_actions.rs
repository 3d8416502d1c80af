//! `GET /v1/admin-actions`: what admins did. For admins only.

use crate::{
    admin_actions::{self as actions, AdminAction, AfterAction, Filter, Outcome},
    extract::{Admin, FormRefused, FromQuery, Params, Query},
    form::id,
    problem::{Problem, problems},
    state::ApiState,
    view::{Cursor, JsonAnswer, Page},
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest name of an action.
const ACTION_CHARS_MAX: usize = 64;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct AdminActionsQuery {
    filter: Filter,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for AdminActionsQuery {
    fn read(params: &mut Params) -> Self {
        let must_be = "must be an operation's id, such as set_role";
        Self {
            filter: Filter {
                actor: params.take("actor_id", "must be a UUID", |text| id(text).map(UserId)),
                action: params.take("action", must_be, |text| is_action(text).then(|| text.to_owned())),
            },
            limit: params.limit(),
            cursor: params.cursor(),
        }
    }
}

fn is_action(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    letters && (1..=ACTION_CHARS_MAX).contains(&text.len())
}

/// Whose actions, and which: what a cursor is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AdminActions {
    admin_actions_of: Option<UserId>,
    action: Option<String>,
}

/// What an admin did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminAction)]
pub(crate) struct AdminActionView {
    /// Names it.
    id: Uuid,
    /// Which admin.
    #[schema(value_type = Uuid)]
    actor_id: UserId,
    /// The operation's id in this document.
    #[schema(example = "set_role")]
    action: String,
    /// What it was done to, such as an account or a show; null: nothing that has an id.
    target_id: Option<Uuid>,
    /// When it began.
    begun_at: DateTime<Utc>,
    /// `done`, `refused`, or `unknown`: the server ended, or lost its store, before it knew.
    #[schema(example = "done")]
    outcome: String,
    /// The `code` of the problem it was answered with; null: there was none.
    code: Option<String>,
}

impl From<AdminAction> for AdminActionView {
    fn from(action: AdminAction) -> Self {
        Self {
            id: action.action_id,
            actor_id: action.actor,
            action: action.action,
            target_id: action.target,
            begun_at: action.begun_at,
            outcome: action.outcome.unwrap_or_else(|| Outcome::Unknown.as_str().to_owned()),
            code: action.code,
        }
    }
}

problems! {
    /// Why they are not listed.
    ListAdminActionsProblems: InvalidCursor, Unauthenticated, Forbidden, ValidationFailed, StoreUnavailable,
}

/// The writes that only admins may ask for, the latest first: who asked, what for, and what became of it.
#[utoipa::path(
    get, path = "/v1/admin-actions", tag = "users",
    params(
        ("actor_id" = Option<Uuid>, Query, description = "Only those of this admin."),
        ("action" = Option<String>, Query, description = "Only those of this operation, such as set_role.",
            min_length = 1, max_length = 64, pattern = "^[a-z_]+$"),
        ("limit" = Option<u32>, Query, description = "Actions of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<AdminActionView>), ListAdminActionsProblems)
)]
pub(crate) async fn list_admin_actions(
    State(api): State<ApiState>,
    _admin: Admin,
    query: Result<Query<AdminActionsQuery>, FormRefused>,
) -> Result<JsonAnswer<Page<AdminActionView>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let Filter { actor, action } = query.filter.clone();
    let wanted = AdminActions { admin_actions_of: actor, action };
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let after = after.map(|(begun_at, action_id)| AfterAction { begun_at, action_id });
    let found = actions::admin_actions(&api.pool, &query.filter, after, query.limit).await?;
    let last = found.last().filter(|_| found.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.begun_at, last.action_id));
    Ok(JsonAnswer(Page::of(found.into_iter().map(AdminActionView::from).collect(), next_cursor)))
}
