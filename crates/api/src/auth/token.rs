//! Session tokens: JWT, HS256, header `{alg, kid}`, claims `{sub, jti, gen, iat, exp}`.
//!
//! The algorithm is fixed, so a token cannot choose how it is checked (`alg: none`, RS256 with our
//! secret as key); `kid` chooses among our own secrets alone. Time is compared here, with the time that is passed in.
//! A token that was good once is remembered by its whole text until it is forgotten or expires: the
//! same client sends the same token thousands of times.
//! Not here: whether it was ended before its time (`accounts`).

use crate::config::{ApiConfig, TokenSecret};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_domain::UserId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header};
use moka::sync::Cache;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Longest token that is looked at; ours have about 300 bytes.
const TOKEN_BYTES_MAX: usize = 1024;
/// Good tokens that are remembered: about 25 MB at most.
const TOKENS_REMEMBERED_MAX: u64 = 50_000;
/// Seconds by which the clock of another process of ours may be ahead when it signs.
const CLOCK_SKEW_SECONDS_MAX: i64 = 60;
/// What a secret's id is computed under. Frozen: with another one, processes would not know each other's ids.
const KEY_ID_DOMAIN: &[u8] = b"holdfast token key id\0";

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    jti: Uuid,
    r#gen: i32,
    iat: i64,
    exp: i64,
}

/// What a good token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Whose it is.
    pub(crate) user_id: UserId,
    /// Names the token.
    pub(crate) token_id: Uuid,
    /// The account's generation that it belongs to.
    pub(crate) generation: i32,
    /// Until when it is good, if nobody ends it.
    pub(crate) expires_at: DateTime<Utc>,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    /// It was not signed by us, or is no token at all.
    #[error("{}", self.as_str())]
    Invalid,
    /// Its time is over.
    #[error("{}", self.as_str())]
    Expired,
}

impl TokenError {
    /// Why, in a sentence.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "the token is not valid",
            Self::Expired => "the token has expired",
        }
    }
}

/// A secret that verifies, by its id.
struct Verifying {
    key_id: String,
    key: DecodingKey,
}

/// Makes and checks tokens.
pub(crate) struct Tokens {
    header: Header,
    signing: EncodingKey,
    verifying: Vec<Verifying>,
    validation: Validation,
    ttl: TimeDelta,
    good: Cache<Box<str>, Session, FxBuildHasher>,
}

impl Tokens {
    pub(crate) fn new(config: &ApiConfig) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false; // compared below: the library reads the machine's clock
        validation.required_spec_claims.clear();
        let secrets = &config.token_secrets;
        let verifying = |secret: &TokenSecret| Verifying {
            key_id: key_id(secret),
            key: DecodingKey::from_secret(secret.bytes()),
        };
        Self {
            header: Header { kid: Some(key_id(&secrets.signing)), ..Header::new(Algorithm::HS256) },
            signing: EncodingKey::from_secret(secrets.signing.bytes()),
            verifying: secrets.verifying.iter().map(verifying).collect(),
            validation,
            ttl: TimeDelta::from_std(config.token_ttl).unwrap_or(TimeDelta::MAX),
            good: Cache::builder().max_capacity(TOKENS_REMEMBERED_MAX).build_with_hasher(FxBuildHasher),
        }
    }

    /// A token for `user`, good from now on. None: the time or the claims could not be written.
    pub(crate) fn issue(
        &self,
        user: UserId,
        token_id: Uuid,
        generation: i32,
        now: DateTime<Utc>,
    ) -> Option<(String, DateTime<Utc>)> {
        let expires_at = DateTime::from_timestamp(now.checked_add_signed(self.ttl)?.timestamp(), 0)?;
        let (iat, exp) = (now.timestamp(), expires_at.timestamp());
        let claims = Claims { sub: user.0, jti: token_id, r#gen: generation, iat, exp };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.signing).ok()?;
        Some((token, expires_at))
    }

    /// What this token says, if it is good now.
    pub(crate) fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Session, TokenError> {
        let session = match self.good.get(token) {
            Some(session) => session,
            None => self.verify(token, now)?,
        };
        if session.expires_at <= now { Err(TokenError::Expired) } else { Ok(session) }
    }

    fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Session, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let key_id = decode_header(token).map_err(|_| TokenError::Invalid)?.kid;
        let ours = self.verifying.iter().find(|ours| Some(&ours.key_id) == key_id.as_ref());
        let key = &ours.ok_or(TokenError::Invalid)?.key;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(TokenError::Invalid)?;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.timestamp().saturating_add(CLOCK_SKEW_SECONDS_MAX) {
            return Err(TokenError::Invalid);
        }
        let session = Session {
            user_id: UserId(claims.sub),
            token_id: claims.jti,
            generation: claims.r#gen,
            expires_at,
        };
        self.good.insert(token.into(), session);
        Ok(session)
    }
}

