//! `DELETE /v1/sessions/{id}`: end one of one's own sessions.

use crate::{
    extract::{CallerSession, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    users,
};
use axum::{extract::State, http::StatusCode};

problems! {
    /// Why it has not ended.
    EndOneSessionProblems: Unauthenticated, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// End a session: its token is refused here at once, on other servers within 5 seconds. An account that ends more than 64
/// within a token's life ends all.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "users",
    params(("id" = uuid::Uuid, Path, description = "One of your sessions.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It has ended."), EndOneSessionProblems)
)]
pub(crate) async fn end_one_session(
    State(api): State<ApiState>,
    CallerSession(caller): CallerSession,
    PathId(id): PathId,
) -> Result<StatusCode, Problem> {
    let ended = users::end_session(&api.pools.accounts, caller.user_id, id, api.ambient.now());
    if !bounded_write(ended).await? {
        return Err(Problem::not_found());
    }
    api.accounts.changed(caller.user_id);
    Ok(StatusCode::NO_CONTENT)
}
