//! A read model that is being built in a schema of its own: the steps of a rebuild and of a verification.

use crate::{
    Difference, LogSource, Progress, Projection, RebuildError,
    batch::{Checkpoints, events_between},
    feed::Feed,
    link::{Link, Role},
    model,
    parity::compare,
    switch,
};
use sqlx::{Connection, Either, Executor, PgConnection, PgPool, postgres::PgAdvisoryLock};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Events per statement while building: cost per statement no longer shows, memory is a few MiB.
const BATCH_EVENTS_MAX: usize = 5_000;

/// Rounds of catching up with a moving goal. Each is shorter than the one before as long as building is
/// faster than the writer; if it is not, the last step takes the rest at once.
const ROUNDS_MAX: usize = 20;

/// A distance that one batch covers is near enough.
const NEAR_EVENTS: i64 = BATCH_EVENTS_MAX as i64;

/// How often one that waits for another builder looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where a build is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Where the live read model is.
    Live,
    /// The end of the log.
    Heads,
}

/// The schema, and what fills it.
pub(crate) struct Build<P, F> {
    link: Link,
    feed: Feed<P, LogSource>,
    live: String,
    schema: String,
    progress: F,
}

impl<P: Projection, F: FnMut(Progress) + Send> Build<P, F> {
    /// Makes the schema anew. The session's advisory lock keeps a second builder out until we end; one that comes
    /// while another builds waits for `patience`.
    pub(crate) async fn begin(
        pool: &PgPool,
        suffix: &str,
        patience: Duration,
        progress: F,
    ) -> Result<Self, RebuildError> {
        let live = P::schema();
        let schema = format!("{live}_{suffix}");
        let mut link = Link::new(pool, Role::Builder);
        let conn = link.connection().await.map_err(sql("connecting"))?;
        let lock = PgAdvisoryLock::new(format!("holdfast build of {schema}"));
        let until = Instant::now() + patience;
        loop {
            match lock.try_acquire(&mut *conn).await.map_err(sql("taking the builder's lock"))? {
                // The lock lives as long as the connection, which is ours alone.
                Either::Left(guard) => {
                    guard.leak();
                    break;
                }
                Either::Right(_) if Instant::now() < until => sleep(LOOK_EVERY).await,
                Either::Right(_) => return Err(RebuildError::Busy { schema }),
            }
        }
        drop_schema(conn, &schema).await.map_err(sql("dropping what an earlier build left"))?;
        let mut tx = conn.begin().await.map_err(sql("making the tables"))?;
        model::create::<P>(&mut tx, &schema).await.map_err(sql("making the tables"))?;
        tx.commit().await.map_err(sql("making the tables"))?;
        let mut feed = Feed::new(LogSource::new(pool), &schema);
        feed.start(conn).await.map_err(sql("reading the checkpoints"))?;
        Ok(Self { link, feed, live, schema, progress })
    }

    /// The one connection, which also holds the lock: if it is lost, the build is.
    pub(crate) async fn conn(&mut self) -> Result<&mut PgConnection, RebuildError> {
        self.link.connection().await.map_err(sql("connecting"))
    }

    /// The schema it is built in.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// Follows a moving goal until it is near.
    pub(crate) async fn approach(&mut self, goal: Goal) -> Result<(), RebuildError> {
        for _ in 0..ROUNDS_MAX {
            let Self { link, feed, live, progress, .. } = self;
            let conn = link.connection().await.map_err(sql("connecting"))?;
            let until = match goal {
                Goal::Live => {
                    model::checkpoints(&mut *conn, live).await.map_err(sql("reading the checkpoints"))?
                }
                Goal::Heads => heads(conn).await?,
            };
            let (total, distance) = (until.iter().sum(), events_between(feed.checkpoints(), &until));
            let tell = |at: &[i64]| progress(Progress { done: at.iter().sum(), total });
            feed.run_to(conn, BATCH_EVENTS_MAX, &until, tell).await?;
            if distance <= NEAR_EVENTS {
                break;
            }
        }
        Ok(())
    }

