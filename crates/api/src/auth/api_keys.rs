//! API keys: `hfk_` and the base64url of an id (16 bytes) and a secret (32 random bytes).
//!
//! Guarantees
//! - A key is checked against the SHA-256 of its secret, in constant time. The secret is random, so no slow hash is needed.
//! - Keys are remembered as accounts are: a busy key costs a statement in `ttl`, and one that was deleted elsewhere is refused
//!   within it. Its owner's account is asked for besides, as for a token.
//! - Keys that were never good here are looked up one at a time, so that invented ones do not take the connections of others.
//! - When a key was last used is written by a statement of its own, at most once a minute.

use crate::{
    problem::{Problem, StoreError},
    scopes::{Access, Scope},
    store::bounded,
    users::{self, KeptApiKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_ambient::Ambient;
use moka::{future, sync};
use rustc_hash::FxBuildHasher;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tracing::warn;
use uuid::Uuid;

/// What every key begins with, so that scanners find one that was published.
const PREFIX: &str = "hfk_";
const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
/// Keys that are remembered: some 20 MB at most.
const KEYS_REMEMBERED_MAX: u64 = 50_000;
/// Look-ups at once of keys that were never good here.
const STRANGERS_AT_ONCE: usize = 1;
/// How exact `last_used_at` is.
const USED_PRECISION: TimeDelta = TimeDelta::minutes(1);

/// A key as it was sent, its secret hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentKey {
    pub(crate) key_id: Uuid,
    secret_hash: [u8; 32],
}

/// A key was sent, and what the operation asks of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyInUse {
    pub(crate) key: SentKey,
    pub(crate) access: Access,
}

/// A new key. No `Debug`: it must not get into a log.
pub(crate) struct NewKey {
    /// What its owner is shown once.
    pub(crate) text: String,
    /// What is kept.
    pub(crate) secret_hash: [u8; 32],
}

/// Why a key is not good.
#[derive(Clone, Debug)]
pub(crate) enum KeyRefused {
    /// It is none of ours, was deleted, or has expired.
    NotGood(&'static str),
    /// It could not be looked up.
    Problem(Problem),
}

impl SentKey {
    /// None: this is no API key.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        let encoded = text.strip_prefix(PREFIX)?;
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        let (id, secret) = bytes.split_first_chunk::<ID_BYTES>().filter(|_| length == bytes.len())?;
        Some(Self { key_id: Uuid::from_bytes(*id), secret_hash: Sha256::digest(secret).into() })
    }

    fn is(&self, kept: &[u8; 32]) -> bool {
        // Every byte is compared, wherever they differ first.
        let differences = self.secret_hash.iter().zip(kept).fold(0, |all, (sent, kept)| all | (sent ^ kept));
        std::hint::black_box(differences) == 0
    }
}

impl NewKey {
    /// A key of this id.
    pub(crate) fn new(key_id: Uuid, ambient: &dyn Ambient) -> Self {
        let mut bytes = [0; ID_BYTES + SECRET_BYTES];
        let (id, secret) = bytes.split_at_mut(ID_BYTES);
        id.copy_from_slice(key_id.as_bytes());
        ambient.random(secret);
        let secret_hash = Sha256::digest(&*secret).into();
        Self { text: format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)), secret_hash }
    }
}

/// What the limits know of a key that was good once: it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProvenKey {
    secret_hash: [u8; 32],
    pub(crate) requests_per_minute: Option<u32>,
}

/// Keys that were good here once, for the limits, which wait for nothing. A key that was deleted since uses up its own bucket.
pub(crate) struct ProvenKeys(sync::Cache<Uuid, ProvenKey, FxBuildHasher>);

impl Default for ProvenKeys {
    fn default() -> Self {
        let keys = sync::Cache::builder().max_capacity(KEYS_REMEMBERED_MAX);
        Self(keys.build_with_hasher(FxBuildHasher))
    }
}

impl ProvenKeys {
    /// What is known of a key; none if it was not good here yet.
    pub(crate) fn of(&self, sent: &SentKey) -> Option<ProvenKey> {
        self.0.get(&sent.key_id).filter(|proven| sent.is(&proven.secret_hash))
    }
}

/// Keys by their ids.
pub(crate) struct ApiKeys {
    look_ups: PgPool,
    writes: PgPool,
    /// None: there is no such key (any more).
    known: future::Cache<Uuid, Option<Arc<KeptApiKey>>, FxBuildHasher>,
    proven: Arc<ProvenKeys>,
    strangers: Semaphore,
}

