//! Password hashes: argon2id, off the async threads, a bounded number at a time, so that a rush of
//! sign-ins never starves bookings. Sign-ups wait in a line of their own, of which half of the hashes at once, at least one,
//! stand in the line of sign-ins at a time: a flood of sign-ups refuses sign-ups alone, and delays a sign-in by about one hash.
//!
//! A password that was right is known to be so for a minute without hashing it again: hundreds of sign-ins of a few
//! accounts cost a few hashes. Those of one account and password that come at once wait for one hash.
//! What is remembered is HMAC-SHA256 of account, hash and password under a key that is random in each process and never
//! leaves it. Who can read it can read the memory of this process, and so the passwords as they arrive. Another password is
//! another hash and thus unknown at once. That a right password is answered sooner tells only whoever gave it; a wrong one,
//! and an address without an account, always cost a whole hash.

use crate::problem::{Code, Problem};
use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version,
    password_hash::{self, PasswordHasher, SaltString},
};
use hmac::{Hmac, Mac};
use holdfast_ambient::Ambient;
use holdfast_domain::UserId;
use moka::future::Cache;
use sha2::Sha256;
use std::{sync::Arc, time::Duration};
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
/// How long a right password is known to be right.
const KNOWN_SECONDS: u64 = 60;
/// Right passwords that are known at a time: some 2 MB.
const KNOWN_MAX: u64 = 20_000;

/// Names an account, its hash and a password given for it.
type Tag = [u8; 32];

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
    signing_in: Arc<Semaphore>,
    signing_up: SignUps,
    tag_key: [u8; 64],
    known: Cache<Tag, ()>,
}

/// The line of sign-ups.
struct SignUps {
    admitted: Arc<Semaphore>,
    /// A sign-up has one of these before it stands in the line of sign-ins.
    in_line: Arc<Semaphore>,
}

/// Why a password is not known to be right.
#[derive(Debug)]
enum NotKnown {
    Wrong,
    Problem(Problem),
}

impl Hasher {
    /// Runs `at_once` hashes at a time, and lets `waiting_max` sign-ins and as many sign-ups wait for theirs.
    pub(crate) fn new(at_once: usize, waiting_max: usize, ambient: &dyn Ambient) -> Self {
        let at_once = at_once.max(1);
        let mut tag_key = [0; 64];
        ambient.random(&mut tag_key);
        let ttl = Duration::from_secs(KNOWN_SECONDS);
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            signing_in: Arc::new(Semaphore::new(at_once + waiting_max)),
            signing_up: SignUps {
                admitted: Arc::new(Semaphore::new(at_once + waiting_max)),
                in_line: Arc::new(Semaphore::new((at_once / 2).max(1))),
            },
            tag_key,
            known: Cache::builder().max_capacity(KNOWN_MAX).time_to_live(ttl).build(),
        }
    }

    /// Hashes the password of a new account.
    pub(crate) async fn sign_up(&self, password: String, salt: SaltString) -> Result<String, Problem> {
        let admitted = self.signing_up.admitted.clone().try_acquire_owned().map_err(|_| overloaded())?;
        let in_line = self.signing_up.in_line.clone().acquire_owned().await.map_err(|_| overloaded())?;
        self.in_turn((admitted, in_line), move || hash(&password, &salt)).await
    }

    /// Hashes another password of an account that exists.
    pub(crate) async fn hash(&self, password: String, salt: SaltString) -> Result<String, Problem> {
        self.signing_in(move || hash(&password, &salt)).await
    }

    /// Whether the password is that of the account with this hash. Without one (there is no such account) it
    /// takes as long as a wrong password and says no, so that nobody learns which addresses have an account.
    pub(crate) async fn matches(
        &self,
        password: String,
        account: Option<(UserId, String)>,
        salt: SaltString,
    ) -> Result<bool, Problem> {
        let Some((user, hash)) = account else {
            return self.signing_in(move || self::hash(&password, &salt).map(|_| false)).await;
        };
        let tag = self.tag(user, &hash, &password);
        let verified = async {
            match self.signing_in(move || verify(&password, &hash)).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(NotKnown::Wrong),
                Err(problem) => Err(NotKnown::Problem(problem)),
            }
        };
        match self.known.try_get_with(tag, verified).await {
            Ok(()) => Ok(true),
            Err(not_known) => match &*not_known {
                NotKnown::Wrong => Ok(false),
                NotKnown::Problem(problem) => Err(problem.clone()),
            },
        }
    }

    /// None of its parts can run into the next: the first has one length, the second is PHC text without zeros.
    fn tag(&self, user: UserId, hash: &str, password: &str) -> Tag {
        let mut mac = Hmac::<Sha256>::new(&self.tag_key.into());
        for part in [user.0.as_bytes(), hash.as_bytes(), &[0], password.as_bytes()] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Runs `work` in the line of sign-ins.
    async fn signing_in<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, Problem> {
        let admitted = self.signing_in.clone().try_acquire_owned().map_err(|_| overloaded())?;
        self.in_turn(admitted, work).await
    }

    /// Runs `work` on a blocking thread when it is its turn. The thread keeps its turn and its place in line to its end,
    /// also when the client has gone: else clients who leave at once would run any number of hashes.
    async fn in_turn<T: Send + 'static>(
        &self,
        place: impl Send + 'static,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, Problem> {
        let running = self.running.clone().acquire_owned().await.map_err(|_| overloaded())?;
        let done = tokio::task::spawn_blocking(move || {
            let _until_the_end = (place, running);
            work()
        });
        Ok(done.await.map_err(HashError::Thread)??)
    }
}

