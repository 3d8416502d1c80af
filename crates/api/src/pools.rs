//! Connections to Postgres, in budgets: requests of one kind cannot take the connections of another.
//!
//! Guarantees
//! - While every read hangs, bookings, sign-ins and the readiness page have connections.
//! - No statement runs for longer than its pool allows, and none waits for a lock for longer than
//!   [`LOCK_MILLISECONDS_MAX`]: Postgres ends it (`statement_timeout`, `lock_timeout`).
//! - A request that is abandoned gives its place back when its statement ends. Its connection, and one that is silent a
//!   second later, is closed, and another takes its place.

use crate::store::STORE_MILLISECONDS_MAX;
use futures::{FutureExt as _, future::BoxFuture};
use sqlx::{
    Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{ops::RangeInclusive, thread::available_parallelism, time::Duration};
use tokio::time::timeout;

/// How long a statement waits for a row or a table: half of the time that its client waits, so that the next statement on the
/// connection has time left.
const LOCK_MILLISECONDS_MAX: u64 = STORE_MILLISECONDS_MAX / 2;
/// How long a connection may be silent after its statement should have ended.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// A connection that was used within this time is taken without asking whether it is alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Four loads at a time for each of the usual two flushers.
const LOADS: u32 = 8;
/// Look-ups by key, each well under a millisecond.
const COMMANDS: u32 = 4;
/// Sign-ins spend their time with hashing, not here.
const ACCOUNTS: u32 = 2;
/// As many lists as two to four cores can make at a time, and some that wait for the disk.
const READS: u32 = 6;
/// Statements of shared searches at a time: one is read while Postgres is at work on the other.
pub(crate) const SEARCH_ROUNDS: u32 = 2;
/// Searches that ask for themselves at a time; the next wait for their connection. As many as this machine has cores, within
/// these: one may keep a core of Postgres's busy for as long as its client waits, and two let a short one pass a long one.
const SEARCHES: RangeInclusive<u32> = 2..=6;
/// Readiness asks one question after the other.
const READINESS: u32 = 1;
/// The sweep for overdue bookings, the bookings of deleted accounts, and the sampling of consumer lag.
const BACKGROUND: u32 = 2;

/// Longest cold load: at 100,000 events a second, a stream of 30 million.
const LOAD_MILLISECONDS_MAX: u64 = 5 * 60 * 1_000;
/// Longest background statement: a database that is slower has other worries.
const BACKGROUND_MILLISECONDS_MAX: u64 = 5_000;
/// How long a load waits for a connection.
const LOAD_ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// One plan for all values, as the golden file has it. Postgres would guess the cost of a round by the number of its searches,
/// and plan anew for every one that is smaller than its guess: that takes longer than the round.
const PLANNED_ONCE: &[(&str, &str)] = &[("plan_cache_mode", "force_generic_plan")];

/// What one kind of work may take.
struct Budget {
    connections: u32,
    /// How long a statement may run.
    statement_milliseconds: u64,
    /// How long work waits for a connection. What comes later would have no time left for its statement.
    acquire: Duration,
    settings: &'static [(&'static str, &'static str)],
}

impl Budget {
    /// Of requests, whose clients wait for [`STORE_MILLISECONDS_MAX`].
    const fn of_requests(connections: u32) -> Self {
        Self {
            connections,
            statement_milliseconds: STORE_MILLISECONDS_MAX,
            acquire: Duration::from_millis(STORE_MILLISECONDS_MAX / 2),
            settings: &[],
        }
    }

    fn open(&self, connect: &PgConnectOptions) -> PgPool {
        let statement = self.statement_milliseconds.to_string();
        let lock = LOCK_MILLISECONDS_MAX.to_string();
        let limits = [("statement_timeout", statement.as_str()), ("lock_timeout", lock.as_str())];
        let connect = connect.clone().options(limits).options(self.settings.iter().copied());
        let ended_within = Duration::from_millis(self.statement_milliseconds) + SILENCE_MAX;
        PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(self.acquire)
            .test_before_acquire(false)
            .before_acquire(|connection, used| {
                if used.idle_for < TRUSTED_FOR {
                    async { Ok(true) }.boxed()
                } else {
                    answers(connection, SILENCE_MAX)
                }
            })
            .after_release(move |connection, _| answers(connection, ended_within))
            .connect_lazy_with(connect)
    }
}

/// Whether a connection is usable, once what it was asked before has ended. An error closes it without waiting for Postgres.
fn answers(connection: &mut PgConnection, within: Duration) -> BoxFuture<'_, sqlx::Result<bool>> {
    let ping =
        async move { timeout(within, connection.ping()).await.map_err(|_| sqlx::Error::PoolTimedOut)? };
    ping.map(|answer| answer.map(|()| true)).boxed()
}

