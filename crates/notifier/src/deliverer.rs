//! Sends what is due, endpoint by endpoint, and records what came of it.
//!
//! Shape: wait for the queue's inlet, an ended attempt, a tick or shutdown → claim what is due, up to five of each endpoint
//! → send each as a task of its own → record. There are places for five attempts of every endpoint that can exist, so one
//! that hangs takes no place from another.
//!
//! Guarantee: at least once. What was sent and not recorded is sent again when its claim ends, with the same id and body.

use crate::{
    body::{RenderError, render},
    claims::{self, Claimed, Stopped, Verdict},
    endpoints::{ENDPOINTS_MAX, SECRET_OVERLAP},
    ladder,
    secret::WebhookKey,
    sender::{OTHER_KEY, Outcome, Sender, UNREADABLE, Webhook},
};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_domain::Timestamp;
use sqlx::PgPool;
use std::{
    collections::HashMap,
    error::Error,
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

/// Attempts of one endpoint at a time, over all notifiers.
pub(crate) const IN_FLIGHT_PER_ENDPOINT_MAX: usize = 5;
/// Between two looks at the queue while nothing calls: how late a retry is, and what another process queued.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a claim may take: milliseconds, unless Postgres is silent.
const CLAIMING_MAX: Duration = Duration::from_secs(15);
/// What is left of a claim when its attempt is cut off, whatever it waits for: nobody else makes it beside this one.
const CLAIM_REST: TimeDelta = TimeDelta::seconds(10);
/// When an endpoint is looked at again that was made with another key: another process may have that one.
const OTHER_KEY_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// When an event is looked at again that this build does not understand: a later build may.
const UNREADABLE_PAUSE: TimeDelta = TimeDelta::minutes(10);
/// How long attempts under way may take to end at shutdown; what is cut off is sent again.
const END_MAX: Duration = Duration::from_secs(3);

/// How webhooks are sent.
#[derive(Clone, Debug)]
pub struct DeliverConfig {
    /// Whether private addresses and plain HTTP may be used: in development only.
    pub allow_private: bool,
    /// How long an attempt may take in all.
    pub answer_max: Duration,
    /// How long a claim lasts: how late what a dead notifier was sending is sent again. Longer than an attempt.
    pub claim_max: TimeDelta,
    /// Deliveries that may wait for one endpoint before nothing more is queued for it: a receiver that is slower than what
    /// happens would let the queue grow for ever. It goes on when half of them wait.
    pub pending_max: i64,
}

impl Default for DeliverConfig {
    fn default() -> Self {
        let claim_max = TimeDelta::seconds(60);
        Self { allow_private: false, answer_max: Duration::from_secs(10), claim_max, pending_max: 1_000_000 }
    }
}

/// Sends webhooks.
#[derive(Clone, Debug)]
pub struct Deliverer {
    pool: PgPool,
    ambient: Arc<dyn Ambient>,
    key: WebhookKey,
    config: DeliverConfig,
    sender: Sender,
}

impl Deliverer {
    /// A deliverer on the queue in `pool`'s database. `key` must be the one that endpoints are made with.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(
        pool: PgPool,
        ambient: Arc<dyn Ambient>,
        key: WebhookKey,
        config: DeliverConfig,
    ) -> Result<Self, reqwest::Error> {
        let sender = Sender::new(config.answer_max, config.allow_private)?;
        Ok(Self { pool, ambient, key, config, sender })
    }

    /// Sends what is due now, and returns how many attempts were made.
    ///
    /// # Errors
    /// If the queue could not be read. What was claimed is sent when its claim ends.
    pub async fn run_once(&self) -> Result<usize, sqlx::Error> {
        let mut attempts = JoinSet::new();
        for claimed in self.claim(&[]).await? {
            let this = self.clone();
            attempts.spawn(async move { this.attempt(&claimed).await });
        }
        Ok(attempts.join_all().await.len())
    }

    /// Sends until `shutdown`. `wake` changes when something may have been queued.
    pub async fn run<T: Send + Sync>(self, mut wake: watch::Receiver<T>, shutdown: CancellationToken) {
        let mut under_way = UnderWay::default();
        let mut failing = false;
        loop {
            tokio::select! {
                () = under_way.one_ends(), if !under_way.is_empty() => {}
                gone = wake.changed(), if !failing => if gone.is_err() { sleep(LOOK_EVERY).await },
                () = sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => break,
            }
            let busy = under_way.busy();
            match shutdown.run_until_cancelled(self.claim(&busy)).await {
                None => break,
                Some(Ok(claimed)) => {
                    failing = false;
                    for claimed in claimed {
                        under_way.begin(self.clone(), claimed);
                    }
                }
                Some(Err(error)) => {
                    if !failing {
                        warn!(error = &error as &dyn Error, "the notifier waits: its queue cannot be read");
                    }
                    failing = true;
                }
            }
        }
        if timeout(END_MAX, under_way.all_end()).await.is_err() {
            debug!("attempts were cut off; they are made again");
        }
    }

    async fn claim(&self, busy: &[Uuid]) -> Result<Vec<Claimed>, sqlx::Error> {
        let now = self.ambient.now();
        let claim = claims::claim(&self.pool, self.ambient.new_id(), now, now + self.config.claim_max, busy);
        timeout(CLAIMING_MAX, claim)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into()))
    }

    /// One attempt, whatever happens before its claim ends.
    async fn attempt(&self, claimed: &Claimed) {
        let longest = (self.config.claim_max - CLAIM_REST).to_std().unwrap_or_default();
        if timeout(longest, self.attempt_it(claimed)).await.is_err() {
            warn!(endpoint.id = %claimed.owed.endpoint_id, "an attempt did not end, and is made again: Postgres is silent");
        }
    }

    /// One attempt, from its body to its record. What cannot be recorded is made again when its claim ends.
    async fn attempt_it(&self, claimed: &Claimed) {
        let (began, started) = (self.ambient.now(), Instant::now());
        let outcome = match self.send(claimed, began).await {
            Ok(outcome) => outcome,
            Err(error) => {
                return warn!(error = &error as &dyn Error, "an event could not be read; it is sent later");
            }
        };
        let (ended, took) = (self.ambient.now(), started.elapsed());
        let verdict = self.verdict(claimed, &outcome, ended);
        metrics::counter!("holdfast_webhook_deliveries_total", "outcome" => verdict.as_str()).increment(1);
        metrics::histogram!("holdfast_webhook_attempt_seconds").record(took);
        let milliseconds = i32::try_from(took.as_millis()).unwrap_or(i32::MAX);
        if let Err(error) = self.record(claimed, (began, ended), milliseconds, &outcome, verdict).await {
            warn!(error = &error as &dyn Error, "an attempt could not be recorded; it is made again");
        }
    }

    async fn send(&self, claimed: &Claimed, now: Timestamp) -> Result<Outcome, sqlx::Error> {
        let Claimed { owed, url, .. } = claimed;
        if claimed.key_id != self.key.id() {
            error!(endpoint.id = %owed.endpoint_id, "an endpoint was made with another webhook key than this process has");
            return Ok(Outcome::Failed(OTHER_KEY));
        }
        let body = match render(&self.pool, owed).await {
            Ok(body) => body,
            Err(RenderError::Database(error)) => return Err(error),
            Err(error) => {
                error!(error = &error as &dyn Error, event.id = %owed.event_id, "a webhook has no body");
                return Ok(Outcome::Failed(UNREADABLE));
            }
        };
        let signatures = self.signatures(claimed, now, &body);
        let webhook = Webhook { id: owed.event_id, at: now, signatures, body };
        Ok(self.sender.send(url, webhook, now).await)
    }

    /// By the secret, and by each that was replaced within a day.
    fn signatures(&self, claimed: &Claimed, now: Timestamp, body: &[u8]) -> String {
        let Claimed { owed, secret_generation: generation, .. } = claimed;
        let by =
            |generation| self.key.secret(owed.endpoint_id, generation).signature(owed.event_id, now, body);
        let replaced = claimed.secret_rotations.iter().take_while(|at| now < **at + SECRET_OVERLAP);
        let before = replaced.zip(1..).map(|(_, back)| by(generation - back));
        std::iter::once(by(*generation)).chain(before).collect::<Vec<_>>().join(" ")
    }

    fn verdict(&self, claimed: &Claimed, outcome: &Outcome, now: Timestamp) -> Verdict {
        if outcome.is_delivered() {
            return Verdict::Delivered;
        }
        if outcome.is_gone() {
            return Verdict::Gone;
        }
        let retry_after = match outcome {
            Outcome::Answered { retry_after, .. } => *retry_after,
            Outcome::Failed(OTHER_KEY) => return Verdict::NotSent(now + OTHER_KEY_PAUSE),
            Outcome::Failed(UNREADABLE) => return Verdict::NotSent(now + UNREADABLE_PAUSE),
            Outcome::Failed(_) => None,
        };
        let mut chance = [0; 2];
        self.ambient.random(&mut chance);
        let pause =
            ladder::pause(claimed.attempts.saturating_add(1), retry_after, u16::from_le_bytes(chance));
        pause.map_or(Verdict::Dead, |pause| Verdict::Again(now + pause))
    }

    async fn record(
        &self,
        claimed: &Claimed,
        times: (Timestamp, Timestamp),
        milliseconds: i32,
        outcome: &Outcome,
        verdict: Verdict,
    ) -> Result<(), sqlx::Error> {
        let (pool, endpoint_id, now) = (&self.pool, claimed.owed.endpoint_id, times.1);
        // First: what is given back must not be claimed again.
        if verdict == Verdict::Gone && claims::stop(pool, endpoint_id, now, Stopped::Gone).await? {
            warn!(endpoint.id = %endpoint_id, "a webhook endpoint is gone, and disabled");
        }
        let ours = claims::record(pool, claimed, times, milliseconds, outcome, verdict).await?;
        if !ours {
            debug!(delivery.id = %claimed.delivery_id, "a claim had ended before its attempt did");
        }
        match verdict {
            Verdict::Delivered => return claims::succeeded(pool, endpoint_id).await,
            Verdict::NotSent(_) | Verdict::Gone => return Ok(()),
            Verdict::Again(_) => {}
            Verdict::Dead => {
                warn!(endpoint.id = %endpoint_id, event.id = %claimed.owed.event_id, "a webhook was given up");
            }
        }
        claims::failed(pool, endpoint_id, now).await?;
        if claims::stop(pool, endpoint_id, now, Stopped::Failing).await? {
            warn!(endpoint.id = %endpoint_id, "a webhook endpoint has failed for days, and is paused");
        }
        Ok(())
    }
}

