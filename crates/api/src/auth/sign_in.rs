//! Signing in, whoever's contract it is asked by: e-mail and password against a token.
//!
//! An address without an account takes as long as a wrong password and is answered the same, also when there were
//! too many failures: nobody learns here who has an account.

use super::salt;
use crate::{
    extract::ClientAddress,
    problem::{Code, Extension, Problem},
    state::Api,
    users::{self, User},
};
use chrono::{DateTime, TimeDelta, Utc};

/// Somebody who gave the right password.
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) token: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Signs in.
pub(crate) async fn sign_in(
    api: &Api,
    email: &str,
    password: String,
    client: ClientAddress,
) -> Result<SignedIn, Problem> {
    let email = users::kept_email(email);
    let attempt = api.guesses.admit(&email, client.0, api.ambient.now()).map_err(wait_until)?;
    let found = users::credentials(&api.pool, &email).await?;
    let account = found.as_ref().map(|found| (found.user.user_id, found.password_hash.clone()));
    let right = api.hasher.matches(password, account, salt(&*api.ambient)?).await?;
    let now = api.ambient.now();
    let Some(found) = found.filter(|_| right) else {
        api.guesses.failed(&attempt, now);
        return Err(Problem::new(Code::InvalidCredentials, "e-mail or password is wrong"));
    };
    api.guesses.succeeded(&attempt, now);
    let token_id = api.ambient.new_id();
    let issued = api.tokens.issue(found.user.user_id, token_id, found.token_generation, now);
    let (token, expires_at) = issued.ok_or_else(Problem::internal)?;
    Ok(SignedIn { user: found.user, token, expires_at })
}

/// What somebody is told who has failed too often.
pub(crate) fn wait_until(wait: TimeDelta) -> Problem {
    let seconds = u32::try_from((wait.num_milliseconds() + 999) / 1_000).unwrap_or(u32::MAX);
    Problem::new(Code::RateLimited, "too many wrong passwords; see Retry-After")
        .with(Extension::RateLimited { retry_after_seconds: seconds })
}