impl ApiKeys {
    pub(crate) fn new(look_ups: PgPool, writes: PgPool, ttl: Duration) -> Self {
        let known = future::Cache::builder().max_capacity(KEYS_REMEMBERED_MAX).time_to_live(ttl);
        Self {
            look_ups,
            writes,
            known: known.build_with_hasher(FxBuildHasher),
            proven: Arc::default(),
            strangers: Semaphore::new(STRANGERS_AT_ONCE),
        }
    }

    /// The key that was sent, if it is good now.
    pub(crate) async fn check(
        &self,
        sent: &SentKey,
        now: DateTime<Utc>,
    ) -> Result<Arc<KeptApiKey>, KeyRefused> {
        let found = self.find(sent.key_id).await.map_err(KeyRefused::Problem)?;
        let kept = found.filter(|kept| sent.is(&kept.secret_hash));
        let kept = kept.ok_or(KeyRefused::NotGood("the API key is not valid, or it was deleted"))?;
        if kept.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(KeyRefused::NotGood("the API key has expired"));
        }
        if !self.proven.0.contains_key(&sent.key_id) {
            let requests_per_minute = kept.requests_per_minute;
            let proven = ProvenKey { secret_hash: kept.secret_hash, requests_per_minute };
            self.proven.0.insert(sent.key_id, proven);
        }
        self.used(sent.key_id, &kept, now).await;
        Ok(kept)
    }

    /// Keys that were good here once.
    pub(crate) fn proven(&self) -> &Arc<ProvenKeys> {
        &self.proven
    }

    /// Says that a key was deleted.
    pub(crate) async fn deleted(&self, key_id: Uuid) {
        self.known.invalidate(&key_id).await;
    }

    async fn find(&self, key_id: Uuid) -> Result<Option<Arc<KeptApiKey>>, Problem> {
        if let Some(known) = self.known.get(&key_id).await {
            return Ok(known);
        }
        let find = async {
            let _permit = match self.proven.0.contains_key(&key_id) {
                true => None,
                false => Some(self.strangers.acquire().await),
            };
            let found = users::find_api_key(&self.look_ups, key_id).await?;
            Ok::<_, sqlx::Error>(found.map(Arc::new))
        };
        let ask = async { bounded(find).await.map_err(|error: StoreError| Problem::from(error)) };
        self.known.try_get_with(key_id, ask).await.map_err(|problem| (*problem).clone())
    }

    /// Writes that a key was used, if what is known of that is older than a minute. A key is good whether that succeeds or not.
    async fn used(&self, key_id: Uuid, kept: &KeptApiKey, now: DateTime<Utc>) {
        if !kept.is_used_at(now, USED_PRECISION) {
            return;
        }
        if let Err(error) = bounded(users::api_key_used(&self.writes, key_id, now, USED_PRECISION)).await {
            warn!(error = &error as &dyn std::error::Error, "when an API key was last used is not written");
        }
    }
}

impl KeyInUse {
    /// Whether the key's scopes allow what is asked for.
    pub(crate) fn refusal(&self, scopes: &[Scope]) -> Option<Problem> {
        match self.access {
            Access::Scope(scope) if scopes.contains(&scope) => None,
            Access::Scope(scope) => Some(Problem::scope_missing(scope)),
            Access::Person => Some(Problem::sign_in_required()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_ambient::Machine;

    #[test]
    fn a_key_is_read_as_it_was_written_and_hides_its_secret_in_the_hash() {
        let (id, other) = (Uuid::from_u128(7), Uuid::from_u128(8));
        let key = NewKey::new(id, &Machine);
        assert_eq!(key.text.len(), 68);
        let sent = SentKey::read(&key.text).unwrap();
        assert_eq!(sent.key_id, id);
        assert!(sent.is(&key.secret_hash));
        assert!(!sent.is(&NewKey::new(id, &Machine).secret_hash), "secrets are random");
        assert_ne!(NewKey::new(other, &Machine).text, key.text);
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        let key = NewKey::new(Uuid::nil(), &Machine).text;
        let long = format!("{key}AAAA");
        for text in ["", "hfk_", "hfk_AAAA", &key[1..], &key[..67], &long, "hfk_****", "a.b.c"] {
            assert_eq!(SentKey::read(text), None, "{text}");
        }
    }
}
