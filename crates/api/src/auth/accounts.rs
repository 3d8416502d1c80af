//! How accounts stand, from the `users` table, remembered for a few seconds.
//!
//! Guarantee: what this process has changed, it does not answer from memory. Each account has a counter (shared with the
//! others of its slot), the key of its entry holds the counter's value, and a change raises it: an entry that was
//! loaded before, or is being loaded meanwhile, lies under a key that nobody asks for any more.

use crate::{
    problem::Problem,
    users::{self, Standing},
};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use moka::future::Cache;
use rustc_hash::{FxBuildHasher, FxHasher};
use sqlx::PgPool;
use std::{
    hash::{Hash, Hasher as _},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Accounts that are remembered: some 20 MB at most.
const ACCOUNTS_REMEMBERED_MAX: u64 = 100_000;
/// Counters: a change makes one in so many accounts look anew.
const SLOTS: usize = 1_024;

/// Accounts by user. None: there is no such account (any more).
pub(crate) struct Accounts {
    pool: PgPool,
    known: Cache<(UserId, u32), Option<Standing>, FxBuildHasher>,
    changes: Box<[AtomicU32]>,
}

impl Accounts {
    pub(crate) fn new(pool: PgPool, ttl: Duration) -> Self {
        let known = Cache::builder()
            .max_capacity(ACCOUNTS_REMEMBERED_MAX)
            .time_to_live(ttl)
            .build_with_hasher(FxBuildHasher);
        Self { pool, known, changes: (0..SLOTS).map(|_| AtomicU32::new(0)).collect() }
    }

    /// How `user` stands. However many ask at once, one question goes to Postgres.
    pub(crate) async fn of(&self, user: UserId, now: DateTime<Utc>) -> Result<Option<Standing>, Problem> {
        let key = (user, self.slot(user).map_or(0, |changes| changes.load(Ordering::Acquire)));
        if let Some(standing) = self.known.get(&key).await {
            return Ok(standing);
        }
        let ask = async { users::standing_of(&self.pool, user, now).await.map_err(Problem::from) };
        self.known.try_get_with(key, ask).await.map_err(|problem| (*problem).clone())
    }

    /// Says that `user` was changed, once that is committed.
    pub(crate) fn changed(&self, user: UserId) {
        if let Some(changes) = self.slot(user) {
            changes.fetch_add(1, Ordering::Release);
        }
    }

    fn slot(&self, user: UserId) -> Option<&AtomicU32> {
        let mut hash = FxHasher::default();
        user.hash(&mut hash);
        let slot = usize::try_from(hash.finish() % (SLOTS as u64)).unwrap_or(0);
        self.changes.get(slot)
    }
}
