//! The loop: wait for a commit, a tick or shutdown; read a batch after what the topic has; send it; say how far it is.
//!
//! Whatever fails, it begins anew: topic checked, its ends read, compared with the log. That is also how it starts.

use crate::{
    Failure, PartitionStatus, RelayStatus, State,
    leases::{release, renew},
    told::tell,
};
use holdfast_ambient::{Gather, Poll};
use holdfast_event_log::{Identity, LogPosition, RawEvent, heads, identity, read_raw_after_each};
use holdfast_messaging::{EventsProducer, EventsTopic, Kafka, Last, SendError, Topic};
use sqlx::PgPool;
use std::{collections::BTreeMap, error::Error, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use uuid::Uuid;

/// Events of one batch: bounds how much is sent twice after a crash, and with events of some hundred bytes its memory.
const BATCH_EVENTS_MAX: i64 = 2_000;
/// A lease lasts five times as long.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// Without a renewal for so long, another relay may soon have the partitions: no batch is begun before the next renewal. One
/// that takes longer than the lease is sent by both, which does no harm.
const RENEWED_MAX: Duration = Duration::from_secs(4);
/// A batch takes milliseconds. Longer, and the broker is gone; what is sent again then, consumers drop.
const SEND_MAX: Duration = Duration::from_secs(10);
/// First pause after a failure that may go away.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest pause: how late a broker's return is noticed.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// How long a stopped relay waits until it looks whether somebody has mended what stopped it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long giving the lease back may take at the end.
const RELEASE_MAX: Duration = Duration::from_secs(1);
/// A relay that has nothing to send asks so often whether the broker is there, or it would call itself ready beside a dead one.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often it is told how far the topic is, if it has changed: a row of each partition, for people and metrics to look at.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long telling may keep events waiting.
const TELL_MAX: Duration = Duration::from_millis(500);

/// What one call of [`Relay::run_once`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Events sent and acknowledged.
    pub events: usize,
    /// The batch was full: call again at once.
    pub more: bool,
}

/// Copies a log into its topic.
#[derive(Debug)]
pub struct Relay {
    pool: PgPool,
    kafka: Kafka,
    topic: Topic,
    relay_id: Uuid,
    session: Option<Session>,
    status: watch::Sender<RelayStatus>,
}

/// What holds until something fails.
#[derive(Debug)]
struct Session {
    topic: EventsTopic,
    log: Identity,
    producer: EventsProducer,
    /// The last position in the topic, of the partitions that are ours.
    sent: BTreeMap<u16, i64>,
    renewed_at: Option<Instant>,
    /// What of that was told to others, and when.
    told: BTreeMap<u16, i64>,
    told_at: Option<Instant>,
    /// When the broker last answered.
    heard_at: Instant,
    /// The partition that is served first: it changes with every batch, so that none starves another.
    turn: usize,
}

impl Relay {
    /// A relay from the log of `pool`'s database to `topic`. `relay_id` names this process.
    #[must_use]
    pub fn new(pool: PgPool, kafka: Kafka, topic: Topic, relay_id: Uuid) -> Self {
        let status = watch::Sender::new(RelayStatus { state: State::Starting, partitions: vec![] });
        Self { pool, kafka, topic, relay_id, session: None, status }
    }

