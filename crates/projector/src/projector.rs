//! The live loop: waits for a commit, a tick or shutdown, applies what has gathered, says how far it is.
//!
//! Whatever wakes it, it also polls: a lost signal costs latency, not correctness. An answer of the database
//! that fails makes it begin anew from the stored checkpoints, which is also how it starts.

use crate::{
    Failure, Positions, Projection, ProjectorStatus, Source, State,
    batch::events_between,
    feed::{Fed, Feed},
    link::{Link, Role},
    model,
    status::in_words,
};
use holdfast_ambient::{Gather, Poll};
use sqlx::PgPool;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Events applied per statement: bounds its memory and how long its row locks are held (some 30 ms). What gathers at some 14,000
/// events a second fits into one.
const BATCH_EVENTS_MAX: usize = 2_000;

/// First pause after a failure that may go away.
const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest pause: how late a projector notices that the database is back.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// A batch takes milliseconds, and waits for a switch for seconds; a database that is silent for so long
/// has lost the connection without a word.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How long a stopped projector waits until it looks whether somebody has mended what stopped it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A source that waits for events returns none both when there are none and when nobody is there to send them. It is believed
/// to answer again when events come, or when it has not complained for so long: longer than between two complaints.
const CALM_AFTER: Duration = Duration::from_secs(5);

/// While catching up, how often the log's heads are asked how far it still is.
const LAG_EVERY: Duration = Duration::from_secs(1);

/// What one call of [`Projector::run_once`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Events applied, or set aside with their stream.
    pub events: usize,
    /// The batch was full, or another projector came first: call again at once.
    pub more: bool,
}

/// Feeds one live read model.
#[derive(Debug)]
pub struct Projector<P, S> {
    link: Link,
    feed: Feed<P, S>,
    /// The read model is there, is ours, and the feed knows its checkpoints.
    open: bool,
    positions: Positions,
    status: watch::Sender<ProjectorStatus>,
    lag_asked_at: Option<Instant>,
    /// When something failed that may go away, until it has gone away.
    failed_at: Option<Instant>,
}

impl<P: Projection, S: Source> Projector<P, S> {
    /// A projector that writes to the database of `pool` and tells `positions` how far it is.
    #[must_use]
    pub fn new(pool: &PgPool, source: S, positions: Positions) -> Self {
        let nothing = ProjectorStatus { state: State::CatchingUp, checkpoints: vec![], lag_events: 0 };
        Self {
            link: Link::new(pool, Role::Writer),
            feed: Feed::new(source, &P::schema()),
            open: false,
            positions,
            status: watch::Sender::new(nothing),
            lag_asked_at: None,
            failed_at: None,
        }
    }

