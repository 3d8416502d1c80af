//! Secrets of endpoints, and the signatures made with them.
//!
//! No secret is stored. It is computed from one key of the installation, the endpoint's id and a generation, so whoever
//! reads the database can sign nothing, and a rotation is a number that grows. The signature is the one of Standard
//! Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use holdfast_domain::Timestamp;
use sha2::Sha256;
use std::fmt;
use uuid::Uuid;

/// Fewest bytes of a webhook key: as many as HMAC-SHA256 puts out.
pub const WEBHOOK_KEY_BYTES_MIN: usize = 32;
/// What is signed to name a key without telling it.
const KEY_ID: &[u8] = b"key id";
/// How secrets begin, as receivers' libraries expect it.
const SECRET_PREFIX: &str = "whsec_";

/// What all secrets are computed from. It never appears in a log.
#[derive(Clone)]
pub struct WebhookKey(Hmac<Sha256>);

/// The key could be guessed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a webhook key needs at least {WEBHOOK_KEY_BYTES_MIN} bytes; this one has {bytes}")]
pub struct KeyTooShort {
    bytes: usize,
}

/// One endpoint's secret of one generation. It never appears in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl WebhookKey {
    /// Takes a key of at least [`WEBHOOK_KEY_BYTES_MIN`] bytes.
    ///
    /// # Errors
    /// `KeyTooShort`.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, KeyTooShort> {
        let bytes = bytes.as_ref();
        let short = KeyTooShort { bytes: bytes.len() };
        if bytes.len() < WEBHOOK_KEY_BYTES_MIN {
            return Err(short);
        }
        // HMAC takes keys of every length.
        Hmac::new_from_slice(bytes).map(Self).map_err(|_| short)
    }

    /// Names the key: an endpoint made with another key would be signed wrong, and is not sent to.
    pub(crate) fn id(&self) -> Uuid {
        let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.sign(&[KEY_ID]);
        Uuid::from_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// The secret of an endpoint.
    pub(crate) fn secret(&self, endpoint_id: Uuid, generation: i32) -> Secret {
        Secret(self.sign(&[endpoint_id.as_bytes(), &generation.to_be_bytes()]))
    }

    fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        sign(self.0.clone(), parts)
    }
}

impl Secret {
    /// The secret as the receiver is told it.
    #[must_use]
    pub fn tell(&self) -> String {
        format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(self.0))
    }

    /// The signature of one attempt.
    pub(crate) fn signature(&self, id: Uuid, at: Timestamp, body: &[u8]) -> String {
        let head = format!("{id}.{}.", at.timestamp());
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).map(|mac| sign(mac, &[head.as_bytes(), body]));
        format!("v1,{}", BASE64_STANDARD.encode(mac.unwrap_or_default()))
    }
}

fn sign(mut mac: Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_key_is_refused_and_a_good_one_is_not_printed() {
        assert_eq!(WebhookKey::new([b'x'; 31]).unwrap_err(), KeyTooShort { bytes: 31 });
        let key = WebhookKey::new([b'x'; 32]).unwrap();
        assert_eq!(format!("{key:?} {:?}", key.secret(Uuid::nil(), 1)), "WebhookKey(…) Secret(…)");
    }

    #[test]
    fn every_endpoint_generation_and_key_has_a_secret_of_its_own() {
        let (key, other) = (WebhookKey::new([1; 32]).unwrap(), WebhookKey::new([2; 32]).unwrap());
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let secrets = [key.secret(a, 1), key.secret(a, 2), key.secret(b, 1), other.secret(a, 1)];
        for (nth, secret) in secrets.iter().enumerate() {
            assert!(secrets.iter().skip(nth + 1).all(|other| other != secret));
        }
        assert_eq!(key.secret(a, 1), key.secret(a, 1));
        assert_ne!(key.id(), other.id());
    }
}
