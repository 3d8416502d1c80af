//! `DELETE /v1/sessions`: end all of one's sessions but the one that asks.

use crate::{
    extract::CallerSession,
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    users,
};
use axum::{extract::State, http::StatusCode};

problems! {
    /// Why they have not ended.
    EndOtherSessionsProblems: Unauthenticated, StoreUnavailable, OutcomeUnknown,
}

/// End all sessions but that of this request: their tokens are refused here at once, on other servers within 5 seconds.
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "users", security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "They have ended."), EndOtherSessionsProblems)
)]
pub(crate) async fn end_other_sessions(
    State(api): State<ApiState>,
    CallerSession(caller): CallerSession,
) -> Result<StatusCode, Problem> {
    let (pool, now) = (&api.pools.accounts, api.ambient.now());
    bounded_write(users::end_other_sessions(pool, caller.user_id, caller.token_id, now)).await?;
    api.accounts.changed(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}
