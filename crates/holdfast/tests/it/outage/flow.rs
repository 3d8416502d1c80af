//! The processes between the log and the read models: started, killed while they are at work, waited for.

use crate::booked::chance;
use crate::server::Place;
use holdfast_broker::Broker;
use holdfast_testkit::eventually;
use sqlx::PgPool;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

/// How long a process that is at work lives at most until it is killed.
const ALIVE_MILLISECONDS_MAX: u64 = 1_000;
/// How long anything may take to go on: a JVM starts, a group settles, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// The way from the log to the read models.
pub(super) struct Flow {
    pub(super) place: Arc<Place>,
    pub(super) broker: Broker,
    pub(super) pool: PgPool,
}

/// A process of it.
#[derive(Clone, Copy)]
pub(super) enum Role {
    Relay,
    Projector(&'static str),
}

impl Flow {
    pub(super) fn start(&self, role: Role) -> Child {
        let brokers = self.broker.bootstrap();
        match role {
            Role::Relay => self.place.role(&["relay"], &brokers),
            Role::Projector(name) => self.place.role(&["project", name, "--source", "kafka"], &brokers),
        }
    }

    /// Kills it so often, each time at a random moment while it is at work, and starts it again.
    pub(super) async fn kill(&self, role: Role, mut process: Child, times: u32) -> Child {
        for _ in 0..times {
            self.at_work(role).await;
            sleep(Duration::from_millis(chance(ALIVE_MILLISECONDS_MAX))).await;
            assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
            process.kill().await.unwrap();
            process = self.start(role);
        }
        self.at_work(role).await;
        process
    }

    /// The relay has all partitions for itself, so the one before it is given up; a projector applies events.
    pub(super) async fn at_work(&self, role: Role) {
        match role {
            Role::Relay => {
                let sql = "SELECT (SELECT count(*) FROM relays) = 1
                           AND (SELECT count(*) FROM relay_partitions) = (SELECT count(*) FROM log_heads)";
                eventually(PATIENCE, "the relay has all partitions", async || {
                    sqlx::query_scalar::<_, bool>(sql).fetch_one(&self.pool).await.unwrap()
                })
                .await;
            }
            Role::Projector(name) => {
                let before = self.folded(name).await;
                eventually(PATIENCE, "the projector applies events", async || {
                    self.folded(name).await > before
                })
                .await;
            }
        }
    }

    /// Events that a read model has; none before its projector has run.
    async fn folded(&self, name: &str) -> i64 {
        let schema = name.replace('-', "_");
        let sql = format!("SELECT coalesce(sum(position), 0)::bigint FROM {schema}.checkpoints");
        sqlx::query_scalar(&sql).fetch_one(&self.pool).await.unwrap_or(0)
    }

    /// Waits until both read models have what the log has now. Returns how long that took.
    pub(super) async fn drained(&self) -> Duration {
        let began = Instant::now();
        let heads: Vec<(i16, i64)> = sqlx::query_as("SELECT log_partition, position FROM log_heads")
            .fetch_all(&self.pool)
            .await
            .unwrap();
        let (partitions, positions): (Vec<_>, Vec<_>) = heads.into_iter().unzip();
        let sql =
            "SELECT count(*) = 0 FROM unnest($1::smallint[], $2::bigint[]) head (log_partition, position)
                   LEFT JOIN availability.checkpoints a USING (log_partition)
                   LEFT JOIN booking_history.checkpoints h USING (log_partition)
                   WHERE coalesce(least(a.position, h.position), 0) < head.position";
        eventually(PATIENCE, "the read models have what the log has", async || {
            let query = sqlx::query_scalar::<_, bool>(sql).bind(&partitions).bind(&positions);
            query.fetch_one(&self.pool).await.is_ok_and(|drained| drained)
        })
        .await;
        began.elapsed()
    }

    /// Watches, for as long as it is polled, how long no read model moves, and keeps the longest in `longest`.
    pub(super) async fn watch(&self, longest: &Cell<Duration>) {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let now = self.folded("availability").await + self.folded("booking-history").await;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            longest.set(longest.get().max(since.elapsed()));
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn restart_broker(&self, times: u32) {
        for _ in 0..times {
            self.at_work(Role::Projector("availability")).await;
            self.broker.kill_node(1).await.unwrap();
            self.broker.start_node(1).await.unwrap();
        }
    }
}
