//! `POST /v1/api-keys`: a new key. It is in this answer and nowhere else.

use super::ApiKeyView;
use crate::{
    auth::{NewKey, Principal},
    extract::{Body, Person},
    form::{Fields, Form, Instant, Line, ScopeWords, Whole},
    problem::{Code, FieldError, Problem, problems},
    scopes::Scope,
    state::ApiState,
    store::bounded_write,
    users::{self, ApiKey, Role},
    view::Made,
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;

type KeyName = Line<1, NAME_CHARS_MAX>;
type RequestsPerMinute = Whole<1, 100_000>;

/// Asks for a key.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "booking desk", "scopes": ["bookings:read", "bookings:write"]}))]
pub(crate) struct CreateApiKey {
    /// Your word for it.
    #[schema(inline)]
    name: KeyName,
    /// What it may do. It never does more than your role allows at that time.
    #[schema(inline)]
    scopes: ScopeWords,
    /// Until when it is good; left out: until it is deleted.
    #[schema(inline)]
    expires_at: Option<Instant>,
    /// Its own limit of requests, beside the quotas that it has as an account has; left out: none.
    #[schema(inline)]
    requests_per_minute: Option<RequestsPerMinute>,
}

impl Form for CreateApiKey {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<KeyName>("name");
        fields.required::<ScopeWords>("scopes");
        fields.optional::<Instant>("expires_at");
        fields.optional::<RequestsPerMinute>("requests_per_minute");
    }
}

/// A new key. No `Debug`: it must not get into a log.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct NewApiKeyView {
    /// Send it as `Authorization: Bearer …`. It is shown here and nowhere else.
    #[schema(example = "hfk_…")]
    key: String,
    #[serde(flatten)]
    about: ApiKeyView,
}

problems! {
    /// Why there is no key.
    CreateApiKeyProblems:
        MalformedJson, Unauthenticated, Forbidden, TooManyApiKeys, PayloadTooLarge, UnsupportedMediaType,
        ValidationFailed, RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Make an API key, which acts for your account with some of its rights. An account has at most 10. Scopes that end in
/// `:admin`, and those of webhooks, are given by admins; those of guests by agents and admins. The key is shown once: keep it as a password is kept.
#[utoipa::path(
    post, path = "/v1/api-keys", tag = "api-keys", request_body = CreateApiKey,
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The key.", body = NewApiKeyView), CreateApiKeyProblems)
)]
pub(crate) async fn create_api_key(
    State(api): State<ApiState>,
    Person(caller): Person,
    Body(request): Body<CreateApiKey>,
) -> Result<Made<NewApiKeyView>, Problem> {
    let now = api.ambient.now();
    may_give(&caller, &request.scopes.0)?;
    let expires_at = request.expires_at.map(|at| at.0);
    is_to_come(expires_at, now)?;
    let key = ApiKey {
        key_id: api.ambient.new_id(),
        name: request.name.0,
        scopes: request.scopes.0,
        requests_per_minute: request.requests_per_minute.map(RequestsPerMinute::get),
        created_at: now,
        expires_at,
        last_used_at: None,
    };
    let new = NewKey::new(key.key_id, &*api.ambient);
    let kept = users::insert_api_key(&api.pools.accounts, caller.user_id, &key, &new.secret_hash);
    if !bounded_write(kept).await? {
        return Err(Problem::new(
            Code::TooManyApiKeys,
            "delete one that is not used; an account has at most 10",
        ));
    }
    let at = format!("/v1/api-keys/{}", key.key_id);
    Ok(Made { at, replayed: false, body: NewApiKeyView { key: new.text, about: key.into() } })
}

/// Refuses scopes that the caller's role cannot use.
fn may_give(caller: &Principal, scopes: &[Scope]) -> Result<(), Problem> {
    let may = |scope: &Scope| match scope.given_by() {
        Role::Customer => true,
        Role::Agent => caller.is_staff(),
        Role::Admin => caller.role == Role::Admin,
    };
    match scopes.iter().find(|scope| !may(scope)) {
        None => Ok(()),
        Some(scope) => {
            let (scope, role) = (scope.as_str(), scope.given_by().as_str());
            Err(Problem::new(
                Code::Forbidden,
                format!("the scope {scope} is given by the role {role}; leave it out"),
            ))
        }
    }
}

fn is_to_come(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Problem> {
    if expires_at.is_none_or(|at| at > now) {
        return Ok(());
    }
    let (pointer, detail) = ("/expires_at".to_owned(), "must be a time to come".to_owned());
    Err(Problem::invalid(vec![FieldError { pointer, detail }]))
}