/// The attempts of this process that have not ended.
#[derive(Default)]
struct UnderWay {
    attempts: JoinSet<Uuid>,
    by_endpoint: HashMap<Uuid, usize>,
}

impl UnderWay {
    fn begin(&mut self, deliverer: Deliverer, claimed: Claimed) {
        *self.by_endpoint.entry(claimed.owed.endpoint_id).or_default() += 1;
        self.attempts.spawn(async move {
            deliverer.attempt(&claimed).await;
            claimed.owed.endpoint_id
        });
    }

    fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// The endpoints that nothing more is claimed of: all of them, where there are more attempts than there can be.
    fn busy(&self) -> Vec<Uuid> {
        let full = |count: usize| count >= IN_FLIGHT_PER_ENDPOINT_MAX;
        self.by_endpoint.iter().filter(|(_, count)| full(**count)).map(|(id, _)| *id).collect()
    }

    /// Waits for an attempt to end, and takes those that have ended with it.
    async fn one_ends(&mut self) {
        let mut ended = self.attempts.join_next().await;
        while let Some(result) = ended {
            match result {
                Ok(endpoint_id) => self.forget(endpoint_id),
                // Which one it was is not known. None is busy for ever: the claim's own bound still holds.
                Err(panicked) => {
                    error!(error = &panicked as &dyn Error, "an attempt panicked");
                    self.by_endpoint.clear();
                }
            }
            ended = self.attempts.try_join_next();
        }
    }

    fn forget(&mut self, endpoint_id: Uuid) {
        if let Some(count) = self.by_endpoint.get_mut(&endpoint_id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_endpoint.remove(&endpoint_id);
            }
        }
    }

    async fn all_end(&mut self) {
        if !self.is_empty() {
            info!(attempts = self.attempts.len(), "the notifier waits for attempts under way");
        }
        while self.attempts.join_next().await.is_some() {}
    }
}

/// Attempts of one notifier at a time: there are never more, because there are no more endpoints.
const _: () =
    assert!(ENDPOINTS_MAX * IN_FLIGHT_PER_ENDPOINT_MAX <= 500, "that many connections are bearable");
