//! Session tokens: JWT, HS256, `{sub, iat, exp}`.
//!
//! The algorithm is fixed, so a token cannot choose how it is checked (`alg: none`, RS256 with our
//! secret as key). Time is compared here, with the time that is passed in.
//! A token that was good once is remembered by its whole text until it is forgotten or expires: the
//! same client sends the same token thousands of times.

use crate::config::ApiConfig;
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::UserId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest token that is looked at; ours have about 200 bytes.
const TOKEN_BYTES_MAX: usize = 1024;
/// Good tokens that are remembered: about 20 MB at most.
const TOKENS_REMEMBERED_MAX: u64 = 50_000;
/// Seconds by which the clock of another process of ours may be ahead when it signs.
const CLOCK_SKEW_SECONDS_MAX: i64 = 60;

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    iat: i64,
    exp: i64,
}

/// What a good token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    user_id: UserId,
    expires_at: DateTime<Utc>,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It was not signed by us, or is no token at all.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Makes and checks tokens.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    ttl: TimeDelta,
    good: Cache<Box<str>, Session, FxBuildHasher>,
}

impl Tokens {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false; // compared below: the library reads the machine's clock
        validation.required_spec_claims.clear();
        let secret = config.token_secret.bytes();
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            ttl: TimeDelta::from_std(config.token_ttl).unwrap_or(TimeDelta::MAX),
            good: Cache::builder().max_capacity(TOKENS_REMEMBERED_MAX).build_with_hasher(FxBuildHasher),
        }
    }

    /// A token for `user`, good from now on. None: the time or the claims could not be written.
    pub(crate) fn issue(&self, user: UserId, now: DateTime<Utc>) -> Option<(String, DateTime<Utc>)> {
        let expires_at = DateTime::from_timestamp(now.checked_add_signed(self.ttl)?.timestamp(), 0)?;
        let claims = Claims { sub: user.0, iat: now.timestamp(), exp: expires_at.timestamp() };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).ok()?;
        Some((token, expires_at))
    }

    /// Whose token this is, if it is good now.
    pub(crate) fn check(&self, token: &str, now: DateTime<Utc>) -> Result<UserId, TokenError> {
        let session = match self.good.get(token) {
            Some(session) => session,
            None => self.verify(token, now)?,
        };
        if session.expires_at <= now { Err(TokenError::Expired) } else { Ok(session.user_id) }
    }

    fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Session, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(TokenError::Invalid)?;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.timestamp().saturating_add(CLOCK_SKEW_SECONDS_MAX) {
            return Err(TokenError::Invalid);
        }
        let session = Session { user_id: UserId(claims.sub), expires_at };
        self.good.insert(token.into(), session);
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TokenSecret;
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    const NOW: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

    fn tokens(secret: u8) -> Tokens {
        let webhook_key = holdfast_notifier::WebhookKey::new([1; 32]).unwrap();
        Tokens::new(&ApiConfig::new(TokenSecret::new([secret; 32]).unwrap(), webhook_key))
    }

    fn user() -> UserId {
        UserId::from_number(7).unwrap()
    }

    #[test]
    fn a_token_is_good_until_its_hour_is_over_and_not_a_second_longer() {
        let tokens = tokens(1);
        let (token, expires_at) = tokens.issue(user(), NOW).unwrap();
        assert_eq!(expires_at, NOW + TimeDelta::hours(1));
        for _ in 0..2 {
            assert_eq!(tokens.check(&token, expires_at - TimeDelta::seconds(1)), Ok(user()));
            assert_eq!(tokens.check(&token, expires_at), Err(TokenError::Expired));
        }
    }

    #[test]
    fn a_token_of_another_secret_is_forged() {
        let (token, _) = tokens(1).issue(user(), NOW).unwrap();
        assert_eq!(tokens(2).check(&token, NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_cannot_choose_how_it_is_checked() {
        let tokens = tokens(1);
        let (token, _) = tokens.issue(user(), NOW).unwrap();
        let mut parts = token.split('.').skip(1);
        let (claims, signature) = (parts.next().unwrap(), parts.next().unwrap());
        for alg in ["none", "None", "HS384", "RS256", "ES256"] {
            let header = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"{alg}"}}"#));
            for forged in [format!("{header}.{claims}."), format!("{header}.{claims}.{signature}")] {
                assert_eq!(tokens.check(&forged, NOW), Err(TokenError::Invalid), "{alg}");
            }
        }
    }

    #[test]
    fn a_remembered_token_does_not_vouch_for_another_text() {
        let tokens = tokens(1);
        let (token, _) = tokens.issue(user(), NOW).unwrap();
        assert_eq!(tokens.check(&token, NOW), Ok(user()));
        let mut parts: Vec<_> = token.split('.').collect();
        let claims = format!(r#"{{"sub":"{}","iat":0,"exp":9999999999}}"#, UserId::from_number(8).unwrap());
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims);
        parts[1] = &claims;
        assert_eq!(tokens.check(&parts.join("."), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_from_the_future_or_of_any_length_is_not_looked_at_for_long() {
        let tokens = tokens(1);
        let (token, _) = tokens.issue(user(), NOW + TimeDelta::minutes(5)).unwrap();
        assert_eq!(tokens.check(&token, NOW), Err(TokenError::Invalid));
        assert_eq!(tokens.check(&"a.".repeat(100_000), NOW), Err(TokenError::Invalid));
    }
}