/// The pools of one process, by what they are for. Cheap to clone; none connects before it is used.
#[derive(Clone, Debug)]
pub struct Pools {
    /// Cold loads: an inventory comes into the writer's memory.
    pub loads: PgPool,
    /// What a command needs besides: how accounts stand, where a booking is, a booking's events, claims to flight numbers.
    pub commands: PgPool,
    /// Sign-up, sign-in, passwords and roles.
    pub accounts: PgPool,
    /// Lists, availability, the catalogue, and what admins set up.
    pub reads: PgPool,
    /// `/health/ready` alone.
    pub readiness: PgPool,
    /// What runs by itself, one statement at a time.
    pub background: PgPool,
    pub(crate) search_rounds: PgPool,
    pub(crate) searches: PgPool,
}

impl Pools {
    /// Most connections of all pools together.
    pub const CONNECTIONS_MAX: u32 =
        LOADS + COMMANDS + ACCOUNTS + READS + READINESS + BACKGROUND + SEARCH_ROUNDS + *SEARCHES.end();

    /// To the database of `connect`.
    #[must_use]
    pub fn new(connect: &PgConnectOptions) -> Self {
        let requests = |connections| Budget::of_requests(connections).open(connect);
        let searches =
            |connections| Budget { settings: PLANNED_ONCE, ..Budget::of_requests(connections) }.open(connect);
        let loads = Budget {
            connections: LOADS,
            statement_milliseconds: LOAD_MILLISECONDS_MAX,
            acquire: LOAD_ACQUIRE_MAX,
            settings: &[],
        };
        let background =
            Budget { statement_milliseconds: BACKGROUND_MILLISECONDS_MAX, ..Budget::of_requests(BACKGROUND) };
        Self {
            loads: loads.open(connect),
            commands: requests(COMMANDS),
            accounts: requests(ACCOUNTS),
            reads: requests(READS),
            readiness: requests(READINESS),
            background: background.open(connect),
            search_rounds: searches(SEARCH_ROUNDS),
            searches: searches(searches_at_once()),
        }
    }

    /// Closes all connections in good order, once they are not in use any more.
    pub async fn close(&self) {
        futures::future::join_all(self.all().map(PgPool::close)).await;
    }

    fn all(&self) -> [&PgPool; 8] {
        let Self { loads, commands, accounts, reads, readiness, background, search_rounds, searches } = self;
        [loads, commands, accounts, reads, readiness, background, search_rounds, searches]
    }
}

/// How many searches ask for themselves at a time.
fn searches_at_once() -> u32 {
    let cores = available_parallelism().map_or(1, usize::from);
    let (min, max) = SEARCHES.into_inner();
    u32::try_from(cores).unwrap_or(max).clamp(min, max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_testkit::{database, eventually};

    /// What the test waits for at most.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn no_pool_has_statements_or_lock_waits_without_an_end() {
        let db = database().await;
        for pool in Pools::new(&db.connect_options()).all() {
            for setting in ["statement_timeout", "lock_timeout"] {
                let set: String =
                    sqlx::query_scalar(&format!("SHOW {setting}")).fetch_one(pool).await.unwrap();
                assert_ne!(set, "0", "{setting}");
            }
        }
    }

    #[tokio::test]
    async fn the_readme_says_how_many_connections_a_process_may_have() {
        let pools = Pools::new(&"postgres://127.0.0.1:1/none".parse().unwrap());
        let open: u32 = pools.all().iter().map(|pool| pool.options().get_max_connections()).sum();
        assert!(open <= Pools::CONNECTIONS_MAX, "{open}");
        let said = format!("A process of `api` has at most {} connections", Pools::CONNECTIONS_MAX);
        assert!(include_str!("../../../README.md").contains(&said), "{said}");
    }

    /// Postgres ends the statement of a client that left, and the pool's one place is free for the next.
    #[tokio::test]
    async fn an_abandoned_statement_ends_and_its_place_is_free_again() {
        let db = database().await;
        let pool =
            Budget { statement_milliseconds: 300, ..Budget::of_requests(1) }.open(&db.connect_options());
        let sleep = sqlx::query("SELECT pg_sleep(3600)").execute(&pool);
        assert!(timeout(Duration::from_millis(50), sleep).await.is_err());
        eventually(PATIENCE, "the place is free, and the statement has ended", async || {
            let sql = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep%'";
            sqlx::query_scalar(sql).fetch_one(&pool).await.is_ok_and(|running: i64| running == 0)
        })
        .await;
    }

    /// Nothing comes back from Postgres, not even an end: the place is free for another connection.
    #[tokio::test]
    async fn a_connection_that_falls_silent_is_closed_and_replaced() {
        let db = database().await;
        let proxy = db.proxy();
        let pool =
            Budget { statement_milliseconds: 100, ..Budget::of_requests(1) }.open(&proxy.connect_options());
        let process = async || sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&pool).await;
        let first: i32 = process().await.unwrap();
        proxy.stall();
        assert!(timeout(Duration::from_millis(50), process()).await.is_err());
        eventually(PATIENCE, "the silent connection is closed", async || pool.size() == 0).await;
        proxy.pass();
        let second = process().await.unwrap();
        assert_ne!(first, second);
    }
}
