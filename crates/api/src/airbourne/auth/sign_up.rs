//! `POST /api/v1/signup`. The original answered with the password's hash; there is none here.

use super::credentials;
use crate::{
    airbourne::{
        answer::Envelope,
        refusal::Refusal,
        request::{Lenient, Sent},
        says::{Says, Wrong},
        time::written,
        writer::Newcomer,
    },
    auth::salt,
    form,
    problem::Problem,
    state::{Api, ApiState},
    store::bounded_write,
    users::{self, NewPassword, Role, fits_staff},
};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use std::ops::RangeInclusive;

/// Characters of a password, as its contract says. The native API wants more and refuses common ones; with one of
/// those an account becomes no staff.
const PASSWORD_CHARS: RangeInclusive<usize> = 4..=50;

const SAYS: Says = Says {
    envelope: Envelope::SIGN_UP,
    wrong: Wrong::Sentence,
    status: StatusCode::CREATED,
    done: "created the User",
    failed: "something went wrong",
};

/// An account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    id: i64,
    email: String,
    updated_at: String,
    created_at: String,
}

/// Sign up: `{email, password}`.
#[utoipa::path(
    post, path = "/api/v1/signup", tag = "airbourne", request_body(content = Object, example = json!({"email": "ada@example.org", "password": "correct horse"})),
    responses(
        (status = 201, description = "The account."),
        (status = "4XX", description = "400: something is missing; 403: it came through a proxy or from a foreign page; 409: the e-mail is taken; 422: it is none, or the password has not 4 to 50 characters."),
        (status = "5XX", description = "Come again."),
    )
)]
pub(crate) async fn sign_up(
    State(api): State<ApiState>,
    Newcomer(may): Newcomer,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let made = async {
        may?;
        make(&api, &sent?).await
    };
    match made.await {
        Ok(account) => Envelope::AUTH.done(SAYS.status, account, SAYS.done),
        Err(refusal) => SAYS.refuse(refusal),
    }
}

async fn make(api: &Api, sent: &Sent) -> Result<Account, Refusal> {
    let (email, password) = credentials(sent)?;
    let email = form::email(&email).ok_or_else(|| Refusal::field("email", "must be an e-mail address"))?;
    if !PASSWORD_CHARS.contains(&password.chars().count()) {
        return Err(Refusal::field("password", "must have 4 to 50 characters"));
    }
    let salt = salt(&*api.ambient).map_err(Problem::from)?;
    let fits_staff = fits_staff(&password);
    let password = NewPassword { hash: api.hasher.sign_up(password, salt).await?, fits_staff };
    let made = users::insert(&api.pools.accounts, &*api.ambient, &email, &password, Role::Customer);
    let user = bounded_write(made).await?;
    let at = written(user.created_at);
    Ok(Account { id: user.number, email: user.email, updated_at: at.clone(), created_at: at })
}
