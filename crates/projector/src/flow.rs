//! How far everybody is who follows the log: in positions, in events, in seconds.
//!
//! Shape: the catalog is asked which followers are there, and one statement then reads the log's heads, all positions and,
//! for each place where somebody waits, the time of the next event. It sees one moment, so nobody seems ahead because he
//! was looked at later. Cost: a row of each partition and follower, and one look-up by key where there is lag.
//!
//! A follower is a schema with a table `checkpoints` (every read model; whoever else keeps positions that way), or the
//! topic, of which the relays tell (`topic_positions`) about once a second.
//!
//! Not here: what a projector of this process is doing just now ([`crate::ProjectorStatus`]).

mod gauges;
mod seen;

pub use gauges::{describe_flow, sample_flow};
pub use seen::{BEHIND_SECONDS, Follower, FollowerState, Seen, Standing};

use crate::{parked::streams_sql, projection::schema_of};
use holdfast_domain::Timestamp;
use sqlx::{FromRow, PgPool};
use std::time::Duration;
use tokio::time::timeout;

/// The topic's name among the followers.
pub const TOPIC: &str = "topic";

/// How long a look may take: a database that is slower than this has other worries.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// Which of these schemas sets streams aside.
const PARKING: &str = "SELECT table_schema::text FROM information_schema.tables
    WHERE table_schema = ANY ($1) AND table_name = 'parked'";

/// Which of these schemas has checkpoints.
const THERE: &str = "SELECT table_schema::text FROM information_schema.columns
    WHERE table_schema = ANY ($1) AND table_name = 'checkpoints' AND column_name IN ('log_partition', 'position')
    GROUP BY table_schema HAVING count(*) = 2";

/// The followers of one log.
#[derive(Clone, Debug)]
pub struct Flow {
    pool: PgPool,
    followers: Vec<&'static str>,
}

/// One follower in one partition.
#[derive(FromRow)]
struct Row {
    follower: String,
    log_partition: i16,
    head: i64,
    /// Whether it has begun with any partition.
    there: bool,
    position: i64,
    /// When the first event after it was recorded; none: there is none.
    waiting_since: Option<Timestamp>,
    told_at: Option<Timestamp>,
}

impl Flow {
    /// Of the log in `pool`'s database. A follower is named like its read model, or is [`TOPIC`].
    #[must_use]
    pub fn new(pool: &PgPool, followers: impl IntoIterator<Item = &'static str>) -> Self {
        Self { pool: pool.clone(), followers: followers.into_iter().collect() }
    }

    /// How far each of them is, as Postgres has it. `now` is what the ages of waiting events are taken from.
    ///
    /// # Errors
    /// Whatever Postgres says; `PoolTimedOut` if it says nothing for two seconds.
    pub async fn look(&self, now: Timestamp) -> Result<Seen, sqlx::Error> {
        self.look_at(now, None).await
    }

    /// The same, with the topic's positions read from the topic itself (before, or it may seem ahead of the log).
    ///
    /// # Errors
    /// As [`Flow::look`].
    pub async fn look_with_topic(&self, now: Timestamp, topic: &[i64]) -> Result<Seen, sqlx::Error> {
        self.look_at(now, Some(topic)).await
    }

    async fn look_at(&self, now: Timestamp, topic: Option<&[i64]>) -> Result<Seen, sqlx::Error> {
        let rows = timeout(LOOK_MAX, self.rows(topic)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        let mut seen = Seen::nobody(&self.followers);
        for row in rows {
            seen.take(row, now);
        }
        // Positions are worth telling without it.
        let parked = timeout(LOOK_MAX, self.parked()).await;
        for (name, streams) in parked.ok().and_then(Result::ok).unwrap_or_default() {
            seen.take_parked(&name, streams);
        }
        Ok(seen)
    }

    /// How many streams each of them has set aside, of those that have.
    async fn parked(&self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        let there = self.having(PARKING).await?;
        let counts = there
            .iter()
            .map(|name| format!("SELECT '{name}', count(*) FROM ({}) s", streams_sql(&schema_of(name))));
        let counts = counts.collect::<Vec<_>>().join(" UNION ALL ");
        if counts.is_empty() { Ok(vec![]) } else { sqlx::query_as(&counts).fetch_all(&self.pool).await }
    }

    /// The followers whose schema a question to the catalog finds.
    async fn having(&self, sql: &str) -> Result<Vec<&'static str>, sqlx::Error> {
        let schemas: Vec<_> = self.followers.iter().map(|name| schema_of(name)).collect();
        let there: Vec<String> = sqlx::query_scalar(sql).bind(schemas).fetch_all(&self.pool).await?;
        Ok(self.followers.iter().copied().filter(|name| there.contains(&schema_of(name))).collect())
    }

    async fn rows(&self, topic: Option<&[i64]>) -> Result<Vec<Row>, sqlx::Error> {
        let there = self.having(THERE).await?;
        sqlx::query_as(&statement(&there))
            .bind(&self.followers)
            .bind(topic.is_some())
            .bind(topic.unwrap_or_default())
            .fetch_all(&self.pool)
            .await
    }
}

/// The one statement, for those that are there. The names are our own; nobody's input comes here.
fn statement(there: &[&str]) -> String {
    let checkpoints = there.iter().map(|name| {
        // Whoever has several rows of a partition is as far as the last of them.
        format!(
            "UNION ALL SELECT '{name}', log_partition, min(position), NULL FROM {}.checkpoints GROUP BY log_partition",
            schema_of(name)
        )
    });
    format!(
        "WITH told (follower, log_partition, position, told_at) AS (
             SELECT '{TOPIC}', log_partition, position, told_at FROM topic_positions WHERE NOT $2
             UNION ALL
             SELECT '{TOPIC}', (nth - 1)::smallint, position, NULL
             FROM unnest($3::bigint[]) WITH ORDINALITY AS given (position, nth) WHERE $2
             {}),
         followed AS (
             SELECT follower, h.log_partition, h.position AS head, coalesce(t.position, 0) AS position, told_at,
                    bool_or(t.position IS NOT NULL) OVER (PARTITION BY follower) AS there
             FROM log_heads h CROSS JOIN unnest($1::text[]) AS follower
             LEFT JOIN told t USING (follower, log_partition))
         SELECT f.*, CASE WHEN f.there AND f.position < f.head THEN (
                    SELECT recorded_at FROM events e
                    WHERE e.log_partition = f.log_partition AND e.position = f.position + 1
                ) END AS waiting_since
         FROM followed f ORDER BY follower, log_partition",
        checkpoints.collect::<Vec<_>>().join(" ")
    )
}
