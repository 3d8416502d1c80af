//! The buckets of one class: GCRA (the generic cell rate algorithm) over a bounded store.

use super::{headers::Left, settings::Quota, store::BoundedStore};
use governor::{RateLimiter, clock::Clock, middleware::StateInformationMiddleware, nanos::Nanos};
use holdfast_ambient::Ambient;
use std::{hash::Hash, sync::Arc, time::Duration};

/// The process's clock that never goes back: a time of day that is set back would refuse everyone for so long.
#[derive(Clone, Debug)]
pub(super) struct Elapsed(pub(super) Arc<dyn Ambient>);

impl Clock for Elapsed {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

/// A bucket for each owner.
pub(super) struct Buckets<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, BoundedStore<K>, Elapsed, StateInformationMiddleware>,
    policy: &'static str,
    period: Duration,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// None: the quota cannot be kept to, which none that was made by [`Quota::new`] is.
    pub(super) fn new(policy: &'static str, quota: Quota, clock: &Elapsed) -> Option<Self> {
        let period = Duration::from_secs(quota.seconds.get().into()) / quota.requests.get();
        let of_governor = governor::Quota::with_period(period)?.allow_burst(quota.requests);
        let limiter = RateLimiter::new(of_governor, BoundedStore::new(period), clock.clone());
        Some(Self { limiter, policy, period })
    }

    /// Takes a request out of the bucket of `owner`. What is left; as an error where nothing was.
    pub(super) fn take(&self, owner: &K) -> Result<Left, Left> {
        match self.limiter.check_key(owner) {
            Ok(state) => Ok(Left::after(self.policy, state.remaining_burst_capacity(), self.period)),
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.limiter.clock().now());
                Err(Left::nothing(self.policy, wait))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta, Utc};
    use holdfast_ambient::StoppedClock;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn buckets(requests: u32, seconds: u32) -> (Buckets<u8>, StoppedClock) {
        let clock = StoppedClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let quota = Quota::new(requests, seconds).unwrap();
        let buckets = Buckets::new("read", quota, &Elapsed(Arc::new(clock.clone()))).unwrap();
        (buckets, clock)
    }

    fn left(taken: Result<Left, Left>) -> (bool, u32, u64) {
        let (passed, Left { requests, seconds, .. }) = match taken {
            Ok(left) => (true, left),
            Err(left) => (false, left),
        };
        (passed, requests, seconds)
    }

    #[test]
    fn a_quota_is_there_at_once_and_earned_back_evenly_over_its_window() {
        let (buckets, clock) = buckets(4, 60);
        let taken: Vec<_> = (0..5).map(|_| left(buckets.take(&1))).collect();
        assert_eq!(taken, [(true, 3, 45), (true, 2, 30), (true, 1, 15), (true, 0, 15), (false, 0, 15)]);
        clock.advance(TimeDelta::milliseconds(13_999));
        assert_eq!(left(buckets.take(&1)), (false, 0, 2));
        clock.advance(TimeDelta::milliseconds(1_001));
        assert_eq!(left(buckets.take(&1)), (true, 0, 15));
        assert_eq!(left(buckets.take(&1)), (false, 0, 15), "one, and no more");
        clock.advance(TimeDelta::seconds(3_600));
        assert_eq!(left(buckets.take(&1)), (true, 3, 45));
    }

    /// A clock whose time of day goes back as time passes.
    #[derive(Debug, Default)]
    struct SetBack(AtomicU64);

    impl Ambient for SetBack {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH - self.elapsed()
        }

        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn a_time_of_day_that_is_set_back_refuses_nobody() {
        let clock = Arc::new(SetBack::default());
        let quota = Quota::new(1, 60).unwrap();
        let buckets = Buckets::new("read", quota, &Elapsed(clock.clone())).unwrap();
        for _ in 0..3 {
            assert!(buckets.take(&1).is_ok() && buckets.take(&1).is_err());
            clock.0.fetch_add(60, Ordering::Relaxed);
        }
    }

    #[test]
    fn another_owner_has_a_bucket_of_its_own() {
        let (buckets, _) = buckets(1, 60);
        assert!(buckets.take(&1).is_ok() && buckets.take(&1).is_err());
        assert!(buckets.take(&2).is_ok());
    }

    #[test]
    fn the_largest_and_the_smallest_quota_can_be_kept_to() {
        for (requests, seconds) in [(1_000_000, 1), (1, 86_400), (1_000_000, 86_400)] {
            let (buckets, _) = buckets(requests, seconds);
            assert!(buckets.take(&1).is_ok());
        }
    }
}
