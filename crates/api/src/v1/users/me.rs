//! `GET /v1/users/me`: who am I.

use super::UserView;
use crate::{
    extract::Caller,
    problem::{Problem, problems},
    state::ApiState,
    users,
    view::JsonAnswer,
};
use axum::extract::State;

problems! {
    /// Why it is not told.
    MeProblems: Unauthenticated, NotFound, StoreUnavailable,
}

/// Who am I.
#[utoipa::path(
    get, path = "/v1/users/me", tag = "users", security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The account of the token.", body = UserView), MeProblems)
)]
pub(crate) async fn me(
    State(api): State<ApiState>,
    Caller(caller): Caller,
) -> Result<JsonAnswer<UserView>, Problem> {
    let user = users::find_by_id(&api.pools.accounts, caller.user_id).await?;
    user.map(|user| JsonAnswer(user.into())).ok_or_else(Problem::not_found)
}
