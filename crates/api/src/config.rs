//! What the HTTP side is told at start.

use crate::{browsers::Browsers, first_admin::FirstAdmin, limits::RateLimits};
use holdfast_notifier::WebhookKey;
use std::{fmt, num::NonZero, thread::available_parallelism, time::Duration};

/// Fewest bytes of a token secret: as many as HMAC-SHA256 puts out (RFC 7518 §3.2).
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;
/// Most token secrets at a time: rotating one takes two.
pub const TOKEN_SECRETS_MAX: usize = 8;

/// What tokens are signed with. It never appears in a log.
#[derive(Clone)]
pub struct TokenSecret(Vec<u8>);

/// The secrets of tokens: the first signs, all verify. So a secret is replaced without ending a token: the new one goes
/// before the old, and the old goes when its last token has ended.
#[derive(Clone, Debug)]
pub struct TokenSecrets {
    pub(crate) signing: TokenSecret,
    pub(crate) verifying: Vec<TokenSecret>,
}

/// Why there are no secrets.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenSecretError {
    /// There is none at all.
    #[error("there is no token secret; give one of at least {TOKEN_SECRET_BYTES_MIN} bytes")]
    Missing,
    /// A secret could be guessed.
    #[error("a token secret needs at least {TOKEN_SECRET_BYTES_MIN} bytes; number {number} has {bytes}")]
    TooShort {
        /// Which, from 1.
        number: usize,
        /// How long it is.
        bytes: usize,
    },
    /// There are more than rotating one takes.
    #[error("there may be at most {TOKEN_SECRETS_MAX} token secrets, and none twice")]
    TooMany,
}

impl TokenSecrets {
    /// Reads secrets from text, one on a line; empty lines are none.
    ///
    /// # Errors
    /// `TokenSecretError`.
    pub fn read(text: &str) -> Result<Self, TokenSecretError> {
        let secrets: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let short = (1..).zip(&secrets).find(|(_, secret)| secret.len() < TOKEN_SECRET_BYTES_MIN);
        if let Some((number, secret)) = short {
            return Err(TokenSecretError::TooShort { number, bytes: secret.len() });
        }
        let twice = (1..secrets.len()).any(|n| secrets.iter().skip(n).zip(&secrets).any(|(a, b)| a == b));
        if secrets.len() > TOKEN_SECRETS_MAX || twice {
            return Err(TokenSecretError::TooMany);
        }
        let verifying: Vec<_> =
            secrets.iter().map(|secret| TokenSecret(secret.as_bytes().to_vec())).collect();
        let signing = verifying.first().cloned().ok_or(TokenSecretError::Missing)?;
        Ok(Self { signing, verifying })
    }
}

impl TokenSecret {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// How the HTTP side runs.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The first admin, if its first password lies in a file of this process's data folder.
    pub first_admin: Option<FirstAdmin>,
    /// What tokens are signed with. Without the secret that signed it a token is invalid.
    pub token_secrets: TokenSecrets,
    /// How long a token is good.
    pub token_ttl: Duration,
    /// How long it may be remembered how an account stands: what another process changes of it (role, deletion, password, a
    /// token's end) takes effect within it.
    pub role_ttl: Duration,
    /// Password hashes computed at the same time; each takes a core for some tens of milliseconds, and 19 MiB.
    pub hashes_at_once: usize,
    /// Sign-ins that may wait for their hash, and as many sign-ups; more are answered 503 at once.
    pub hashes_waiting_max: usize,
    /// Whether the last address of `X-Forwarded-For` is taken for the client's: only behind a proxy that appends it, and
    /// where nobody can come past the proxy.
    pub trust_forwarded_for: bool,
    /// What browsers are told.
    pub browsers: Browsers,
    /// How many requests of each class an account and an address may make.
    pub rate_limits: RateLimits,
    /// Whether the routes of Airbourne and booking_monitor are served. Some of them need no token.
    pub compat: bool,
    /// This server's names and addresses besides those of loopback, without a port: what a browser may call it in a write
    /// that needs no token.
    pub compat_hosts: Vec<String>,
    /// Whether requests without an admin's token may make cities, airports, airplanes and flights by Airbourne's routes, and
    /// change those, as its load scripts do. Only on loopback, and behind no proxy.
    pub catalogue_is_open: bool,
    /// What the secrets of webhook endpoints are computed from: the notifier's own key.
    pub webhook_key: WebhookKey,
    /// Whether a webhook endpoint may have a private address or plain HTTP: in development only.
    pub webhooks_allow_private: bool,
}

impl ApiConfig {
    /// The usual values: tokens for an hour, accounts for 5 seconds, hashes on half of the cores with 512 waiting (as many
    /// people as sign in at once; on one core the last waits some 15 s, which is within the patience of clients), no
    /// compatibility, webhooks to public addresses alone.
    #[must_use]
    pub fn new(token_secrets: TokenSecrets, webhook_key: WebhookKey) -> Self {
        Self {
            first_admin: None,
            token_secrets,
            token_ttl: Duration::from_secs(60 * 60),
            role_ttl: Duration::from_secs(5),
            hashes_at_once: hashes_at_once_default(),
            hashes_waiting_max: 512,
            trust_forwarded_for: false,
            browsers: Browsers::default(),
            rate_limits: RateLimits::default(),
            compat: false,
            compat_hosts: vec![],
            catalogue_is_open: false,
            webhook_key,
            webhooks_allow_private: false,
        }
    }
}

/// Half of the cores, at least one: bookings have the others.
fn hashes_at_once_default() -> usize {
    (available_parallelism().map_or(1, NonZero::get) / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stand_one_on_a_line_and_the_first_signs() {
        let (old, new) = ("o".repeat(32), "n".repeat(40));
        let secrets = TokenSecrets::read(&format!("{new}\r\n\n  {old}\n")).unwrap();
        assert_eq!(secrets.signing.bytes(), new.as_bytes());
        let all: Vec<_> = secrets.verifying.iter().map(TokenSecret::bytes).collect();
        assert_eq!(all, [new.as_bytes(), old.as_bytes()]);
    }

    #[test]
    fn a_short_secret_none_and_one_twice_are_refused_and_a_good_one_is_not_printed() {
        let refused = |text: &str| TokenSecrets::read(text).unwrap_err();
        let good = "x".repeat(32);
        assert_eq!(refused(" \n"), TokenSecretError::Missing);
        let short = format!("{good}\n{}", "y".repeat(31));
        assert_eq!(refused(&short), TokenSecretError::TooShort { number: 2, bytes: 31 });
        assert_eq!(refused(&format!("{good}\nother{good}\n{good}")), TokenSecretError::TooMany);
        let printed = format!("{:?}", TokenSecrets::read(&good).unwrap());
        assert!(!printed.contains("xx") && printed.contains("TokenSecret(…)"), "{printed}");
    }
}