    /// What it is doing, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ProjectorStatus> {
        self.status.subscribe()
    }

    /// Applies one batch.
    ///
    /// # Errors
    /// After any, the next call begins from the stored checkpoints. [`Failure::is_transient`] says whether
    /// calling again can help.
    pub async fn run_once(&mut self) -> Result<Step, Failure> {
        let step = timeout(ANSWER_MAX, self.step()).await.unwrap_or(Err(Failure::Silent));
        if step.is_err() {
            self.open = false;
            self.link.close();
        }
        step
    }

    async fn step(&mut self) -> Result<Step, Failure> {
        let conn = self.link.connection().await?;
        if !self.open {
            model::open::<P>(conn).await?;
            self.feed.start(conn).await?;
            self.open = true;
        }
        let step = match self.feed.step(conn, BATCH_EVENTS_MAX, None).await? {
            Fed::Nothing => Step { events: 0, more: false },
            Fed::Applied { events, more } => Step { events, more },
            Fed::Overtaken => Step { events: 0, more: true },
        };
        let checkpoints = self.feed.checkpoints();
        self.positions.publish(checkpoints, self.feed.parks());
        let mut lag_events = 0;
        if step.more {
            lag_events = self.status.borrow().lag_events.saturating_sub_unsigned(step.events as u64).max(0);
            if self.lag_asked_at.is_none_or(|at| at.elapsed() >= LAG_EVERY) {
                self.lag_asked_at = Some(Instant::now());
                let heads = holdfast_event_log::heads(&mut *conn).await?;
                let heads: Vec<_> = heads.into_iter().map(|head| head.position).collect();
                lag_events = events_between(checkpoints, &heads);
            }
        }
        let doubtful = S::WAITS
            && step.events == 0
            && self.failed_at.is_some_and(|failed_at| failed_at.elapsed() < CALM_AFTER);
        let state = match self.status.borrow().state.clone() {
            unchanged if doubtful => unchanged,
            _ if step.more => State::CatchingUp,
            _ => State::Running,
        };
        if !doubtful {
            self.failed_at = None;
        }
        let checkpoints = checkpoints.to_vec();
        self.status.send_replace(ProjectorStatus { state, checkpoints, lag_events });
        metrics::counter!("holdfast_projected_events_total", "follower" => P::NAME)
            .increment(step.events as u64);
        metrics::counter!("holdfast_projected_batches_total", "follower" => P::NAME)
            .increment(u64::from(step.events > 0));
        Ok(step)
    }

    /// Runs until `shutdown`. `wake` changes whenever this process committed something to the log.
    ///
    /// # Errors
    /// The first failure that does not go away by itself; the status tells it too.
    pub async fn run(
        mut self,
        wake: Option<watch::Receiver<u64>>,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        // Ending in the middle of a statement is safe: it commits whole or not at all.
        let ended = shutdown.run_until_cancelled(self.run_for_ever(wake)).await;
        match ended {
            None => Ok(()),
            Some(failure) => {
                self.stop(&failure);
                Err(failure)
            }
        }
    }

    /// Runs until `shutdown`, like [`Projector::run`]; but after a failure that needs somebody it looks again
    /// from time to time, because a rebuild, or a build that knows the event, may have mended it.
    pub async fn keep_running(mut self, wake: Option<watch::Receiver<u64>>, shutdown: CancellationToken) {
        let for_ever = async {
            loop {
                let failure = self.run_for_ever(wake.clone()).await;
                self.stop(&failure);
                sleep(LOOK_AGAIN_AFTER).await;
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(for_ever).await;
    }

    /// Says that nothing is applied any more, loudly, once.
    fn stop(&self, failure: &Failure) {
        let state = State::Stopped { reason: failure.to_string(), why: in_words(failure) };
        if self.status.borrow().state != state {
            error!(follower = P::NAME, "projector {} stopped: {}", P::NAME, in_words(failure));
            self.tell(state);
        }
    }

    async fn run_for_ever(&mut self, wake: Option<watch::Receiver<u64>>) -> Failure {
        let (mut poll, mut gather, mut retry) = (Poll::new(wake), Gather::default(), RETRY_MIN);
        loop {
            let began = Instant::now();
            match self.run_once().await {
                Err(failure) if failure.is_transient() => {
                    self.tell_once(&failure);
                    self.failed_at = Some(Instant::now());
                    sleep(retry).await;
                    retry = (retry * 2).min(RETRY_MAX);
                }
                Err(failure) => return failure,
                Ok(step) => {
                    if retry > RETRY_MIN && self.failed_at.is_none() {
                        info!(follower = P::NAME, "projector {} goes on", P::NAME);
                        retry = RETRY_MIN;
                    }
                    gather.add(step.events);
                    if step.more {
                        continue;
                    }
                    gather.more(began).await;
                    if !S::WAITS {
                        poll.again(step.events > 0).await;
                    }
                }
            }
        }
    }

    /// Once per reason, not once per attempt.
    fn tell_once(&self, failure: &Failure) {
        let why = in_words(failure);
        if !matches!(&self.status.borrow().state, State::Retrying(told) if *told == why) {
            warn!(follower = P::NAME, "projector {} waits: {why}", P::NAME);
        }
        self.tell(State::Retrying(why));
    }

    fn tell(&self, state: State) {
        self.status.send_modify(|status| status.state = state);
    }
}
