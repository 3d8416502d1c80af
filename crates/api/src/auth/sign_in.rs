//! Signing in, by our own contract and by Airbourne's: e-mail and password against a token.
//!
//! An address without an account takes as long as a wrong password and is answered the same, also when there were
//! too many failures: no answer says which addresses have an account.

use super::{guesses::wait_until, salt};
use crate::{
    extract::{ClientAddress, UserAgent},
    problem::{Code, Problem},
    state::Api,
    users::{self, Begun, User, UserSession},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Somebody who gave the right password.
pub(crate) struct SignedIn {
    pub(crate) user: User,
    /// The id inside the token.
    pub(crate) session_id: Uuid,
    pub(crate) token: String,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Signs in, and keeps the session for its owner's list.
pub(crate) async fn sign_in(
    api: &Api,
    email: &str,
    password: String,
    client: ClientAddress,
    UserAgent(agent): UserAgent,
) -> Result<SignedIn, Problem> {
    let email = users::kept_email(email);
    let admitted = api.guesses.admit(&email, client.0, &*api.ambient).await;
    let attempt = admitted.inspect_err(|problem| {
        if problem.code() == Code::RateLimited {
            api.security.sign_in_refused(client.0);
        }
    })?;
    let found = users::credentials(&api.pools.accounts, &email).await?;
    let account = found.as_ref().map(|found| (found.user.user_id, found.password_hash.clone()));
    let user_id = found.as_ref().map(|found| found.user.user_id);
    let right = api.hasher.matches(password, account, salt(&*api.ambient)?).await?;
    let now = api.ambient.now();
    let wrong = || Problem::new(Code::InvalidCredentials, "e-mail or password is wrong");
    let Some(found) = found.filter(|_| right) else {
        api.security.sign_in_failed(user_id, client.0);
        return Err(attempt.failed(now).map_or_else(wrong, wait_until));
    };
    attempt.succeeded(now);
    let (user_id, generation, session_id) =
        (found.user.user_id, found.token_generation, api.ambient.new_id());
    let issued = api.tokens.issue(user_id, session_id, generation, now);
    let (token, expires_at) = issued.ok_or_else(Problem::internal)?;
    let session = UserSession { session_id, client: agent, created_at: now, expires_at };
    match users::begin_session(&api.pools.accounts, user_id, generation, &session).await? {
        Begun::Added => {}
        Begun::ReplacedOldest => api.accounts.changed(user_id),
        // It was deleted since its password was looked up.
        Begun::NoAccount => return Err(wrong()),
    }
    Ok(SignedIn { user: found.user, session_id, token, expires_at })
}
