//! The read models by name: the one list that `up`, `project`, `rebuild` and `verify` share.

use crate::config::{Follower, Model};
use crate::progress;
use futures::FutureExt as _;
use holdfast_availability::Availability;
use holdfast_booking_history::BookingHistory;
use holdfast_event_log::LogPosition;
use holdfast_notifier::Notices;
use holdfast_projector::{
    Difference, Failure, Freed, ParkedError, Positions, Progress, Projection, Projector, ProjectorStatus,
    Rebuilt, Source, TOPIC, rebuild, retry, skip, stand_by, verify_model,
};
use indicatif::ProgressBar;
use sqlx::PgPool;
use std::pin::Pin;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// All of them.
pub(crate) const MODELS: [Model; 2] = [Model::Availability, Model::BookingHistory];

/// Everybody who may set streams of the log aside.
pub(crate) const PARKING: [Follower; 3] =
    [Follower::Availability, Follower::BookingHistory, Follower::Notifier];

/// The consumer group of a read model: projectors of one name share the topic's partitions.
pub(crate) fn group_of(name: &str) -> String {
    format!("holdfast.project.{name}")
}
/// Everybody who follows the log, as operators see them.
pub(crate) const FOLLOWERS: [&str; 4] = [TOPIC, Availability::NAME, BookingHistory::NAME, Notices::NAME];

/// A comparison of a read model with a fold of its own.
pub(crate) struct Checked {
    pub(crate) events: i64,
    pub(crate) rows: i64,
    pub(crate) differences: Vec<Difference>,
}

/// A projector that is ready to run, whatever its read model.
pub(crate) struct Ready {
    pub(crate) status: watch::Receiver<ProjectorStatus>,
    run: Run,
}

type Run = Box<dyn FnOnce(Option<watch::Receiver<u64>>, CancellationToken, WhenStopped) -> Running + Send>;
type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// What a projector does when something stops it that does not go away by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WhenStopped {
    /// End with the failure: the process ends with it, and whoever watches over it knows.
    End,
    /// Say so and look again from time to time: the process has other work.
    LookAgain,
}

impl Ready {
    fn of<P: Projection>(pool: &PgPool, source: impl Source, positions: Positions) -> Self {
        let projector = Projector::<P, _>::new(pool, source, positions);
        let status = projector.status();
        let run = move |wake, shutdown, when_stopped| -> Running {
            match when_stopped {
                WhenStopped::End => Box::pin(projector.run(wake, shutdown)),
                WhenStopped::LookAgain => Box::pin(projector.keep_running(wake, shutdown).map(Ok)),
            }
        };
        Self { status, run: Box::new(run) }
    }

    /// Runs until `shutdown`; `wake` changes when this process committed something.
    pub(crate) fn run(
        self,
        wake: Option<watch::Receiver<u64>>,
        shutdown: CancellationToken,
        when_stopped: WhenStopped,
    ) -> Running {
        (self.run)(wake, shutdown, when_stopped)
    }
}

impl Model {
    /// The name in commands, tables and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Availability => Availability::NAME,
            Self::BookingHistory => BookingHistory::NAME,
        }
    }

    /// How far the stored read model is; shared by the projector and those who wait for it.
    pub(crate) fn positions(self, pool: &PgPool) -> Positions {
        match self {
            Self::Availability => Positions::of::<Availability>(pool),
            Self::BookingHistory => Positions::of::<BookingHistory>(pool),
        }
    }

    /// Makes the read model where it is missing, so that whoever comes after the ready line finds it. What is wrong with one
    /// that is there, its projector says.
    pub(crate) async fn stand_by(self, pool: &PgPool) -> anyhow::Result<()> {
        let mut connection = pool.acquire().await?;
        Ok(match self {
            Self::Availability => stand_by::<Availability>(&mut connection).await,
            Self::BookingHistory => stand_by::<BookingHistory>(&mut connection).await,
        }?)
    }

    pub(crate) fn projector(self, pool: &PgPool, source: impl Source, positions: Positions) -> Ready {
        match self {
            Self::Availability => Ready::of::<Availability>(pool, source, positions),
            Self::BookingHistory => Ready::of::<BookingHistory>(pool, source, positions),
        }
    }

    pub(crate) async fn rebuild(self, pool: &PgPool, accept_difference: bool) -> anyhow::Result<Rebuilt> {
        let bar = progress::bar(0, self.name());
        let rebuilt = match self {
            Self::Availability => rebuild::<Availability>(pool, accept_difference, show(&bar)).await,
            Self::BookingHistory => rebuild::<BookingHistory>(pool, accept_difference, show(&bar)).await,
        };
        bar.finish_and_clear();
        Ok(rebuilt?)
    }

    pub(crate) async fn verify(self, pool: &PgPool) -> anyhow::Result<Checked> {
        let bar = progress::bar(0, self.name());
        let verified = match self {
            Self::Availability => verify_model::<Availability>(pool, show(&bar)).await,
            Self::BookingHistory => verify_model::<BookingHistory>(pool, show(&bar)).await,
        };
        bar.finish_and_clear();
        let verified = verified?;
        Ok(Checked { events: verified.events, rows: verified.rows, differences: verified.differences })
    }
}

/// What differs in a table of a read model, for an operator.
pub(crate) fn in_words(name: &str, difference: &Difference) -> String {
    let Difference { table, only_live, only_fresh, changed, examples } = difference;
    format!(
        "{name}.{table}: {changed} rows differ, {only_live} are not in the log, {only_fresh} are missing; such as {}",
        examples.join(", ")
    )
}

impl Follower {
    /// The name in commands, tables and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Availability => Availability::NAME,
            Self::BookingHistory => BookingHistory::NAME,
            Self::Notifier => Notices::NAME,
        }
    }

    /// Applies what is parked.
    pub(crate) async fn retry(self, pool: &PgPool, stream: Option<&str>) -> Result<Freed, ParkedError> {
        match self {
            Self::Availability => retry::<Availability>(pool, stream).await,
            Self::BookingHistory => retry::<BookingHistory>(pool, stream).await,
            Self::Notifier => retry::<Notices>(pool, stream).await,
        }
    }

    /// Leaves a parked event out for good.
    pub(crate) async fn skip(
        self,
        pool: &PgPool,
        at: LogPosition,
        reason: &str,
    ) -> Result<Freed, ParkedError> {
        match self {
            Self::Availability => skip::<Availability>(pool, at, reason).await,
            Self::BookingHistory => skip::<BookingHistory>(pool, at, reason).await,
            Self::Notifier => skip::<Notices>(pool, at, reason).await,
        }
    }
}

fn show(bar: &ProgressBar) -> impl FnMut(Progress) + Send + use<> {
    let bar = bar.clone();
    move |progress| {
        bar.set_length(progress.total.try_into().unwrap_or(0));
        bar.set_position(progress.done.try_into().unwrap_or(0));
    }
}
