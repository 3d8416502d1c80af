//! `POST /v1/users`: sign up. No key is needed: the address is unique, so a second request finds it taken.

use super::UserView;
use crate::{
    auth,
    extract::Body,
    form::{Email, Fields, Form, NewPasswordText},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    users::{self, NewPassword, Role, fits_staff},
    view::Made,
};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for an account.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
pub(crate) struct CreateUser {
    /// Where its owner is written to; no other account may have it.
    #[schema(inline)]
    email: Email,
    /// 8 to 128 characters; none of the passwords that are guessed first.
    #[schema(inline)]
    password: NewPasswordText,
}

impl Form for CreateUser {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Email>("email");
        fields.required::<NewPasswordText>("password");
    }
}

problems! {
    /// Why there is no account.
    CreateUserProblems:
        MalformedJson, EmailTaken, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, RequestTimeout,
        Overloaded, StoreUnavailable, OutcomeUnknown,
}

/// Sign up. The account is a customer's.
#[utoipa::path(
    post, path = "/v1/users", tag = "users", request_body = CreateUser,
    responses((status = 201, description = "The account.", body = UserView), CreateUserProblems)
)]
pub(crate) async fn create_user(
    State(api): State<ApiState>,
    Body(request): Body<CreateUser>,
) -> Result<Made<UserView>, Problem> {
    let salt = auth::salt(&*api.ambient)?;
    let fits_staff = fits_staff(&request.password.0);
    let password = NewPassword { hash: api.hasher.sign_up(request.password.0, salt).await?, fits_staff };
    let (pool, ambient) = (&api.pools.accounts, &*api.ambient);
    let user =
        bounded_write(users::insert(pool, ambient, &request.email.0, &password, Role::Customer)).await?;
    Ok(Made { at: "/v1/users/me".to_owned(), replayed: false, body: user.into() })
}
