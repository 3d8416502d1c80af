//! A signed-in caller that gives its password again, for what a stolen token must not do.

use super::{guesses::wait_until, salt};
use crate::{
    extract::ClientAddress,
    problem::{Code, Problem},
    state::Api,
    users::{self, Credentials},
};
use holdfast_domain::UserId;

/// The account, if the password is its own. A wrong one counts as a failed sign-in.
pub(crate) async fn prove(
    api: &Api,
    user_id: UserId,
    password: String,
    client: ClientAddress,
) -> Result<Credentials, Problem> {
    let found = users::credentials_of(&api.pools.accounts, user_id).await?.ok_or_else(Problem::not_found)?;
    let attempt = api.guesses.admit(&found.user.email, client.0, &*api.ambient).await?;
    let account = Some((user_id, found.password_hash.clone()));
    if !api.hasher.matches(password, account, salt(&*api.ambient)?).await? {
        return Err(attempt.failed(api.ambient.now()).map_or_else(wrong_password, wait_until));
    }
    attempt.succeeded(api.ambient.now());
    Ok(found)
}

/// The password is not, or no longer, the account's.
pub(crate) fn wrong_password() -> Problem {
    Problem::new(Code::WrongPassword, "nothing was changed")
}
