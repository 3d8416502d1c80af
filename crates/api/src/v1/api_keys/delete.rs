//! `DELETE /v1/api-keys/{id}`: the key is good no more.

use crate::{
    extract::{PathId, Person},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    users,
};
use axum::{extract::State, http::StatusCode};

problems! {
    /// Why it is not deleted.
    DeleteApiKeyProblems: Unauthenticated, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Delete one of your API keys. It is refused within 5 seconds on every server.
#[utoipa::path(
    delete, path = "/v1/api-keys/{id}", tag = "api-keys",
    params(("id" = uuid::Uuid, Path, description = "The key's id, not the key.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It is gone."), DeleteApiKeyProblems)
)]
pub(crate) async fn delete_api_key(
    State(api): State<ApiState>,
    Person(caller): Person,
    PathId(id): PathId,
) -> Result<StatusCode, Problem> {
    if !bounded_write(users::delete_api_key(&api.pools.accounts, caller.user_id, id)).await? {
        return Err(Problem::not_found());
    }
    api.api_keys.deleted(id).await;
    Ok(StatusCode::NO_CONTENT)
}
