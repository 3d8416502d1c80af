//! Who is asking. It stands first among a handler's arguments, so it is decided before anything else.

use crate::{
    admin_actions::Slot,
    auth::{KeyInUse, KeyRefused, Principal, Session, TokenError},
    problem::{Code, Problem},
    state::ApiState,
    users::Role,
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts},
};

/// The header that Airbourne's clients send their token in.
const X_ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-access-token");

/// A good token, or a good API key that has the operation's scope: else 401, or 403.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) Principal);

/// A good token and what it says: an API key is refused, as where [`Person`] is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerSession(pub(crate) Session);

/// A person who has signed in: an API key is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person(pub(crate) Principal);

/// An admin with a good token: else 401, or 403. A write has a row among the admins' actions then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin(pub(crate) Principal);

/// An agent or admin with a good token: else 401, or 403.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Staff(pub(crate) Principal);

/// Why a request is nobody's.
#[derive(Clone, Debug)]
pub(crate) enum Nobody {
    /// It has no token.
    NoToken,
    /// Its token is not good, or not any more.
    Token(&'static str),
    /// It could not be looked up.
    Problem(Problem),
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) principal: Principal,
    pub(crate) session: Session,
    /// The account as an integer.
    pub(crate) number: i64,
}

/// What the limits found the token of a request to say, so that it is not checked again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckedToken(pub(crate) Result<Session, TokenError>);

/// Looks the token of a request up.
pub(crate) async fn authenticate(headers: &HeaderMap, api: &ApiState) -> Result<Known, Nobody> {
    let token = token(headers).ok_or(Nobody::NoToken)?;
    known(api.tokens.check(token, api.ambient.now()), api).await
}

/// Who asks: by an API key where one was sent, else by a token.
async fn caller(parts: &Parts, api: &ApiState) -> Result<Principal, Nobody> {
    match parts.extensions.get::<KeyInUse>() {
        Some(key) => principal_of_key(key, api).await,
        None => Ok(authenticate_once(parts, api).await?.principal),
    }
}

/// Whom a key acts for, if it is good, its owner's account exists, and its scopes allow what is asked.
async fn principal_of_key(used: &KeyInUse, api: &ApiState) -> Result<Principal, Nobody> {
    let now = api.ambient.now();
    let key = api.api_keys.check(&used.key, now).await.map_err(|refused| match refused {
        KeyRefused::NotGood(why) => Nobody::Token(why),
        KeyRefused::Problem(problem) => Nobody::Problem(problem),
    })?;
    let standing = api.accounts.of(key.user_id, now).await.map_err(Nobody::Problem)?;
    let standing = standing.ok_or(Nobody::Token("the API key's account does not exist any more"))?;
    match used.refusal(&key.scopes) {
        Some(problem) => Err(Nobody::Problem(problem)),
        None => Ok(Principal { user_id: key.user_id, role: standing.role }),
    }
}

/// A person's token, which the limits may have checked.
async fn person(parts: &Parts, api: &ApiState) -> Result<Known, Nobody> {
    match parts.extensions.get::<KeyInUse>() {
        Some(key) => {
            principal_of_key(key, api).await?;
            Err(Nobody::Problem(Problem::sign_in_required()))
        }
        None => authenticate_once(parts, api).await,
    }
}

/// As [`authenticate`] where the limits may have checked the token.
async fn authenticate_once(parts: &Parts, api: &ApiState) -> Result<Known, Nobody> {
    match parts.extensions.get::<CheckedToken>() {
        Some(CheckedToken(checked)) => known(*checked, api).await,
        None => authenticate(&parts.headers, api).await,
    }
}

/// Whose token it is, if its account stands as it did when it was signed.
async fn known(checked: Result<Session, TokenError>, api: &ApiState) -> Result<Known, Nobody> {
    let session = checked.map_err(|error| Nobody::Token(error.as_str()))?;
    let now = api.ambient.now();
    let standing = api.accounts.of(session.user_id, now).await.map_err(Nobody::Problem)?;
    let standing = standing.ok_or(Nobody::Token("the token's account does not exist any more"))?;
    if standing.has_ended(session.token_id, session.generation) {
        return Err(Nobody::Token("the token was ended"));
    }
    let principal = Principal { user_id: session.user_id, role: standing.role };
    Ok(Known { principal, session, number: standing.number })
}

impl From<Nobody> for Problem {
    fn from(nobody: Nobody) -> Self {
        match nobody {
            Nobody::NoToken => Self::new(Code::Unauthenticated, "send a token: Authorization: Bearer …"),
            Nobody::Token(detail) => Self::new(Code::Unauthenticated, detail),
            Nobody::Problem(problem) => problem,
        }
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        Ok(Self(caller(parts, api).await?))
    }
}

impl FromRequestParts<ApiState> for CallerSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        Ok(Self(person(parts, api).await?.session))
    }
}

impl FromRequestParts<ApiState> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        Ok(Self(person(parts, api).await?.principal))
    }
}

impl FromRequestParts<ApiState> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        let Caller(principal) = Caller::from_request_parts(parts, api).await?;
        match principal.role {
            Role::Admin => {
                Slot::begin(parts, api, &principal).await?;
                Ok(Self(principal))
            }
            Role::Agent | Role::Customer => Err(Problem::new(Code::Forbidden, "only an admin may ask this")),
        }
    }
}

impl FromRequestParts<ApiState> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        let Caller(principal) = Caller::from_request_parts(parts, api).await?;
        match principal.role {
            Role::Admin | Role::Agent => Ok(Self(principal)),
            Role::Customer => Err(Problem::new(Code::Forbidden, "only an agent or admin may ask this")),
        }
    }
}

/// The token, wherever it is.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| headers.get(X_ACCESS_TOKEN)?.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_token_is_found_in_either_header() {
        let mut headers = HeaderMap::new();
        assert_eq!(token(&headers), None);
        headers.insert(X_ACCESS_TOKEN, HeaderValue::from_static("b"));
        assert_eq!(token(&headers), Some("b"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        assert_eq!(token(&headers), Some("b"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("bearer a"));
        assert_eq!(token(&headers), Some("a"));
    }
}
