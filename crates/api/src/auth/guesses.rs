//! Slows down the guessing of passwords without locking the account's owner out.
//!
//! A guess is reserved before its password is hashed, and given back when the password was right. So guesses that arrive at
//! once get no more than the same number one after the other: those beyond the budget wait until one under way is
//! decided. A failure is charged three times: to address and account together (the pair), to the account, and to
//! the address. Each budget has some failures free and earns one back at a time; when one is used up, the answer is 429.
//! - Right passwords charge nothing, however often and however many at once.
//! - A pair that has signed in before does not share the budgets of account and address: failures elsewhere never slow it.
//!   When failures on its own address (an office behind one) have used the pair's budget up, its right passwords are
//!   still accepted within a second budget, [`KNOWN`]. Wrong ones are answered as those of an unknown pair.
//! - What remains: guessing that never pauses, from the owner's own address, can use up that budget, too.
//! - An address without an account is treated like one that has one.
//!
//! Bounded memory; the longest unused is forgotten first. Each server counts for itself.
//! Behind a proxy all clients have its address; see [`crate::ApiConfig::trust_forwarded_for`].

use super::password::overloaded;
use crate::problem::{Code, Extension, Problem};
use chrono::{DateTime, TimeDelta, Utc};
use holdfast_ambient::Ambient;
use lru::LruCache;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, Semaphore, futures::OwnedNotified};

/// Failures, and known pairs, that are remembered: some 10 MB each.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(99_999);
/// How long a pair that has signed in is known.
const KNOWN_FOR: TimeDelta = TimeDelta::days(30);
/// Attempts that wait for others under way: as many as a load test signs in at once; more are answered 503.
const WAITING_MAX: usize = 1_024;

/// How many failures are free, and how soon one is earned back.
#[derive(Clone, Copy, Debug)]
struct Limit {
    free: i32,
    every: TimeDelta,
}

/// One address with one account: people mistype a few times; 360 guesses an hour.
const PAIR: Limit = Limit { free: 10, every: TimeDelta::seconds(10) };
/// The same again for a pair that has signed in before.
const KNOWN: Limit = PAIR;
/// One account from anywhere: 600 guesses an hour by however many machines.
const ACCOUNT: Limit = Limit { free: 50, every: TimeDelta::seconds(6) };
/// One address with any account: an office behind one address mistypes more; 3,600 guesses an hour.
const ADDRESS: Limit = Limit { free: 100, every: TimeDelta::seconds(1) };

impl Limit {
    /// How long to wait before another failure fits. `full_at`: when nothing is used any more.
    fn wait(self, full_at: DateTime<Utc>, now: DateTime<Utc>) -> TimeDelta {
        (full_at - now - self.every * (self.free - 1)).max(TimeDelta::zero())
    }

    /// When nothing is used any more, after `failures` more.
    fn charged(self, full_at: DateTime<Utc>, failures: i32, now: DateTime<Utc>) -> DateTime<Utc> {
        full_at.max(now) + self.every * failures
    }
}

type Key = [u8; 16];

/// A budget, under a key that clients cannot aim at.
#[derive(Clone, Copy, Debug)]
struct Budget {
    limit: Limit,
    key: Key,
}

/// The budgets that an attempt may be charged to.
struct Budgets {
    pair: Option<Budget>,
    known: Option<Budget>,
    account: Budget,
    address: Option<Budget>,
}

/// Attempts of one budget whose password is being compared.
#[derive(Debug, Default)]
struct UnderWay {
    attempts: i32,
    /// Wakes those who wait for a decision.
    decided: Arc<Notify>,
}

#[derive(Debug)]
struct Memory {
    /// When each will have nothing used any more.
    full_at: LruCache<Key, DateTime<Utc>>,
    /// Until when pairs are known.
    known: LruCache<Key, DateTime<Utc>>,
    /// As many entries as attempts under way have budgets.
    under_way: FxHashMap<Key, UnderWay>,
}

