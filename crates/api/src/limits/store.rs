//! The buckets of one class: bounded, the longest unused forgotten first.
//!
//! At the bound a new bucket takes the place of the longest unused one. Its owner then begins with a full bucket, so the bound
//! never refuses a request. Buckets that are full again are dropped as new ones come, so memory follows the traffic.

use governor::{nanos::Nanos, state::StateStore};
use lru::LruCache;
use std::{
    hash::{Hash, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Buckets of one class that are remembered: some 6 MB.
pub(super) const BUCKETS_MAX: usize = 65_536;
/// Full buckets that are dropped for each new one: two, so that they become fewer.
const DROPPED_FOR_A_NEW_ONE: usize = 2;

/// When each bucket will be full again, by its owner. Clients choose addresses, hence the keyed hash.
#[derive(Debug)]
pub(super) struct BoundedStore<K: Hash + Eq> {
    /// How soon a request is earned back.
    period: Nanos,
    full_at: Mutex<LruCache<K, Nanos, RandomState>>,
}

impl<K: Hash + Eq> BoundedStore<K> {
    pub(super) fn new(period: Duration) -> Self {
        let full_at = LruCache::unbounded_with_hasher(RandomState::new());
        Self { period: period.into(), full_at: Mutex::new(full_at) }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<K, Nanos, RandomState>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> StateStore for BoundedStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut buckets = self.lock();
        if let Some(full_at) = buckets.get_mut(key) {
            let (outcome, then) = decide(Some(*full_at))?;
            *full_at = then;
            return Ok(outcome);
        }
        // A new bucket is full again one period from now.
        let (outcome, full_at) = decide(None)?;
        for _ in 0..DROPPED_FOR_A_NEW_ONE {
            let is_full = |longest_unused: &Nanos| *longest_unused + self.period <= full_at;
            if buckets.len() < BUCKETS_MAX && !buckets.peek_lru().is_some_and(|(_, at)| is_full(at)) {
                break;
            }
            buckets.pop_lru();
        }
        buckets.put(key.clone(), full_at);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::{Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware};

    const SECOND: Duration = Duration::from_secs(1);

    type Limiter = RateLimiter<usize, BoundedStore<usize>, FakeRelativeClock, NoOpMiddleware<Nanos>>;

    /// One request a second, with `burst` at once.
    fn limiter(burst: u32, clock: &FakeRelativeClock) -> Limiter {
        let quota = Quota::with_period(SECOND).unwrap().allow_burst(burst.try_into().unwrap());
        RateLimiter::new(quota, BoundedStore::new(SECOND), clock.clone())
    }

    fn len(limiter: Limiter) -> usize {
        limiter.into_state_store().lock().len()
    }

    #[test]
    fn at_the_bound_the_longest_unused_bucket_is_forgotten_and_nothing_is_refused() {
        let limiter = limiter(1, &FakeRelativeClock::default());
        for key in 0..BUCKETS_MAX {
            assert!(limiter.check_key(&key).is_ok());
        }
        assert!(limiter.check_key(&0).is_err(), "used last, so it is remembered for longest");
        for key in BUCKETS_MAX..BUCKETS_MAX + 10 {
            assert!(limiter.check_key(&key).is_ok());
        }
        assert!(limiter.check_key(&0).is_err());
        assert!(limiter.check_key(&1).is_ok(), "forgotten");
        assert!(len(limiter) <= BUCKETS_MAX);
    }

    #[test]
    fn buckets_that_are_full_again_are_dropped_as_new_ones_come() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(10, &clock);
        for key in 0..1_000 {
            assert!(limiter.check_key(&key).is_ok());
        }
        clock.advance(SECOND);
        for key in 1_000..2_000 {
            assert!(limiter.check_key(&key).is_ok());
        }
        assert_eq!(len(limiter), 1_000);
    }

    #[test]
    fn a_bucket_that_is_not_full_is_kept() {
        let clock = FakeRelativeClock::default();
        let limiter = limiter(2, &clock);
        assert!(limiter.check_key(&0).is_ok() && limiter.check_key(&0).is_ok());
        clock.advance(SECOND / 2);
        for key in 1..100 {
            assert!(limiter.check_key(&key).is_ok());
        }
        assert!(limiter.check_key(&0).is_err());
    }
}
