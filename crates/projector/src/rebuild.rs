//! Builds a read model beside the live one, compares the two, and puts the new one in its place.
//!
//! Shape
//! 1. Tables without secondary indexes, fed from position 0 with large batches until the live read model's
//!    positions are almost reached; then indexes and statistics. (Not unlogged: for 500,000 bookings that
//!    saves half a second, and `SET LOGGED` then takes 1.7.)
//! 2. Comparison in one transaction that sees one moment (repeatable read): it reads the live checkpoints,
//!    applies the rest up to exactly these, and compares every row. The live projector goes on meanwhile.
//! 3. Up to the heads of the log, then the switch (`switch`), which holds the live projector for one batch.
//!
//! Correctness: at equal positions both must be equal, because both are the same fold of the same events.
//! After the comparison the new one goes on alone, by the code that just gave equal rows.
//! Verifying is steps 1 and 2, and then the build is dropped.

use crate::{
    Difference, Failure, LogSource, Projection, RebuildError,
    batch::{Checkpoints, events_between},
    feed::Feed,
    link::{Link, Role},
    model,
    parity::compare,
    switch,
};
use sqlx::{Connection, Executor, PgConnection, PgPool, postgres::PgAdvisoryLock};
use tokio::time::Instant;

/// Events per statement while building: cost per statement no longer shows, memory is a few MiB.
const BATCH_EVENTS_MAX: usize = 5_000;

/// Rounds of catching up with a moving goal. Each is shorter than the one before as long as building is
/// faster than the writer; if it is not, the last step takes the rest at once.
const ROUNDS_MAX: usize = 20;

/// A distance that one batch covers is near enough.
const NEAR_EVENTS: i64 = BATCH_EVENTS_MAX as i64;

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Events applied.
    pub done: i64,
    /// Events of the log, or of the live read model where it is only verified; it may grow.
    pub total: i64,
}

/// The end of a rebuild.
#[must_use = "a rebuild that found a difference may not have switched"]
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// Events that were folded.
    pub events: i64,
    /// How long folding took, indexes included, comparison and switch not.
    pub build_seconds: f64,
    /// All of it.
    pub seconds: f64,
    /// Rows of all tables when they were compared; 0 if there was nothing to compare with.
    pub rows: i64,
    /// Whether there was a live read model to compare with.
    pub compared: bool,
    /// What differed from the live read model.
    pub differences: Vec<Difference>,
    /// Whether the new one is live now.
    pub switched: bool,
}

/// The end of a verification.
#[must_use = "it may have found differences"]
#[derive(Clone, Debug)]
pub struct Verified {
    /// Events that were folded: all that the live read model has applied.
    pub events: i64,
    /// Rows of all tables.
    pub rows: i64,
    /// What differs between the live read model and the log.
    pub differences: Vec<Difference>,
}

/// Rebuilds a read model. If its rows differ from the live one's at equal positions it is not switched,
/// unless `accept_difference`. Works with the live projector running, stopped or behind, and without a
/// live read model.
///
/// # Errors
/// The live read model is as it was; a half-built one is dropped by the next attempt.
pub async fn rebuild<P: Projection>(
    pool: &PgPool,
    accept_difference: bool,
    progress: impl FnMut(Progress) + Send,
) -> Result<Rebuilt, RebuildError> {
    let began = Instant::now();
    let mut build = Build::<P, _>::begin(pool, "next", progress).await?;
    let rebuilt = build.rebuild(accept_difference, began).await;
    let switched = rebuilt.as_ref().is_ok_and(|rebuilt| rebuilt.switched);
    let ended = build.end(switched).await;
    rebuilt.and_then(|rebuilt| ended.map(|()| rebuilt))
}

/// Folds the log up to the live read model's positions, beside it, and compares every row.
///
/// # Errors
/// Also if there is no live read model of this log and this build.
pub async fn verify_model<P: Projection>(
    pool: &PgPool,
    progress: impl FnMut(Progress) + Send,
) -> Result<Verified, RebuildError> {
    let mut build = Build::<P, _>::begin(pool, "verify", progress).await?;
    let verified = build.verify().await;
    let ended = build.end(false).await;
    verified.and_then(|verified| ended.map(|()| verified))
}

/// Where a build is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Where the live read model is.
    Live,
    /// The end of the log.
    Heads,
}

/// A read model that is being built in a schema of its own.
struct Build<P, F> {
    link: Link,
    feed: Feed<P, LogSource>,
    live: String,
    schema: String,
    progress: F,
}

