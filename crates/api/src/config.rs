//! What the HTTP side is told at start.

use holdfast_notifier::WebhookKey;
use std::{fmt, time::Duration};

/// Fewest bytes of a token secret: as many as HMAC-SHA256 puts out (RFC 7518 §3.2).
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;

/// What tokens are signed with. It never appears in a log.
#[derive(Clone)]
pub struct TokenSecret(Vec<u8>);

/// The secret could be guessed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token secret needs at least {TOKEN_SECRET_BYTES_MIN} bytes; this one has {bytes}")]
pub struct SecretTooShort {
    bytes: usize,
}

impl TokenSecret {
    /// Takes a secret of at least [`TOKEN_SECRET_BYTES_MIN`] bytes.
    ///
    /// # Errors
    /// `SecretTooShort`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretTooShort> {
        let bytes = bytes.into();
        if bytes.len() < TOKEN_SECRET_BYTES_MIN {
            return Err(SecretTooShort { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

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
    /// What tokens are signed with. Another secret makes all tokens invalid.
    pub token_secret: TokenSecret,
    /// How long a token is good.
    pub token_ttl: Duration,
    /// How long a user's role may be remembered: a change of role or a deletion takes effect within it.
    pub role_ttl: Duration,
    /// Password hashes computed at the same time; each takes a core for some tens of milliseconds.
    pub hashes_at_once: usize,
    /// Whether booking_monitor's routes are served. They need no token.
    pub compat: bool,
    /// What the secrets of webhook endpoints are computed from: the notifier's own key.
    pub webhook_key: WebhookKey,
    /// Whether a webhook endpoint may have a private address or plain HTTP: in development only.
    pub webhooks_allow_private: bool,
}

impl ApiConfig {
    /// The usual values: tokens for an hour, roles for 5 seconds, one hash at a time, no compatibility,
    /// webhooks to public addresses alone.
    #[must_use]
    pub fn new(token_secret: TokenSecret, webhook_key: WebhookKey) -> Self {
        Self {
            token_secret,
            token_ttl: Duration::from_secs(60 * 60),
            role_ttl: Duration::from_secs(5),
            hashes_at_once: 1,
            compat: false,
            webhook_key,
            webhooks_allow_private: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_is_refused_and_a_good_one_is_not_printed() {
        assert_eq!(TokenSecret::new([b'x'; 31]).unwrap_err(), SecretTooShort { bytes: 31 });
        let secret = TokenSecret::new([b'x'; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "TokenSecret(…)");
    }
}
