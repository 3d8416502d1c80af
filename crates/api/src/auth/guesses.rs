//! Slows down whoever guesses passwords, and nobody else.
//!
//! A failure is charged three times: to the address and the account together, to the account, and to the address. Each
//! has some failures free and earns one back at a time; when they are used up, whoever asks is told how long to wait.
//! - Who gives the right password is never slowed, however often and however many at once: without a failure nothing is
//!   charged. After one, attempts under way are charged beforehand and given back when they were right; else a
//!   thousand guesses at once would cost one.
//! - Nobody can lock somebody out: no wait is longer than a minute, and an address from which an account was signed in to
//!   within a day answers for its own failures with that account alone, whatever happens to either of them elsewhere.
//! - An address that has no account is treated like one that has.
//!
//! Bounded memory; what is forgotten is the longest unused. Each server counts for itself.
//! Behind a proxy all clients have its address; see [`crate::ApiConfig::trust_forwarded_for`].

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;
use sha2::{Digest, Sha256};
use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Failures, and known pairs, that are remembered: some 10 MB each.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99_999);
/// How long it is known that an account is used from an address.
const KNOWN: TimeDelta = TimeDelta::days(1);
/// Longest wait.
const WAIT_MAX: TimeDelta = TimeDelta::seconds(60);

/// How many failures are free, and how soon one is earned back.
#[derive(Clone, Copy, Debug)]
struct Limit {
    free: i32,
    every: TimeDelta,
}

/// One address with one account: people mistype a few times; 360 guesses an hour.
const PAIR: Limit = Limit { free: 10, every: TimeDelta::seconds(10) };
/// One account from anywhere: 600 guesses an hour by however many machines.
const ACCOUNT: Limit = Limit { free: 50, every: TimeDelta::seconds(6) };
/// One address with any account: an office behind one address mistypes more; 3,600 guesses an hour.
const ADDRESS: Limit = Limit { free: 100, every: TimeDelta::seconds(1) };

impl Limit {
    /// How long to wait before another failure fits. `full_at`: when nothing is used any more.
    fn wait(self, full_at: DateTime<Utc>, now: DateTime<Utc>) -> TimeDelta {
        (full_at - now - self.every * (self.free - 1)).max(TimeDelta::zero())
    }

    /// One more failure.
    fn charged(self, full_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        let longest = now + self.every * (self.free - 1) + WAIT_MAX;
        (full_at.max(now) + self.every).min(longest)
    }
}

type Key = [u8; 16];

/// Who is counted, by what nobody can aim at.
#[derive(Clone, Copy, Debug)]
struct Counted {
    limit: Limit,
    key: Key,
    charged: bool,
}

/// Somebody may try.
#[derive(Debug)]
pub(crate) struct Attempt {
    counted: Vec<Counted>,
    pair: Option<Key>,
}

#[derive(Debug)]
struct Memory {
    /// When each will have nothing used any more.
    full_at: LruCache<Key, DateTime<Utc>>,
    /// Until when accounts are known to be used from addresses.
    known: LruCache<Key, DateTime<Utc>>,
}

/// Failures to sign in.
#[derive(Debug)]
pub(crate) struct Guesses {
    salt: [u8; 32],
    memory: Mutex<Memory>,
}

impl Guesses {
    /// Nobody has failed yet. `salt` is random and kept to ourselves: keys cannot be made to collide.
    pub(crate) fn new(salt: [u8; 32]) -> Self {
        let memory = Memory { full_at: LruCache::new(REMEMBERED_MAX), known: LruCache::new(REMEMBERED_MAX) };
        Self { salt, memory: Mutex::new(memory) }
    }