    pub(crate) async fn index(&mut self) -> Result<(), RebuildError> {
        let indexes = P::indexes_sql(&self.schema);
        self.conn().await?.execute(indexes.as_str()).await.map_err(sql("making the indexes"))?;
        self.analyze().await
    }

    /// Nothing is known of these tables yet, and queries will be planned the moment they are live.
    pub(crate) async fn analyze(&mut self) -> Result<(), RebuildError> {
        let tables: Vec<_> = P::TABLES.iter().map(|t| format!("{}.{}", self.schema, t.name)).collect();
        let analyze = format!("ANALYZE {}", tables.join(", "));
        self.conn().await?.execute(analyze.as_str()).await.map(|_| ()).map_err(sql("gathering statistics"))
    }

    /// Applies the rest up to exactly the live positions and compares. Returns rows and differences.
    pub(crate) async fn compare(&mut self) -> Result<(i64, Vec<Difference>), RebuildError> {
        let Self { link, feed, live, schema, .. } = self;
        let doing = sql("comparing with the live read model");
        let conn = link.connection().await.map_err(sql("connecting"))?;
        let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map_err(doing)?;
        // The first statement fixes the moment that all others see, but for what this transaction writes.
        let until = model::checkpoints(&mut *tx, live).await.map_err(doing)?;
        if events_between(&until, feed.checkpoints()) > 0 {
            return Err(RebuildError::LiveWentBack { name: P::NAME });
        }
        feed.run_to_in_tx(&mut tx, BATCH_EVENTS_MAX, &until).await?;
        // Whole tables are compared: what is right for keyed access is wrong here.
        (&mut *tx)
            .execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on")
            .await
            .map_err(doing)?;
        let (mut rows, mut differences) = (0, vec![]);
        for table in P::TABLES {
            let compared = compare(&mut tx, live, schema, table).await.map_err(doing)?;
            rows += compared.rows;
            differences.extend(compared.difference);
        }
        tx.commit().await.map_err(doing)?;
        Ok((rows, differences))
    }

    /// Puts this read model in the place of the live one.
    pub(crate) async fn switch(&mut self) -> Result<(), RebuildError> {
        let Self { link, feed, .. } = self;
        let conn = link.connection().await.map_err(sql("connecting"))?;
        switch::switch(conn, feed, BATCH_EVENTS_MAX).await
    }

    /// Says that everything is applied, and returns how many events that were.
    pub(crate) fn done(&mut self) -> i64 {
        let done = self.feed.checkpoints().iter().sum();
        (self.progress)(Progress { done, total: done });
        done
    }

    /// Drops what is not needed any more, the build or the read model it replaced, and lets the next
    /// builder in (closing the connection would too, but at a time of the server's choice).
    pub(crate) async fn end(mut self, switched: bool) -> Result<(), RebuildError> {
        let useless = if switched { switch::replaced(&self.live) } else { self.schema.clone() };
        let doing = sql("dropping the schema not needed any more");
        let conn = self.conn().await?;
        drop_schema(conn, &useless).await.map_err(doing)?;
        conn.execute("SELECT pg_advisory_unlock_all()").await.map(|_| ()).map_err(doing)
    }
}

async fn heads(conn: &mut PgConnection) -> Result<Checkpoints, RebuildError> {
    let heads = holdfast_event_log::heads(conn).await.map_err(sql("reading the log's heads"))?;
    Ok(heads.into_iter().map(|head| head.position).collect())
}

pub(crate) async fn drop_schema(conn: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    conn.execute(format!("DROP SCHEMA IF EXISTS {schema} CASCADE").as_str()).await.map(|_| ())
}

/// Adds what we were doing to what Postgres said.
pub(crate) fn sql(doing: &'static str) -> impl Fn(sqlx::Error) -> RebuildError + Copy {
    move |source| RebuildError::Database { doing, source }
}
