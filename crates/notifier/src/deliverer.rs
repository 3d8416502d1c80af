//! Sends webhooks: what is due is claimed, made, sent and recorded, many at a time.
//!
//! Shape: claim what is due of many endpoints → read what happened, for all of it → POST each → record many attempts in a
//! statement. `dispatch` bounds how many are under way; here is what one of them is.
//!
//! Guarantee: at least once. What was sent and not recorded is sent again when its claim ends, with the same id and body.

use crate::{
    background::Background,
    body::render,
    claims::{self, Claimed, Holdings},
    dispatch::Dispatch,
    endpoints::{ENDPOINTS_MAX, SECRET_OVERLAP},
    ladder,
    records::{self, Attempted, Stopped, Verdict},
    secret::WebhookKey,
    sender::{OTHER_KEY, Outcome, Sender, UNREADABLE, Webhook},
    traffic::Traffic,
};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_domain::Timestamp;
use sqlx::PgPool;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};
use uuid::Uuid;

/// Attempts of one endpoint at a time, over all notifiers.
pub(crate) const IN_FLIGHT_PER_ENDPOINT_MAX: usize = 5;
/// How long a claim may take: milliseconds, unless Postgres is silent.
const CLAIMING_MAX: Duration = Duration::from_secs(15);
/// What is left of a claim when its attempt is cut off, whatever it waits for: no other notifier makes it beside this one.
const CLAIM_REST: TimeDelta = TimeDelta::seconds(10);
/// When an endpoint is looked at again that was made with another key: another process may have that one.
const OTHER_KEY_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// When an event is looked at again that this build does not understand: a later build may.
const UNREADABLE_PAUSE: TimeDelta = TimeDelta::minutes(10);

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
    pub(crate) traffic: Traffic,
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
        Ok(Self { pool, ambient, key, config, sender, traffic: Traffic::default() })
    }

    /// The same, but beside this traffic.
    pub(crate) fn beside(self, traffic: Traffic) -> Self {
        Self { traffic, ..self }
    }

    /// Sends what is due now, up to five of each endpoint, and returns how many attempts were made.
    ///
    /// # Errors
    /// If the queue could not be read. What was claimed is sent when its claim ends.
    pub async fn run_once(&self) -> Result<usize, sqlx::Error> {
        Dispatch::new(self.clone()).run_once().await
    }

    /// Sends until `shutdown`. `wake` changes when something may have been queued.
    pub async fn run<T: Send + Sync>(self, wake: watch::Receiver<T>, shutdown: CancellationToken) {
        Dispatch::new(self).run(wake, shutdown).await;
    }

    /// Claims what is due, and makes the bodies.
    pub(crate) async fn claim(&self, held: Holdings) -> Result<Vec<Ready>, sqlx::Error> {
        let (now, window) = (self.ambient.now(), self.window());
        // Taken before the claim begins to run.
        let (begin_by, end_by) = (Instant::now() + window / 2, Instant::now() + window);
        let until = now + self.config.claim_max;
        let claim = claims::claim(&self.pool, self.ambient.new_id(), (now, until), &held);
        let claimed = timeout(CLAIMING_MAX, claim)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into()))?;
        let ready = |(claimed, body)| Ready { claimed, body, begin_by, end_by };
        Ok(self.bodies(claimed).await?.into_iter().map(ready).collect())
    }

    /// How long an attempt and its record may take, from the claim on.
    fn window(&self) -> Duration {
        (self.config.claim_max - CLAIM_REST).to_std().unwrap_or_default()
    }

    /// The bodies of a batch, or words for why there are none.
    async fn bodies(
        &self,
        batch: Vec<Claimed>,
    ) -> Result<Vec<(Claimed, Result<Vec<u8>, &'static str>)>, sqlx::Error> {
        let wanted: Vec<_> = batch.iter().filter_map(|claimed| Some((claimed.owed.at?, None))).collect();
        let background = Background::read(&self.pool, &wanted).await?;
        Ok(batch
            .into_iter()
            .map(|claimed| {
                let body = self.body(&background, &claimed);
                (claimed, body)
            })
            .collect())
    }

    fn body(&self, background: &Background, claimed: &Claimed) -> Result<Vec<u8>, &'static str> {
        let owed = &claimed.owed;
        if claimed.key_id != self.key.id() {
            error!(endpoint.id = %owed.endpoint_id, "an endpoint was made with another webhook key than this process has");
            return Err(OTHER_KEY);
        }
        render(background, owed).map_err(|error| {
            error!(error = &error as &dyn Error, event.id = %owed.event_id, "a webhook has no body");
            UNREADABLE
        })
    }

    /// One attempt. None: it was cut off before its claim ended.
    pub(crate) async fn attempt(&self, ready: Ready) -> Option<Attempted> {
        let Ready { claimed, body, end_by, .. } = ready;
        let (began, started) = (self.ambient.now(), Instant::now());
        let outcome = match body {
            Ok(body) => timeout_at(end_by, self.send(&claimed, began, body)).await.ok()?,
            Err(why) => Outcome::Failed(why),
        };
        let (ended, took) = (self.ambient.now(), started.elapsed());
        let verdict = self.verdict(&claimed, &outcome, ended);
        metrics::counter!("holdfast_webhook_deliveries_total", "outcome" => verdict.as_str()).increment(1);
        metrics::histogram!("holdfast_webhook_attempt_seconds").record(took);
        let milliseconds = i32::try_from(took.as_millis()).unwrap_or(i32::MAX);
        Some(Attempted { claimed, began, ended, milliseconds, outcome, verdict })
    }

    async fn send(&self, claimed: &Claimed, now: Timestamp, body: Vec<u8>) -> Outcome {
        let signatures = self.signatures(claimed, now, &body);
        let webhook = Webhook { id: claimed.owed.event_id, at: now, signatures, body };
        self.sender.send(&claimed.url, webhook, now).await
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

    /// Records attempts that have ended, at the latest by `end_by`. What cannot be recorded is made again.
    pub(crate) async fn record(&self, batch: Vec<Attempted>, end_by: Instant) {
        match timeout_at(end_by, self.try_record(&batch)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let attempts = batch.len();
                warn!(
                    error = &error as &dyn Error,
                    attempts, "attempts could not be recorded; they are made again"
                );
            }
            Err(_) => {
                warn!(
                    attempts = batch.len(),
                    "attempts were not recorded in time, and are made again: Postgres is silent"
                );
            }
        }
    }

    async fn try_record(&self, batch: &[Attempted]) -> Result<(), sqlx::Error> {
        let (pool, now) = (&self.pool, self.ambient.now());
        let gone = endpoints_with(batch, |verdict| verdict == Verdict::Gone);
        // First: what is given back must not be claimed again.
        if !gone.is_empty() {
            for endpoint_id in records::stop(pool, &gone, now, Stopped::Gone).await? {
                warn!(endpoint.id = %endpoint_id, "a webhook endpoint is gone, and disabled");
            }
        }
        let ours = records::record(pool, batch).await?;
        if ours < batch.len() as u64 {
            debug!(attempts = batch.len(), ours, "claims had ended before their attempts did");
        }
        for dead in batch.iter().filter(|attempted| attempted.verdict == Verdict::Dead) {
            let owed = &dead.claimed.owed;
            warn!(endpoint.id = %owed.endpoint_id, event.id = %owed.event_id, "a webhook was given up");
        }
        self.note_endpoints(batch, now).await
    }

    /// Notes which endpoints answered well and which failed, and pauses those that have failed for days.
    async fn note_endpoints(&self, batch: &[Attempted], now: Timestamp) -> Result<(), sqlx::Error> {
        let well = endpoints_with(batch, |verdict| verdict == Verdict::Delivered);
        if !well.is_empty() {
            records::succeeded(&self.pool, &well).await?;
        }
        let (failed, times): (Vec<_>, Vec<_>) = failing(batch).into_iter().unzip();
        if failed.is_empty() {
            return Ok(());
        }
        records::failed(&self.pool, &failed, &times).await?;
        for endpoint_id in records::stop(&self.pool, &failed, now, Stopped::Failing).await? {
            warn!(endpoint.id = %endpoint_id, "a webhook endpoint has failed for days, and is paused");
        }
        Ok(())
    }

    /// Gives back what was claimed and not begun.
    pub(crate) async fn release(&self, unbegun: &[Claimed]) {
        if let Err(error) = claims::release(&self.pool, unbegun).await {
            debug!(error = &error as &dyn Error, "what was not begun is due again when its claim ends");
        }
    }
}