    /// Lets somebody at `address` try a password of `email`, or says how long to wait.
    pub(crate) fn admit(
        &self,
        email: &str,
        address: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Attempt, TimeDelta> {
        let network = address.map(network);
        let pair = network.map(|network| self.key("pair", Some(network), email));
        let mut memory = self.memory();
        let is_known = pair.is_some_and(|pair| memory.known.get(&pair).is_some_and(|until| *until > now));
        let pair_limit = pair.map(|key| (PAIR, key));
        let others = [
            Some((ACCOUNT, self.key("account", None, email))),
            network.map(|network| (ADDRESS, self.key("address", Some(network), ""))),
        ];
        let limits = pair_limit.into_iter().chain(others.into_iter().flatten().filter(|_| !is_known));
        let mut counted: Vec<_> = limits.map(|(limit, key)| Counted { limit, key, charged: false }).collect();
        let mut wait = TimeDelta::zero();
        for Counted { limit, key, charged } in &mut counted {
            let Some(full_at) = memory.full_at.get(key).copied().filter(|at| *at > now) else { continue };
            *charged = true;
            wait = wait.max(limit.wait(full_at, now));
        }
        if wait > TimeDelta::zero() {
            return Err(wait);
        }
        for counted in counted.iter().filter(|counted| counted.charged) {
            memory.charge(*counted, now);
        }
        Ok(Attempt { counted, pair })
    }

    /// The password was wrong.
    pub(crate) fn failed(&self, attempt: &Attempt, now: DateTime<Utc>) {
        let mut memory = self.memory();
        for counted in attempt.counted.iter().filter(|counted| !counted.charged) {
            memory.charge(*counted, now);
        }
    }

    /// The password was right: what was charged beforehand is given back.
    pub(crate) fn succeeded(&self, attempt: &Attempt, now: DateTime<Utc>) {
        let mut memory = self.memory();
        for Counted { limit, key, .. } in attempt.counted.iter().filter(|counted| counted.charged) {
            if let Some(full_at) = memory.full_at.get_mut(key) {
                *full_at -= limit.every;
            }
        }
        if let Some(pair) = attempt.pair {
            memory.known.put(pair, now + KNOWN);
        }
    }

    fn key(&self, kind: &str, network: Option<Ipv6Addr>, email: &str) -> Key {
        let mut hash = Sha256::new_with_prefix(self.salt);
        hash.update(kind);
        hash.update(network.map_or([0; 16], |network| network.octets()));
        hash.update(email);
        let hash: [u8; 32] = hash.finalize().into();
        hash.first_chunk().copied().unwrap_or_default()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn charge(&mut self, Counted { limit, key, .. }: Counted, now: DateTime<Utc>) {
        let full_at = self.full_at.get(&key).copied().unwrap_or(now);
        self.full_at.put(key, limit.charged(full_at, now));
    }
}

/// Who counts as one address: an IPv4 address, or the /64 that a customer is given of IPv6.
fn network(address: IpAddr) -> Ipv6Addr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn guesses() -> Guesses {
        Guesses::new([7; 32])
    }

    /// Wrong guesses until somebody is told to wait, and how long.
    fn guess(guesses: &Guesses, email: &str, from: Option<IpAddr>, now: DateTime<Utc>) -> (usize, i64) {
        for made in 0..1_000 {
            match guesses.admit(email, from, now) {
                Ok(attempt) => guesses.failed(&attempt, now),
                Err(wait) => return (made, wait.num_seconds()),
            }
        }
        panic!("a thousand guesses in a moment");
    }

    #[test]
    fn ten_failures_are_free_and_then_one_every_ten_seconds() {
        let guesses = guesses();
        assert_eq!(guess(&guesses, "ada", address(1), NOON), (10, 10));
        assert_eq!(guess(&guesses, "ada", address(1), NOON + TimeDelta::seconds(9)), (0, 1));
        assert_eq!(guess(&guesses, "ada", address(1), NOON + TimeDelta::seconds(10)), (1, 10));
        assert_eq!(guess(&guesses, "ada", address(1), NOON + TimeDelta::seconds(1_000)), (10, 10));
    }

    #[test]
    fn many_machines_get_no_more_than_fifty_and_one_machine_no_more_than_a_hundred_accounts() {
        let many = guesses();
        let made: usize = (0..=255).map(|machine| guess(&many, "ada", address(machine), NOON).0).sum();
        assert_eq!(made, 50);
        let one = guesses();
        let made: usize = (0..100).map(|n| guess(&one, &format!("user {n}"), address(1), NOON).0).sum();
        assert_eq!(made, 100);
    }

    /// With the right password nothing is ever charged, whatever is under way at the same time.
    #[test]
    fn who_is_right_is_never_slowed() {
        let guesses = guesses();
        let under_way: Vec<_> = (0..5_000).map(|_| guesses.admit("ada", address(1), NOON).unwrap()).collect();
        for attempt in &under_way {
            guesses.succeeded(attempt, NOON);
        }
        for _ in 0..5_000 {
            guesses.succeeded(&guesses.admit("ada", address(1), NOON).unwrap(), NOON);
        }
    }

    #[test]
    fn after_a_failure_those_under_way_are_counted_and_given_back_when_they_were_right() {
        let guesses = guesses();
        guesses.failed(&guesses.admit("ada", address(1), NOON).unwrap(), NOON);
        let under_way: Vec<_> =
            std::iter::from_fn(|| guesses.admit("ada", address(1), NOON).ok()).take(100).collect();
        assert_eq!(under_way.len(), 9);
        for attempt in &under_way {
            guesses.succeeded(attempt, NOON);
        }
        assert_eq!(guess(&guesses, "ada", address(1), NOON).0, 9);
    }

    /// A thousand machines guess Ada's password without a pause. She comes in from where she was yesterday at any moment,
    /// and from elsewhere within a minute of their pausing.
    #[test]
    fn nobody_can_lock_somebody_out() {
        let guesses = guesses();
        guesses.succeeded(&guesses.admit("ada", address(1), NOON).unwrap(), NOON);
        let later = NOON + TimeDelta::hours(23);
        let burst: Vec<_> = (0..1_000_u32)
            .map(|machine| guesses.admit("ada", Some(IpAddr::from(machine.to_be_bytes())), later).unwrap())
            .collect();
        for attempt in &burst {
            guesses.failed(attempt, later);
        }
        assert!(guesses.admit("ada", address(1), later).is_ok());
        let wait = guesses.admit("ada", address(2), later).unwrap_err();
        assert!(wait <= WAIT_MAX, "{wait}");
        assert!(guesses.admit("ada", address(2), later + wait).is_ok());
    }

    #[test]
    fn a_customers_ipv6_network_is_one_address_and_a_mapped_ipv4_address_is_itself() {
        let network = |text: &str| super::network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
