//! `PUT /v1/users/me/password`: another password, where the current one is known.
//!
//! A token is not enough: it may have been stolen. Guessing the current password is slowed as signing in is.

use crate::{
    auth::{prove, salt, wrong_password},
    extract::{Body, Caller, ClientAddress},
    form::{Fields, Form, NewPasswordText},
    problem::{FieldError, Problem, problems},
    state::ApiState,
    store::bounded_write,
    users::{self, NewPassword, Role, UserError, fits_staff},
    v1::sessions::GivenPassword,
};
use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for another password.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"current_password": "an older password", "new_password": "correct horse battery"}))]
pub(crate) struct ChangePassword {
    /// The one that counts now.
    #[schema(inline)]
    current_password: GivenPassword,
    /// 8 to 128 characters, an agent's or admin's at least 12; none of the passwords that are guessed first.
    #[schema(inline)]
    new_password: NewPasswordText,
}

impl Form for ChangePassword {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<GivenPassword>("current_password");
        fields.required::<NewPasswordText>("new_password");
    }
}

problems! {
    /// Why it is not changed.
    ChangePasswordProblems:
        MalformedJson, Unauthenticated, WrongPassword, NotFound, PayloadTooLarge, UnsupportedMediaType,
        ValidationFailed, RequestTimeout, RateLimited, Overloaded, StoreUnavailable, OutcomeUnknown,
}

/// Change your password. Every token of the account ends, this one too: sign in again.
#[utoipa::path(
    put, path = "/v1/users/me/password", tag = "users", request_body = ChangePassword,
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It is changed."), ChangePasswordProblems)
)]
pub(crate) async fn change_password(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    client: ClientAddress,
    Body(request): Body<ChangePassword>,
) -> Result<StatusCode, Problem> {
    let found = prove(&api, caller.user_id, request.current_password.0, client).await?;
    let (user, old_hash) = (found.user, found.password_hash);
    let fits_staff = fits_staff(&request.new_password.0);
    if user.role != Role::Customer && !fits_staff {
        let detail = UserError::StaffPassword.to_string();
        return Err(Problem::invalid(vec![FieldError { pointer: "/new_password".to_owned(), detail }]));
    }
    let hash = api.hasher.hash(request.new_password.0, salt(&*api.ambient)?).await?;
    let new = NewPassword { hash, fits_staff };
    // Two who change it at once know the same old one: the second does not any more.
    let replaced = users::replace_password(&api.pools.accounts, user.user_id, &old_hash, &new);
    if !bounded_write(replaced).await? {
        return Err(wrong_password());
    }
    api.accounts.changed(user.user_id);
    if let Some(first) = &api.first_admin {
        first.password_changed(user.user_id).await;
    }
    Ok(StatusCode::NO_CONTENT)
}
