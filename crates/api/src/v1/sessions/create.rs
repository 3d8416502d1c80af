//! `POST /v1/sessions`: sign in.

use crate::{
    auth::{SignedIn, sign_in},
    extract::{Body, ClientAddress, UserAgent},
    form::{Email, Fields, Form, Text},
    problem::{Problem, problems},
    state::ApiState,
    view::Made,
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A password that is compared: any that could have been given once.
pub(crate) type GivenPassword = Text<1, 128>;

/// Asks for a token.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
pub(crate) struct CreateSession {
    /// The account's address.
    #[schema(inline)]
    email: Email,
    /// Its password.
    #[schema(inline)]
    password: GivenPassword,
}

impl Form for CreateSession {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Email>("email");
        fields.required::<GivenPassword>("password");
    }
}

/// A token and what it is good for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// Names the session in `GET /v1/sessions`.
    id: Uuid,
    /// Send it as `Authorization: Bearer …`.
    token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Until when it is good.
    expires_at: DateTime<Utc>,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    user_id: UserId,
    /// What its owner may do: `customer`, `agent` or `admin`.
    #[schema(example = "customer")]
    role: &'static str,
}

problems! {
    /// Why there is no token.
    CreateSessionProblems:
        MalformedJson, InvalidCredentials, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, RequestTimeout,
        RateLimited, Overloaded, StoreUnavailable,
}

/// Sign in. An account has at most 1,000 sessions: the oldest ends for the one beyond.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "users", request_body = CreateSession,
    responses((status = 201, description = "A token.", body = SessionView), CreateSessionProblems)
)]
pub(crate) async fn create_session(
    State(api): State<ApiState>,
    client: ClientAddress,
    agent: UserAgent,
    Body(request): Body<CreateSession>,
) -> Result<Made<SessionView>, Problem> {
    let SignedIn { user, session_id: id, token, expires_at } =
        sign_in(&api, &request.email.0, request.password.0, client, agent).await?;
    let (user_id, role) = (user.user_id, user.role.as_str());
    let session = SessionView { id, token, token_type: "Bearer", expires_at, user_id, role };
    Ok(Made { at: "/v1/sessions/current".to_owned(), replayed: false, body: session })
}
