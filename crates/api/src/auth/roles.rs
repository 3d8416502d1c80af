//! What somebody may do, from the `users` table, remembered for a few seconds.

use crate::{problem::Problem, users, users::Role};
use holdfast_domain::UserId;
use moka::future::Cache;
use rustc_hash::FxBuildHasher;
use sqlx::PgPool;
use std::time::Duration;

/// Users whose role is remembered: some 10 MB at most.
const ROLES_REMEMBERED_MAX: u64 = 100_000;

/// Roles by user. None: there is no such account (any more).
pub(crate) struct Roles {
    pool: PgPool,
    known: Cache<UserId, Option<Role>, FxBuildHasher>,
}

impl Roles {
    pub(crate) fn new(pool: PgPool, ttl: Duration) -> Self {
        let known = Cache::builder()
            .max_capacity(ROLES_REMEMBERED_MAX)
            .time_to_live(ttl)
            .build_with_hasher(FxBuildHasher);
        Self { pool, known }
    }

    /// The role of `user`. However many ask at once, one question goes to Postgres.
    pub(crate) async fn of(&self, user: UserId) -> Result<Option<Role>, Problem> {
        if let Some(role) = self.known.get(&user).await {
            return Ok(role);
        }
        let ask = async { users::role_of(&self.pool, user).await.map_err(Problem::from) };
        self.known.try_get_with(user, ask).await.map_err(|problem| (*problem).clone())
    }
}
