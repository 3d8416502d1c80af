//! `GET /v1/api-keys`: one's own keys, without their secrets.

use super::ApiKeyView;
use crate::{
    extract::Person,
    problem::{Problem, problems},
    state::ApiState,
    users,
    view::{JsonAnswer, Page},
};
use axum::extract::State;

problems! {
    /// Why they are not listed.
    ListApiKeysProblems: Unauthenticated, StoreUnavailable,
}

/// Your API keys, the latest first, on one page: there are at most 10.
#[utoipa::path(
    get, path = "/v1/api-keys", tag = "api-keys", security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "All of them.", body = Page<ApiKeyView>), ListApiKeysProblems)
)]
pub(crate) async fn list_api_keys(
    State(api): State<ApiState>,
    Person(caller): Person,
) -> Result<JsonAnswer<Page<ApiKeyView>>, Problem> {
    let keys = users::api_keys_of(&api.pools.accounts, caller.user_id).await?;
    Ok(JsonAnswer(Page::of(keys.into_iter().map(ApiKeyView::from).collect(), None)))
}