/// A delivery that was claimed, and its body, or a word for why it has none.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) claimed: Claimed,
    body: Result<Vec<u8>, &'static str>,
    /// What has not begun by then is given back.
    pub(crate) begin_by: Instant,
    /// What has not been recorded by then is made again.
    pub(crate) end_by: Instant,
}

/// The endpoints of attempts with such a verdict.
fn endpoints_with(batch: &[Attempted], is: impl Fn(Verdict) -> bool) -> Vec<Uuid> {
    let with = batch.iter().filter(|attempted| is(attempted.verdict));
    with.map(|attempted| attempted.claimed.owed.endpoint_id).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The endpoints that failed after they answered well last, and since when.
fn failing(batch: &[Attempted]) -> BTreeMap<Uuid, Timestamp> {
    let mut in_order: Vec<_> = batch.iter().collect();
    in_order.sort_by_key(|attempted| attempted.ended);
    let mut failing = BTreeMap::new();
    for Attempted { claimed, ended, verdict, .. } in in_order {
        let endpoint_id = claimed.owed.endpoint_id;
        match verdict {
            Verdict::Delivered => drop(failing.remove(&endpoint_id)),
            Verdict::Again(_) | Verdict::Dead => {
                failing.entry(endpoint_id).or_insert(*ended);
            }
            Verdict::NotSent(_) | Verdict::Gone => {}
        }
    }
    failing
}

/// Attempts of one notifier at a time: there are never more, because there are no more endpoints.
const _: () =
    assert!(ENDPOINTS_MAX * IN_FLIGHT_PER_ENDPOINT_MAX <= 500, "that many connections are bearable");