/// Why an attempt is not admitted now.
#[derive(Debug)]
enum NotNow {
    /// Failures have used a budget up; one is earned back after this.
    UsedUp(TimeDelta),
    /// Attempts under way have reserved what is left; this ends when one of them is decided.
    Reserved(Pin<Box<OwnedNotified>>),
}

/// A reserved guess. Dropped undecided (the client has gone, or nothing was compared) it is given back.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    guesses: &'a Guesses,
    reserved: Vec<Budget>,
    pair: Option<Key>,
    /// How long an unknown pair would have to wait.
    wait: Option<TimeDelta>,
}

/// Failures to sign in.
#[derive(Debug)]
pub(crate) struct Guesses {
    salt: [u8; 32],
    memory: Mutex<Memory>,
    waiting: Semaphore,
}

impl Guesses {
    /// Without any failure yet. `salt` is random and kept to ourselves: keys cannot be made to collide.
    pub(crate) fn new(salt: [u8; 32]) -> Self {
        let memory = Memory {
            full_at: LruCache::new(REMEMBERED_MAX),
            known: LruCache::new(REMEMBERED_MAX),
            under_way: FxHashMap::default(),
        };
        Self { salt, memory: Mutex::new(memory), waiting: Semaphore::new(WAITING_MAX) }
    }

