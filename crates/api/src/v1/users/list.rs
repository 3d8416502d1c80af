//! `GET /v1/users`: who has an account. For admins only.

use super::UserView;
use crate::{
    extract::{Admin, FormRefused, FromQuery, Params, Query},
    form::email,
    problem::{Problem, problems},
    state::ApiState,
    users::{self, After, Role},
    view::{Cursor, JsonAnswer, Page},
};
use axum::extract::State;
use holdfast_domain::UserId;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct UsersQuery {
    email: Option<String>,
    role: Option<Role>,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for UsersQuery {
    fn read(params: &mut Params) -> Self {
        Self {
            email: params.take("email", "must be an e-mail address", email),
            role: params.take("role", "must be customer, agent or admin", |text| text.parse().ok()),
            limit: params.limit(),
            cursor: params.cursor(),
        }
    }
}

problems! {
    /// Why they are not listed.
    ListUsersProblems: InvalidCursor, Unauthenticated, Forbidden, ValidationFailed, StoreUnavailable,
}

/// The accounts, the latest first.
#[utoipa::path(
    get, path = "/v1/users", tag = "users",
    params(
        ("email" = Option<String>, Query, description = "Only the account of this address."),
        ("role" = Option<String>, Query, description = "Only these: customer, agent or admin."),
        ("limit" = Option<u32>, Query, description = "Accounts of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<UserView>), ListUsersProblems)
)]
pub(crate) async fn list_users(
    State(api): State<ApiState>,
    _admin: Admin,
    query: Result<Query<UsersQuery>, FormRefused>,
) -> Result<JsonAnswer<Page<UserView>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    if let Some(email) = &query.email {
        let found = users::find(&api.pool, email)
            .await?
            .filter(|user| query.role.is_none_or(|role| role == user.role));
        return Ok(JsonAnswer(Page::of(found.into_iter().map(UserView::from).collect(), None)));
    }
    let wanted = query.role.map_or("users", Role::as_str).to_owned();
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let after = after.map(|(created_at, id)| After { created_at, user_id: UserId(id) });
    let found = users::list(&api.pool, query.role, after, query.limit).await?;
    let last = found.last().filter(|_| found.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.created_at, last.user_id.0));
    Ok(JsonAnswer(Page::of(found.into_iter().map(UserView::from).collect(), next_cursor)))
}