impl<P: Projection, F: FnMut(Progress) + Send> Build<P, F> {
    /// Makes the schema anew. The session's advisory lock keeps a second builder out until we end.
    async fn begin(pool: &PgPool, suffix: &str, progress: F) -> Result<Self, RebuildError> {
        let live = P::schema();
        let schema = format!("{live}_{suffix}");
        let mut link = Link::new(pool, Role::Builder);
        let conn = link.connection().await.map_err(sql("connecting"))?;
        let lock = PgAdvisoryLock::new(format!("holdfast build of {schema}"));
        match lock.try_acquire(&mut *conn).await.map_err(sql("taking the builder's lock"))? {
            // The lock lives as long as the connection, which is ours alone.
            sqlx::Either::Left(guard) => _ = guard.leak(),
            sqlx::Either::Right(_) => return Err(RebuildError::Busy { schema }),
        }
        drop_schema(conn, &schema).await.map_err(sql("dropping what an earlier build left"))?;
        let mut tx = conn.begin().await.map_err(sql("making the tables"))?;
        model::create::<P>(&mut tx, &schema).await.map_err(sql("making the tables"))?;
        tx.commit().await.map_err(sql("making the tables"))?;
        let mut feed = Feed::new(LogSource::new(pool), &schema);
        feed.start_at(model::checkpoints(conn, &schema).await.map_err(sql("reading the checkpoints"))?);
        Ok(Self { link, feed, live, schema, progress })
    }

    async fn conn(&mut self) -> Result<&mut PgConnection, RebuildError> {
        self.link.connection().await.map_err(sql("connecting"))
    }

    async fn rebuild(&mut self, accept_difference: bool, began: Instant) -> Result<Rebuilt, RebuildError> {
        let compared = match model::live::<P>(self.conn().await?).await {
            Ok(live) => live.is_some(),
            // Whatever is wrong with it, this is the way to repair it.
            Err(Failure::OtherLog { .. } | Failure::OtherTables { .. } | Failure::AheadOfLog { .. }) => false,
            Err(failure) => return Err(failure.into()),
        };
        let goal = if compared { Goal::Live } else { Goal::Heads };
        self.approach(goal).await?;
        self.index().await?;
        self.approach(goal).await?;
        let build_seconds = began.elapsed().as_secs_f64();
        let (rows, differences) = if compared { self.compare().await? } else { (0, vec![]) };
        let switched = differences.is_empty() || accept_difference;
        if switched {
            self.approach(Goal::Heads).await?;
            let Self { link, feed, .. } = self;
            let conn = link.connection().await.map_err(sql("connecting"))?;
            switch::switch(conn, feed, BATCH_EVENTS_MAX).await?;
        }
        let events = self.feed.checkpoints().iter().sum();
        (self.progress)(Progress { done: events, total: events });
        let seconds = began.elapsed().as_secs_f64();
        Ok(Rebuilt { events, build_seconds, seconds, rows, compared, differences, switched })
    }

    async fn verify(&mut self) -> Result<Verified, RebuildError> {
        if model::live::<P>(self.conn().await?).await?.is_none() {
            return Err(RebuildError::NotThere { name: P::NAME });
        }
        self.approach(Goal::Live).await?;
        self.analyze().await?;
        let (rows, differences) = self.compare().await?;
        let events = self.feed.checkpoints().iter().sum();
        (self.progress)(Progress { done: events, total: events });
        Ok(Verified { events, rows, differences })
    }

    /// Follows a moving goal until it is near.
    async fn approach(&mut self, goal: Goal) -> Result<(), RebuildError> {
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

    async fn index(&mut self) -> Result<(), RebuildError> {
        let indexes = P::indexes_sql(&self.schema);
        self.conn().await?.execute(indexes.as_str()).await.map_err(sql("making the indexes"))?;
        self.analyze().await
    }

    /// Nothing is known of these tables yet, and queries will be planned the moment they are live.
    async fn analyze(&mut self) -> Result<(), RebuildError> {
        let tables: Vec<_> = P::TABLES.iter().map(|t| format!("{}.{}", self.schema, t.name)).collect();
        let analyze = format!("ANALYZE {}", tables.join(", "));
        self.conn().await?.execute(analyze.as_str()).await.map(|_| ()).map_err(sql("gathering statistics"))
    }

    /// Applies the rest up to exactly the live positions and compares. Returns rows and differences.
    async fn compare(&mut self) -> Result<(i64, Vec<Difference>), RebuildError> {
        let Self { link, feed, live, schema, .. } = self;
        let doing = sql("comparing with the live read model");
        let conn = link.connection().await.map_err(sql("connecting"))?;
        let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await.map_err(doing)?;
        // The first statement fixes the moment that all others see, but for what this transaction writes.
        let until = model::checkpoints(&mut *tx, live).await.map_err(doing)?;
        if events_between(&until, feed.checkpoints()) > 0 {
            return Err(RebuildError::LiveWentBack { name: P::NAME });
        }
        feed.run_to(&mut tx, BATCH_EVENTS_MAX, &until, |_| ()).await?;
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

    /// Drops what is not needed any more, the build or the read model it replaced, and lets the next
    /// builder in (closing the connection would too, but at a time of the server's choice).
    async fn end(mut self, switched: bool) -> Result<(), RebuildError> {
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
