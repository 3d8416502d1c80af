//! Password hashes: argon2id, off the async threads, a bounded number at a time, so that a rush of
//! sign-ins never starves bookings.

use crate::problem::{Code, Problem};
use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version,
    password_hash::{self, PasswordHasher, SaltString},
};
use holdfast_ambient::Ambient;
use std::sync::Arc;
use tokio::{sync::Semaphore, task::JoinError};
use tracing::error;

/// Memory of one hash: with [`PASSES`] and [`LANES`], what OWASP advises for argon2id (2023: 19 MiB, 2, 1).
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over that memory.
const PASSES: u32 = 2;
/// Lanes: one hash occupies one core.
const LANES: u32 = 1;
/// Bytes of salt (RFC 9106 §3.1).
const SALT_BYTES: usize = 16;
/// Requests that may wait for their hash. At some 30 ms each, the last one waits about a second.
const WAITING_MAX: usize = 32;

/// Why a password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The hash function refused its input.
    #[error("argon2id refused: {0}")]
    Argon2(password_hash::Error),
    /// The thread was lost.
    #[error("the hashing thread was lost")]
    Thread(#[from] JoinError),
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        error!(error = &error as &dyn std::error::Error, "a password could not be hashed");
        Self::internal()
    }
}

/// Computes hashes for requests, a bounded number at a time.
pub(crate) struct Hasher {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Hasher {
    pub(crate) fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            admitted: Arc::new(Semaphore::new(at_once + WAITING_MAX)),
        }
    }

    /// Hashes a password.
    pub(crate) async fn hash(&self, password: String, salt: SaltString) -> Result<String, Problem> {
        self.in_turn(move || hash(&password, &salt)).await
    }

    /// Whether the password belongs to the hash. Without a hash (there is no such account) it takes
    /// as long and says no, so that nobody learns which addresses have an account.
    pub(crate) async fn matches(
        &self,
        password: String,
        hash: Option<String>,
        salt: SaltString,
    ) -> Result<bool, Problem> {
        self.in_turn(move || match hash {
            Some(hash) => verify(&password, &hash),
            None => self::hash(&password, &salt).map(|_| false),
        })
        .await
    }

    /// Runs `work` on a blocking thread when it is its turn. The thread keeps the turn to its end,
    /// also when the client has gone: else clients who leave at once would run any number of hashes.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, Problem> {
        let overloaded = || Problem::new(Code::Overloaded, "too many passwords are being checked; try again");
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| overloaded())?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| overloaded())?;
        let done = tokio::task::spawn_blocking(move || {
            let _until_the_end = (admitted, running);
            work()
        });
        Ok(done.await.map_err(HashError::Thread)??)
    }
}

/// A new salt.
pub(crate) fn salt(ambient: &dyn Ambient) -> Result<SaltString, HashError> {
    let mut bytes = [0; SALT_BYTES];
    ambient.random(&mut bytes);
    SaltString::encode_b64(&bytes).map_err(HashError::Argon2)
}

/// Hashes a password on a blocking thread.
pub(crate) async fn hash_blocking(password: String, salt: SaltString) -> Result<String, HashError> {
    tokio::task::spawn_blocking(move || hash(&password, &salt)).await?
}

fn hash(password: &str, salt: &SaltString) -> Result<String, HashError> {
    let hash = argon2()?.hash_password(password.as_bytes(), salt).map_err(HashError::Argon2)?;
    Ok(hash.to_string())
}

fn verify(password: &str, hash: &str) -> Result<bool, HashError> {
    let hash = PasswordHash::new(hash).map_err(HashError::Argon2)?;
    match argon2()?.verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::Password) => Ok(false),
        Err(error) => Err(HashError::Argon2(error)),
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|e| HashError::Argon2(e.into()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, future::join_all, poll};
    use holdfast_ambient::Machine;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let hasher = Hasher::new(1);
        let hash = hasher.hash("correct horse".to_owned(), salt(&Machine).unwrap()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (password, matches) in [("correct horse", true), ("wrong horse", false)] {
            let salt = salt(&Machine).unwrap();
            assert_eq!(hasher.matches(password.to_owned(), Some(hash.clone()), salt).await.unwrap(), matches);
        }
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        let no = Hasher::new(1).matches("any".to_owned(), None, salt(&Machine).unwrap()).await.unwrap();
        assert!(!no);
    }

    /// Without the bound, a flood of sign-ins would queue hashes for minutes. The first client leaves,
    /// and its hash, which runs on, still counts.
    #[tokio::test]
    async fn who_comes_when_too_many_wait_is_told_at_once() {
        let hasher = Hasher::new(1);
        let (finish, finished) = mpsc::channel::<()>();
        let mut first = Box::pin(hasher.in_turn(move || {
            finished.recv().unwrap();
            Ok(())
        }));
        assert!(poll!(&mut first).is_pending());
        drop(first);
        let mut waiting = Vec::new();
        for _ in 0..WAITING_MAX {
            let mut work = Box::pin(hasher.in_turn(|| Ok(())));
            assert!(poll!(&mut work).is_pending());
            waiting.push(work);
        }
        let refused = hasher.in_turn(|| Ok(())).now_or_never().expect("is not made to wait");
        assert_eq!(refused.unwrap_err().code(), Code::Overloaded);
        finish.send(()).unwrap();
        for done in join_all(waiting).await {
            done.unwrap();
        }
        hasher.in_turn(|| Ok(())).await.unwrap();
    }
}