/// The answer where too many wait.
pub(super) fn overloaded() -> Problem {
    Problem::new(Code::Overloaded, "too many passwords are being checked; try again")
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

/// Compares a password on a blocking thread.
pub(crate) async fn verify_blocking(password: String, hash: String) -> Result<bool, HashError> {
    tokio::task::spawn_blocking(move || verify(&password, &hash)).await?
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
    use futures::{FutureExt, StreamExt, future::join_all, poll};
    use holdfast_ambient::Machine;
    use std::sync::mpsc;

    const WAITING_MAX: usize = 32;
    const ADA: UserId = UserId(uuid::Uuid::from_u128(1));

    fn hasher() -> Hasher {
        Hasher::new(1, WAITING_MAX, &Machine)
    }

    async fn hashed(hasher: &Hasher, password: &str) -> String {
        hasher.hash(password.to_owned(), salt(&Machine).unwrap()).await.unwrap()
    }

    async fn matches(hasher: &Hasher, password: &str, account: Option<(UserId, String)>) -> bool {
        hasher.matches(password.to_owned(), account, salt(&Machine).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_and_no_other() {
        let hasher = hasher();
        let hash = hashed(&hasher, "correct horse").await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (password, right) in [("correct horse", true), ("wrong horse", false), ("correct horse", true)] {
            assert_eq!(matches(&hasher, password, Some((ADA, hash.clone()))).await, right);
        }
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        assert!(!matches(&hasher(), "any", None).await);
    }

    /// Hashing is made impossible: what is answered all the same is answered from memory.
    #[tokio::test]
    async fn a_right_password_is_known_for_its_account_and_hash_alone_and_a_wrong_one_never() {
        let hasher = hasher();
        let (hash, other) = (hashed(&hasher, "right").await, hashed(&hasher, "right").await);
        assert!(matches(&hasher, "right", Some((ADA, hash.clone()))).await);
        assert!(!matches(&hasher, "wrong", Some((ADA, hash.clone()))).await);
        hasher.signing_in.close();
        assert!(matches(&hasher, "right", Some((ADA, hash.clone()))).await);
        let bob = UserId(uuid::Uuid::from_u128(2));
        for (password, account) in [
            ("wrong", Some((ADA, hash.clone()))),
            ("right", Some((ADA, other))),
            ("right", Some((bob, hash))),
            ("right", None),
        ] {
            let asked = hasher.matches(password.to_owned(), account.clone(), salt(&Machine).unwrap());
            assert_eq!(asked.await.unwrap_err().code(), Code::Overloaded, "{password} {account:?}");
        }
    }

    /// Hundreds sign in to ten accounts at once: without this, each of them would wait for all the others' hashes.
    #[tokio::test]
    async fn who_gives_the_same_right_password_at_once_waits_for_one_hash() {
        let hasher = Hasher::new(1, 1, &Machine);
        let hash = hashed(&hasher, "right").await;
        let all = join_all((0..500).map(|_| matches(&hasher, "right", Some((ADA, hash.clone())))));
        assert!(all.await.into_iter().all(|right| right));
    }

    /// Without the bound, a flood of sign-ins would queue hashes for minutes. The first client leaves,
    /// and its hash, which runs on, still counts.
    #[tokio::test]
    async fn who_comes_when_too_many_wait_is_told_at_once() {
        let hasher = hasher();
        let (finish, finished) = mpsc::channel::<()>();
        let mut first = Box::pin(hasher.signing_in(move || {
            finished.recv().unwrap();
            Ok(())
        }));
        assert!(poll!(&mut first).is_pending());
        drop(first);
        let mut waiting = Vec::new();
        for _ in 0..WAITING_MAX {
            let mut work = Box::pin(hasher.signing_in(|| Ok(())));
            assert!(poll!(&mut work).is_pending());
            waiting.push(work);
        }
        let refused = hasher.signing_in(|| Ok(())).now_or_never().expect("is not made to wait");
        assert_eq!(refused.unwrap_err().code(), Code::Overloaded);
        finish.send(()).unwrap();
        for done in join_all(waiting).await {
            done.unwrap();
        }
        hasher.signing_in(|| Ok(())).await.unwrap();
    }

    /// Sign-ups beyond their bound are refused, and a sign-in that comes after all of them has the turn after next.
    #[tokio::test]
    async fn a_flood_of_sign_ups_refuses_no_sign_in_and_delays_it_by_one_hash() {
        let hasher = hasher();
        let (finish, finished) = mpsc::channel::<()>();
        let mut first = Box::pin(hasher.signing_in(move || {
            finished.recv().unwrap();
            Ok(())
        }));
        assert!(poll!(&mut first).is_pending());
        let mut sign_ups = Vec::new();
        for n in 0..=WAITING_MAX {
            let mut sign_up = Box::pin(hasher.sign_up(n.to_string(), salt(&Machine).unwrap()));
            assert!(poll!(&mut sign_up).is_pending());
            sign_ups.push(sign_up);
        }
        let refused = hasher.sign_up("more".to_owned(), salt(&Machine).unwrap()).now_or_never();
        assert_eq!(refused.expect("is not made to wait").unwrap_err().code(), Code::Overloaded);
        let mut sign_in = Box::pin(hasher.signing_in(|| Ok(())));
        assert!(poll!(&mut sign_in).is_pending());
        finish.send(()).unwrap();
        first.await.unwrap();
        let mut hashed = 0;
        let mut sign_ups = futures::stream::FuturesUnordered::from_iter(sign_ups);
        loop {
            tokio::select! {
                biased;
                done = &mut sign_in => break done.unwrap(),
                _ = sign_ups.next() => hashed += 1,
            }
        }
        assert!(hashed <= 1, "{hashed} sign-ups came first");
    }
}