    /// What it is doing, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<RelayStatus> {
        self.status.subscribe()
    }

    /// Sends one batch.
    ///
    /// # Errors
    /// After any, the next call begins anew from the topic's end. [`Failure::is_transient`] says whether calling
    /// again can help.
    pub async fn run_once(&mut self) -> Result<Step, Failure> {
        let step = self.step().await;
        if step.is_err() {
            self.session = None;
        }
        step
    }

    async fn step(&mut self) -> Result<Step, Failure> {
        if self.session.is_none() {
            self.session = Some(Session::open(&self.pool, &self.kafka, &self.topic).await?);
        }
        let Some(session) = &mut self.session else { return Ok(Step { events: 0, more: false }) };
        session.keep_lease(&self.pool, self.relay_id).await?;
        session.tell(&self.pool, self.relay_id).await;
        let step = session.send_batch(&self.pool).await?;
        session.hear(&step).await?;
        metrics::counter!("holdfast_relayed_events_total").increment(step.events as u64);
        let partitions =
            session.sent.iter().map(|(number, sent)| PartitionStatus { log_partition: *number, sent: *sent });
        self.status.send_replace(RelayStatus { state: State::Running, partitions: partitions.collect() });
        Ok(step)
    }

    /// Runs until `shutdown`, then gives its partitions back. `wake` changes whenever this process committed something
    /// to the log.
    ///
    /// # Errors
    /// The first failure that does not go away by itself; the status tells it too.
    pub async fn run(
        mut self,
        wake: Option<watch::Receiver<u64>>,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        // Ending in the middle of a batch is safe: the next relay goes on after what is in the topic.
        let ended = shutdown.run_until_cancelled(self.run_for_ever(wake)).await;
        self.give_back().await;
        match ended {
            None => Ok(()),
            Some(failure) => {
                self.stop(&failure);
                Err(failure)
            }
        }
    }

    /// Runs until `shutdown`, like [`Relay::run`]; but after a failure that needs somebody it looks again from time to
    /// time, because the process has other work and the failure may be mended.
    pub async fn keep_running(mut self, wake: Option<watch::Receiver<u64>>, shutdown: CancellationToken) {
        let for_ever = async {
            loop {
                let failure = self.run_for_ever(wake.clone()).await;
                self.stop(&failure);
                sleep(LOOK_AGAIN_AFTER).await;
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(for_ever).await;
        self.give_back().await;
    }

    /// Says that nothing is sent any more, loudly, once.
    fn stop(&self, failure: &Failure) {
        let state = State::Stopped(failure.to_string());
        if self.status.borrow().state != state {
            error!(error = failure as &dyn Error, "the relay stopped");
            self.tell(state);
        }
    }

    /// Tells where it ends, and lets another relay have the partitions at once.
    async fn give_back(&mut self) {
        let (pool, relay_id) = (self.pool.clone(), self.relay_id);
        let given_back = async {
            if let Some(session) = &mut self.session {
                session.told_at = None;
                session.tell(&pool, relay_id).await;
            }
            release(&mut *pool.acquire().await?, relay_id).await
        };
        if !matches!(timeout(RELEASE_MAX, given_back).await, Ok(Ok(()))) {
            info!("the relay's partitions were not given back; they are free when its lease ends");
        }
    }

    async fn run_for_ever(&mut self, wake: Option<watch::Receiver<u64>>) -> Failure {
        let (mut poll, mut gather, mut retry) = (Poll::new(wake), Gather::default(), RETRY_MIN);
        loop {
            let began = Instant::now();
            match self.run_once().await {
                Err(failure) if failure.is_transient() => {
                    if retry == RETRY_MIN {
                        warn!(error = &failure as &dyn Error, "the relay waits");
                    }
                    self.tell(State::Retrying(failure.to_string()));
                    sleep(retry).await;
                    retry = (retry * 2).min(RETRY_MAX);
                }
                Err(failure) => return failure,
                Ok(step) => {
                    if retry > RETRY_MIN {
                        info!("the relay goes on");
                        retry = RETRY_MIN;
                    }
                    gather.add(step.events);
                    if step.more {
                        continue;
                    }
                    gather.more(began).await;
                    poll.again(step.events > 0).await;
                }
            }
        }
    }

    fn tell(&self, state: State) {
        self.status.send_modify(|status| status.state = state);
    }
}

impl Session {
    async fn open(pool: &PgPool, kafka: &Kafka, topic: &Topic) -> Result<Self, Failure> {
        let log = identity(pool).await?;
        let topic = EventsTopic::open(kafka, topic, log.partitions).await?;
        for warning in &topic.warnings {
            warn!("{warning}");
        }
        let producer = EventsProducer::new(&topic, log.log_id)?;
        let (sent, told) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self {
            topic,
            log,
            producer,
            sent,
            renewed_at: None,
            told,
            told_at: None,
            heard_at: Instant::now(),
            turn: 0,
        })
    }

    /// Renews the lease when its time has come, and begins with partitions that have become ours.
    async fn keep_lease(&mut self, pool: &PgPool, relay_id: Uuid) -> Result<(), Failure> {
        if self.renewed_at.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return Ok(());
        }
        let asked_at = Instant::now();
        let mine = renew(&mut *pool.acquire().await?, relay_id, self.log.partitions).await?;
        self.renewed_at = Some(asked_at);
        self.sent.retain(|number, _| mine.contains(number));
        let new: Vec<_> = mine.into_iter().filter(|number| !self.sent.contains_key(number)).collect();
        if !new.is_empty() {
            let begun = self.where_the_topic_ends(pool, &new).await?;
            self.sent.extend(begun);
        }
        Ok(())
    }

    /// The last position in the topic of these partitions, if the log has the same event there.
    async fn where_the_topic_ends(&self, pool: &PgPool, numbers: &[u16]) -> Result<Vec<(u16, i64)>, Failure> {
        let (ends, heads) = (self.topic.ends().await?, heads(pool).await?);
        let topic = || self.topic.name().to_owned();
        let mut found = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(Last { log_id, position, event_id, offset }) =
                ends.get(usize::from(*number)).copied().flatten()
            else {
                found.push((*number, 0));
                continue;
            };
            if log_id != self.log.log_id {
                return Err(Failure::OtherLog { topic: topic(), found: log_id, log: self.log.log_id });
            }
            let at = LogPosition { log_partition: *number, position };
            let head =
                heads.iter().find(|head| head.log_partition == *number).map_or(0, |head| head.position);
            if position > head {
                return Err(Failure::Ahead { topic: topic(), sent: at, head });
            }
            if offset + 1 < position {
                return Err(Failure::Hole { topic: topic(), at, records: offset + 1 });
            }
            let before = LogPosition { position: position - 1, ..at };
            let same = read_raw_after_each(pool, &[before], 1).await?;
            if same.first().is_none_or(|event| event.at != at || event.event_id != event_id) {
                return Err(Failure::Differs { topic: topic(), at });
            }
            found.push((*number, position));
        }
        Ok(found)
    }

    /// Tells others how far the topic is, when its time has come. Whatever hinders it: nothing depends on it.
    async fn tell(&mut self, pool: &PgPool, relay_id: Uuid) {
        let waits = self.told_at.is_some_and(|at| at.elapsed() < TELL_EVERY);
        if waits || self.sent == self.told {
            return;
        }
        self.told_at = Some(Instant::now());
        let telling = async { tell(&mut *pool.acquire().await?, relay_id, &self.sent).await };
        match timeout(TELL_MAX, telling).await {
            Ok(Ok(())) => self.told.clone_from(&self.sent),
            Ok(Err(error)) => debug!(%error, "it was not told how far the topic is"),
            Err(_) => debug!("Postgres took too long to be told how far the topic is"),
        }
    }

    /// Notes that the broker has answered, or asks it when it has been silent for long.
    async fn hear(&mut self, step: &Step) -> Result<(), SendError> {
        if step.events == 0 {
            if self.heard_at.elapsed() < ASK_EVERY {
                return Ok(());
            }
            self.producer.ask().await?;
        }
        self.heard_at = Instant::now();
        Ok(())
    }

    async fn send_batch(&mut self, pool: &PgPool) -> Result<Step, Failure> {
        let mut after: Vec<_> = self
            .sent
            .iter()
            .map(|(number, sent)| LogPosition { log_partition: *number, position: *sent })
            .collect();
        if after.is_empty() {
            return Ok(Step { events: 0, more: false });
        }
        self.turn += 1;
        let turn = self.turn % after.len();
        after.rotate_left(turn);
        let events = read_raw_after_each(pool, &after, BATCH_EVENTS_MAX).await?;
        if events.is_empty() {
            return Ok(Step { events: 0, more: false });
        }
        // Reading may have taken long: what is sent after the lease has ended, another sends too.
        if self.renewed_at.is_none_or(|at| at.elapsed() >= RENEWED_MAX) {
            self.renewed_at = None;
            return Ok(Step { events: 0, more: true });
        }
        timeout(SEND_MAX, self.producer.send(&events)).await.map_err(|_| SendError::Silent)??;
        for RawEvent { at, .. } in &events {
            if let Some(sent) = self.sent.get_mut(&at.log_partition) {
                *sent = at.position.max(*sent);
            }
        }
        let full = i64::try_from(events.len()).is_ok_and(|events| events >= BATCH_EVENTS_MAX);
        Ok(Step { events: events.len(), more: full })
    }
}
