//! `DELETE /v1/sessions/current`: sign out.

use crate::{
    extract::CallerSession,
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    users,
};
use axum::{extract::State, http::StatusCode};

problems! {
    /// Why the token has not ended.
    EndSessionProblems: Unauthenticated, StoreUnavailable, OutcomeUnknown,
}

/// Sign out: the token of this request ends, on other servers within 5 seconds. Others of the account stay, unless it has
/// ended more than 64 within a token's life: then all of its tokens end.
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "users", security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It has ended."), EndSessionProblems)
)]
pub(crate) async fn end_session(
    State(api): State<ApiState>,
    CallerSession(session): CallerSession,
) -> Result<StatusCode, Problem> {
    let now = api.ambient.now();
    let (pool, session_of) = (&api.pools.accounts, session.user_id);
    bounded_write(users::end_token(pool, session_of, session.token_id, session.expires_at, now)).await?;
    api.accounts.changed(session.user_id);
    Ok(StatusCode::NO_CONTENT)
}