/// A secret's id: the first 64 bits of a hash, which say no more of it than any token does.
fn key_id(secret: &TokenSecret) -> String {
    let mut hash = Sha256::new_with_prefix(KEY_ID_DOMAIN);
    hash.update(secret.bytes());
    let hash: [u8; 32] = hash.finalize().into();
    format!("{:016x}", u64::from_be_bytes(hash.first_chunk().copied().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TokenSecrets;
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    const NOW: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

    const TOKEN: Uuid = Uuid::from_u128(9);

    fn with(secrets: &str) -> Tokens {
        let webhook_key = holdfast_notifier::WebhookKey::new([1; 32]).unwrap();
        Tokens::new(&ApiConfig::new(TokenSecrets::read(secrets).unwrap(), webhook_key))
    }

    fn tokens(secret: char) -> Tokens {
        with(&secret.to_string().repeat(32))
    }

    fn issued(tokens: &Tokens, now: DateTime<Utc>) -> (String, DateTime<Utc>) {
        tokens.issue(user(), TOKEN, 3, now).unwrap()
    }

    fn whose(tokens: &Tokens, token: &str, now: DateTime<Utc>) -> Result<UserId, TokenError> {
        tokens.check(token, now).map(|session| session.user_id)
    }

    fn user() -> UserId {
        UserId::from_number(7).unwrap()
    }

    #[test]
    fn a_token_is_good_until_its_hour_is_over_and_not_a_second_longer() {
        let tokens = tokens('a');
        let (token, expires_at) = issued(&tokens, NOW);
        assert_eq!(expires_at, NOW + TimeDelta::hours(1));
        for _ in 0..2 {
            assert_eq!(whose(&tokens, &token, expires_at - TimeDelta::seconds(1)), Ok(user()));
            assert_eq!(whose(&tokens, &token, expires_at), Err(TokenError::Expired));
        }
    }

    #[test]
    fn a_token_names_itself_its_account_and_its_generation() {
        let tokens = tokens('a');
        let (token, expires_at) = issued(&tokens, NOW);
        let session = Session { user_id: user(), token_id: TOKEN, generation: 3, expires_at };
        assert_eq!(tokens.check(&token, NOW), Ok(session));
    }

    /// How a secret is replaced: first all know the new one, then it signs, then the old one goes.
    #[test]
    fn a_secret_is_replaced_without_ending_a_token_until_it_is_taken_away() {
        let (old, new) = ("o".repeat(32), "n".repeat(32));
        let (before, known) = (with(&old), with(&format!("{old}\n{new}")));
        let (signs, after) = (with(&format!("{new}\n{old}")), with(&new));
        let (first, second) = (issued(&known, NOW).0, issued(&signs, NOW).0);
        for tokens in [&before, &known, &signs] {
            assert_eq!(whose(tokens, &first, NOW), Ok(user()));
        }
        for tokens in [&known, &signs, &after] {
            assert_eq!(whose(tokens, &second, NOW), Ok(user()));
        }
        assert_eq!(whose(&before, &second, NOW), Err(TokenError::Invalid));
        assert_eq!(whose(&after, &first, NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_of_another_secret_is_forged() {
        let (token, _) = issued(&tokens('a'), NOW);
        assert_eq!(whose(&tokens('b'), &token, NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_cannot_choose_how_it_is_checked() {
        let tokens = tokens('a');
        let (token, _) = issued(&tokens, NOW);
        let mut parts = token.split('.').skip(1);
        let (claims, signature) = (parts.next().unwrap(), parts.next().unwrap());
        for alg in ["none", "None", "HS384", "RS256", "ES256"] {
            let kid = decode_header(&token).unwrap().kid.unwrap();
            let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{kid}"}}"#);
            let header = BASE64_URL_SAFE_NO_PAD.encode(header);
            for forged in [format!("{header}.{claims}."), format!("{header}.{claims}.{signature}")] {
                assert_eq!(whose(&tokens, &forged, NOW), Err(TokenError::Invalid), "{alg}");
            }
        }
    }

    #[test]
    fn a_remembered_token_does_not_vouch_for_another_text() {
        let tokens = tokens('a');
        let (token, _) = issued(&tokens, NOW);
        assert_eq!(whose(&tokens, &token, NOW), Ok(user()));
        let mut parts: Vec<_> = token.split('.').collect();
        let claims = format!(
            r#"{{"sub":"{}","jti":"{TOKEN}","gen":3,"iat":0,"exp":9999999999}}"#,
            UserId::from_number(8).unwrap()
        );
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims);
        parts[1] = &claims;
        assert_eq!(whose(&tokens, &parts.join("."), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn a_token_from_the_future_or_of_any_length_is_not_looked_at_for_long() {
        let tokens = tokens('a');
        let (token, _) = issued(&tokens, NOW + TimeDelta::minutes(5));
        assert_eq!(whose(&tokens, &token, NOW), Err(TokenError::Invalid));
        assert_eq!(whose(&tokens, &"a.".repeat(100_000), NOW), Err(TokenError::Invalid));
    }
}