    /// Reserves a guess of `email`'s password for a client at `address`; waits for attempts under way to be decided.
    pub(crate) async fn admit(
        &self,
        email: &str,
        address: Option<IpAddr>,
        ambient: &dyn Ambient,
    ) -> Result<Attempt<'_>, Problem> {
        let budgets = self.budgets(email, address);
        let mut waiting = None;
        loop {
            let decided = match self.reserve(&budgets, ambient.now()) {
                Ok(attempt) => return Ok(attempt),
                Err(NotNow::UsedUp(wait)) => return Err(wait_until(wait)),
                Err(NotNow::Reserved(decided)) => decided,
            };
            if waiting.is_none() {
                let permit = self.waiting.try_acquire();
                waiting = Some(permit.map_err(|_| overloaded())?);
            }
            decided.await;
        }
    }

    /// Reserves a guess in every budget that counts.
    fn reserve(&self, budgets: &Budgets, now: DateTime<Utc>) -> Result<Attempt<'_>, NotNow> {
        let mut memory = self.memory();
        let pair = budgets.pair.map(|pair| pair.key);
        let is_known = pair.is_some_and(|pair| memory.known.get(&pair).is_some_and(|until| *until > now));
        let pair_wait = budgets.pair.map_or(TimeDelta::zero(), |pair| memory.wait(pair, now));
        let (reserved, wait) = if !is_known {
            (vec![budgets.pair, Some(budgets.account), budgets.address], None)
        } else if pair_wait.is_zero() {
            (vec![budgets.pair], None)
        } else {
            (vec![budgets.known], Some(pair_wait))
        };
        let reserved: Vec<_> = reserved.into_iter().flatten().collect();
        let used_up = reserved.iter().map(|budget| memory.wait(*budget, now)).max().unwrap_or_default();
        if !used_up.is_zero() {
            return Err(NotNow::UsedUp(wait.unwrap_or(used_up)));
        }
        for Budget { limit, key } in &reserved {
            let Some(under_way) = memory.under_way.get(key) else { continue };
            let (attempts, decided) = (under_way.attempts, under_way.decided.clone());
            let full_at = memory.full_at.get(key).copied().unwrap_or(now);
            if !limit.wait(limit.charged(full_at, attempts, now), now).is_zero() {
                return Err(NotNow::Reserved(Box::pin(decided.notified_owned())));
            }
        }
        for Budget { key, .. } in &reserved {
            memory.under_way.entry(*key).or_default().attempts += 1;
        }
        Ok(Attempt { guesses: self, reserved, pair, wait })
    }

    fn budgets(&self, email: &str, address: Option<IpAddr>) -> Budgets {
        let network = address.map(network);
        let budget = |limit, kind, network, email| Budget { limit, key: self.key(kind, network, email) };
        Budgets {
            pair: network.map(|network| budget(PAIR, "pair", Some(network), email)),
            known: network.map(|network| budget(KNOWN, "known", Some(network), email)),
            account: budget(ACCOUNT, "account", None, email),
            address: network.map(|network| budget(ADDRESS, "address", Some(network), "")),
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

impl Attempt<'_> {
    /// The password was wrong. Returns how long to wait, where an unknown pair's attempt would not have been admitted.
    pub(crate) fn failed(self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let mut memory = self.guesses.memory();
        for Budget { limit, key } in &self.reserved {
            let full_at = memory.full_at.get(key).copied().unwrap_or(now);
            memory.full_at.put(*key, limit.charged(full_at, 1, now));
        }
        drop(memory);
        self.wait
    }

    /// The password was right: nothing is charged, and the pair is known.
    pub(crate) fn succeeded(self, now: DateTime<Utc>) {
        if let Some(pair) = self.pair {
            self.guesses.memory().known.put(pair, now + KNOWN_FOR);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut memory = self.guesses.memory();
        for Budget { key, .. } in &self.reserved {
            let Some(under_way) = memory.under_way.get_mut(key) else { continue };
            under_way.attempts -= 1;
            under_way.decided.notify_waiters();
            if under_way.attempts == 0 {
                memory.under_way.remove(key);
            }
        }
    }
}

impl Memory {
    fn wait(&mut self, Budget { limit, key }: Budget, now: DateTime<Utc>) -> TimeDelta {
        self.full_at.get(&key).map_or(TimeDelta::zero(), |full_at| limit.wait(*full_at, now))
    }
}

/// The answer while a budget is used up.
pub(crate) fn wait_until(wait: TimeDelta) -> Problem {
    let seconds = u32::try_from((wait.num_milliseconds() + 999) / 1_000).unwrap_or(u32::MAX);
    Problem::new(Code::RateLimited, "too many wrong passwords; see Retry-After")
        .with(Extension::RateLimited { retry_after_seconds: seconds })
}

/// What counts as one address: an IPv4 address, or the /64 that a customer is given of IPv6.
pub(crate) fn network(address: IpAddr) -> Ipv6Addr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, future::join_all, poll};
    use holdfast_ambient::StoppedClock;

    const NOON: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn guesses() -> Guesses {
        Guesses::new([7; 32])
    }

    /// An attempt that has to wait for no other.
    fn admit<'a>(
        guesses: &'a Guesses,
        email: &str,
        from: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Attempt<'a>, Problem> {
        guesses.admit(email, from, &StoppedClock::at(now)).now_or_never().expect("none is under way")
    }

    fn sign_in(guesses: &Guesses, email: &str, from: Option<IpAddr>, now: DateTime<Utc>) {
        admit(guesses, email, from, now).unwrap().succeeded(now);
    }

    fn seconds(problem: &Problem) -> i64 {
        problem.retry_after_seconds().unwrap().into()
    }

    /// Wrong guesses until one is answered 429, and with how many seconds.
    fn guess(guesses: &Guesses, email: &str, from: Option<IpAddr>, now: DateTime<Utc>) -> (usize, i64) {
        for made in 0..1_000 {
            match admit(guesses, email, from, now).map(|attempt| attempt.failed(now)) {
                Ok(None) => {}
                Ok(Some(wait)) => return (made, wait.num_seconds()),
                Err(problem) => return (made, seconds(&problem)),
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
    fn many_machines_get_fifty_guesses_and_one_machine_a_hundred() {
        let many = guesses();
        let made: usize = (0..=255).map(|machine| guess(&many, "ada", address(machine), NOON).0).sum();
        assert_eq!(made, 50);
        let one = guesses();
        let made: usize = (0..100).map(|n| guess(&one, &format!("user {n}"), address(1), NOON).0).sum();
        assert_eq!(made, 100);
    }

    /// Without the reservation, forty guesses at once are forty guesses: none has failed when the last one comes.
    #[tokio::test]
    async fn guesses_at_once_are_as_many_as_one_after_the_other() {
        let (guesses, clock) = (guesses(), StoppedClock::at(NOON));
        let admitted = join_all((0..40).map(async |_| {
            let attempt = guesses.admit("ada", address(1), &clock).await?;
            tokio::task::yield_now().await;
            attempt.failed(NOON);
            Ok::<_, Problem>(())
        }));
        let admitted = admitted.await;
        assert_eq!(admitted.iter().filter(|guess| guess.is_ok()).count(), 10);
        let refused = admitted.iter().filter_map(|guess| guess.as_ref().err());
        assert!(refused.map(Problem::code).all(|code| code == Code::RateLimited));
        assert!(guesses.memory().under_way.is_empty());
    }

    /// Right passwords wait for one another where they are many, and none is refused.
    #[tokio::test]
    async fn five_hundred_right_passwords_at_once_are_all_accepted() {
        let (guesses, clock) = (guesses(), StoppedClock::at(NOON));
        let all = join_all((0..500).map(async |n| {
            let attempt = guesses.admit(&format!("user {}", n % 10), address(1), &clock).await.unwrap();
            tokio::task::yield_now().await;
            attempt.succeeded(NOON);
        }));
        all.await;
        assert!(guesses.memory().under_way.is_empty());
        assert_eq!(guess(&guesses, "user 1", address(1), NOON).0, 10, "nothing was charged");
    }

    #[tokio::test]
    async fn what_a_client_that_left_had_reserved_is_given_back() {
        let (guesses, clock) = (guesses(), StoppedClock::at(NOON));
        let mut under_way: Vec<_> =
            (0..10).map(|_| admit(&guesses, "ada", address(1), NOON).unwrap()).collect();
        let mut next = Box::pin(guesses.admit("ada", address(1), &clock));
        assert!(poll!(&mut next).is_pending());
        under_way.pop();
        next.await.unwrap();
    }

    /// Without the bound, clients that never read would gather here.
    #[tokio::test]
    async fn attempts_that_wait_are_bounded() {
        let (guesses, clock) = (guesses(), StoppedClock::at(NOON));
        let _under_way: Vec<_> = (0..10).map(|_| admit(&guesses, "ada", address(1), NOON).unwrap()).collect();
        let mut waiting = Vec::new();
        for _ in 0..WAITING_MAX {
            let mut next = Box::pin(guesses.admit("ada", address(1), &clock));
            assert!(poll!(&mut next).is_pending());
            waiting.push(next);
        }
        let refused = admit(&guesses, "ada", address(1), NOON).unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
    }

    /// A thousand machines guess Ada's password without a pause. She comes in from where she was at any moment, and from
    /// elsewhere within seconds of their pausing.
    #[test]
    fn guesses_from_elsewhere_lock_no_owner_out() {
        let guesses = guesses();
        sign_in(&guesses, "ada", address(1), NOON);
        let later = NOON + TimeDelta::days(29);
        for machine in 0..1_000_u32 {
            guess(&guesses, "ada", Some(IpAddr::from(machine.to_be_bytes())), later);
        }
        sign_in(&guesses, "ada", address(1), later);
        let wait = seconds(&admit(&guesses, "ada", address(2), later).unwrap_err());
        assert!(wait <= 6, "{wait}");
        sign_in(&guesses, "ada", address(2), later + TimeDelta::seconds(wait));
    }

    /// Ten wrong passwords from the owner's own address. The right one is accepted; a wrong one is answered as on any
    /// address, so that the answers do not say that the account is used from there.
    #[test]
    fn failures_on_the_owners_own_address_do_not_refuse_the_right_password() {
        let guesses = guesses();
        sign_in(&guesses, "ada", address(1), NOON);
        assert_eq!(guess(&guesses, "ada", address(1), NOON), guess(&guesses, "bob", address(1), NOON));
        for _ in 0..1_000 {
            sign_in(&guesses, "ada", address(1), NOON);
        }
        assert!(admit(&guesses, "bob", address(1), NOON).is_err());
        for _ in 0..9 {
            assert_eq!(guess(&guesses, "ada", address(1), NOON), (0, 10));
        }
        assert!(admit(&guesses, "ada", address(1), NOON).is_err(), "ten more guesses and no more");
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
