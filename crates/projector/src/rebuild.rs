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
    Difference, Failure, Projection, RebuildError,
    build::{Build, Goal},
    model, parked,
};
use sqlx::{PgConnection, PgPool};
use std::time::Duration;
use tokio::time::Instant;

/// How long a verification waits for another of the same read model: beside a person's there may be a clock's. A second
/// rebuild is refused at once instead, because the first one does what it was asked for.
const VERIFY_PATIENCE: Duration = Duration::from_secs(600);

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
    /// Streams that the new one has set aside, because one of their events cannot be applied.
    pub parked_streams: i64,
    /// Whether it has set aside more of them than the live one: then rows are missing that nothing was compared with.
    pub parks_more: bool,
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
/// nor if more streams are set aside, unless `accept_difference`. Works with the live projector running, stopped or behind, and without a
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
    let mut build = Build::<P, _>::begin(pool, "next", Duration::ZERO, progress).await?;
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
    let mut build = Build::<P, _>::begin(pool, "verify", VERIFY_PATIENCE, progress).await?;
    let verified = build.verify().await;
    let ended = build.end(false).await;
    verified.and_then(|verified| ended.map(|()| verified))
}

async fn parked_streams_in(conn: &mut PgConnection, schema: &str) -> Result<i64, RebuildError> {
    let streams = parked::streams_in(conn, schema).await;
    streams.map_err(|source| RebuildError::Database { doing: "counting what is set aside", source })
}

impl<P: Projection, F: FnMut(Progress) + Send> Build<P, F> {
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
        let schema = self.schema().to_owned();
        let conn = self.conn().await?;
        let before = if compared { parked_streams_in(conn, &P::schema()).await? } else { 0 };
        let parked_streams = parked_streams_in(conn, &schema).await?;
        let parks_more = parked_streams > before;
        let switched = (differences.is_empty() && !parks_more) || accept_difference;
        if switched {
            self.approach(Goal::Heads).await?;
            self.switch().await?;
        }
        let events = self.done();
        let seconds = began.elapsed().as_secs_f64();
        Ok(Rebuilt {
            events,
            build_seconds,
            seconds,
            rows,
            compared,
            differences,
            parked_streams,
            parks_more,
            switched,
        })
    }

    async fn verify(&mut self) -> Result<Verified, RebuildError> {
        if model::live::<P>(self.conn().await?).await?.is_none() {
            return Err(RebuildError::NotThere { name: P::NAME });
        }
        self.approach(Goal::Live).await?;
        self.analyze().await?;
        let (rows, differences) = self.compare().await?;
        let events = self.done();
        Ok(Verified { events, rows, differences })
    }
}
