//! `POST /v1/sessions`: sign in.
//!
//! An address without an account takes as long as a wrong password and is answered the same: nobody
//! learns here who has an account.

use crate::{
    auth,
    extract::Body,
    form::{Email, Fields, Form, Text},
    problem::{Code, Problem, problems},
    state::ApiState,
    users,
    view::JsonAnswer,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A password that is compared: any that could have been given once.
type GivenPassword = Text<1, 128>;

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
        Overloaded, StoreUnavailable,
}

/// Sign in.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "users", request_body = CreateSession,
    responses((status = 201, description = "A token.", body = SessionView), CreateSessionProblems)
)]
pub(crate) async fn create_session(
    State(api): State<ApiState>,
    Body(request): Body<CreateSession>,
) -> Result<Response, Problem> {
    let refuse = || Problem::new(Code::InvalidCredentials, "e-mail or password is wrong");
    let (user, hash) = users::find_with_hash(&api.pool, &request.email.0).await?.unzip();
    let matches = api.hasher.matches(request.password.0, hash, auth::salt(&*api.ambient)?).await?;
    let user = user.filter(|_| matches).ok_or_else(refuse)?;
    let (token, expires_at) =
        api.tokens.issue(user.user_id, api.ambient.now()).ok_or_else(Problem::internal)?;
    let role = user.role.as_str();
    let session = SessionView { token, token_type: "Bearer", expires_at, user_id: user.user_id, role };
    Ok((StatusCode::CREATED, JsonAnswer(session)).into_response())
}
