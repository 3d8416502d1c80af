//! API keys: what programs act by for an account. Only a person who has signed in makes, sees and deletes them.

mod create;
mod delete;
mod list;

pub(crate) use create::{__path_create_api_key, create_api_key};
pub(crate) use delete::{__path_delete_api_key, delete_api_key};
pub(crate) use list::{__path_list_api_keys, list_api_keys};

use crate::users::ApiKey;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// An API key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView {
    /// Names it.
    id: Uuid,
    /// Your word for it.
    #[schema(example = "booking desk")]
    name: String,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// Its own limit of requests, beside the quotas that it has as an account has; null: none.
    requests_per_minute: Option<u32>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Until when it is good; null: until it is deleted.
    expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute; null: never.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.key_id,
            name: key.name,
            scopes: key.scopes.into_iter().map(|scope| scope.as_str()).collect(),
            requests_per_minute: key.requests_per_minute,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}
