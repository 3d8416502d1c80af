//! Who is asking. It stands first among a handler's arguments, so it is decided before anything else.

use crate::{
    auth::Principal,
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

/// Anybody with a good token: else 401.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller(pub(crate) Principal);

/// An admin with a good token: else 401, or 403.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin(pub(crate) Principal);

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        let refuse = |detail: String| Problem::new(Code::Unauthenticated, detail);
        let token = token(&parts.headers)
            .ok_or_else(|| refuse("send a token: Authorization: Bearer …".to_owned()))?;
        let user_id =
            api.tokens.check(token, api.ambient.now()).map_err(|error| refuse(error.to_string()))?;
        match api.roles.of(user_id).await? {
            Some(role) => Ok(Self(Principal { user_id, role })),
            None => Err(refuse("the token's account does not exist any more".to_owned())),
        }
    }
}

impl FromRequestParts<ApiState> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        let Caller(principal) = Caller::from_request_parts(parts, api).await?;
        match principal.role {
            Role::Admin => Ok(Self(principal)),
            Role::Agent | Role::Customer => Err(Problem::new(Code::Forbidden, "only an admin may ask this")),
        }
    }
}

/// The token, wherever it is.
fn token(headers: &HeaderMap) -> Option<&str> {
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
