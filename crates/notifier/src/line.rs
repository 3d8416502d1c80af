//! One kind of mail on its way: what was claimed waits in line for a place at the carrier, and what came of it is recorded
//! for many at once.
//!
//! Shape: wait for a group to end, a tick or shutdown → record what ended → claim, while the line is short → start groups
//! while there are places. So a mail whose server is slow holds its own place, and the others go on.
//!
//! Bounds: claimed at a time is what there are places for, and beyond that what the carrier takes in a second: one that
//! stands still is given a place's worth, a fast one a batch. A mail that has waited so long that its claim could end during
//! its attempt is not begun; it is given back.

use crate::{
    compose::{Composed, compose},
    failure_log::FailureLog,
    mailer::{Again, Capacity, Mail, Mailer, NotTaken},
    mails::{ATTEMPT_MAX, Mails},
    outgoing::{CLAIM_MAX, Claimed, Fate, Queue},
};
use std::{collections::VecDeque, error::Error, sync::Arc, time::Duration};
use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

/// Mails of one claim, and of one record: bounds statement and memory.
const BATCH_MAX: usize = 500;
/// The same while traffic is heavy.
const HEAVY_BATCH_MAX: usize = 100;
/// Pause for each claimed mail while traffic is heavy: at most 1,000 a second of either kind.
const HEAVY_PAUSE: Duration = Duration::from_millis(1);
/// Between two looks at a queue that had no more.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// For how long mails are claimed ahead, at the carrier's pace.
const AHEAD: Duration = Duration::from_secs(1);
/// How long what ended may wait to be recorded with more: a crash sends it again.
const RECORD_WITHIN: Duration = Duration::from_millis(100);
/// How long a record is tried: its claim must not end meanwhile.
const RECORDING_MAX: Duration = Duration::from_secs(10);
/// Between two attempts to record.
const RECORD_AGAIN: Duration = Duration::from_millis(500);
/// Records under way at a time: one that waits for a lock holds back no other.
const RECORDS_MAX: usize = 2;
/// How long a claimed mail may wait for its place.
const WAIT_MAX: Duration = Duration::from_secs(45);
/// How long attempts under way may take to end at shutdown; what is cut off is made again.
const END_MAX: Duration = Duration::from_secs(3);

const _: () = assert!(
    CLAIM_MAX.num_seconds().unsigned_abs()
        > WAIT_MAX.as_secs() + ATTEMPT_MAX.as_secs() + RECORDING_MAX.as_secs(),
    "a claim lasts until its attempt is recorded"
);

/// One kind of mail, of one notifier.
#[derive(Debug)]
pub(crate) struct Line {
    mails: Mails,
    queue: Queue,
    capacity: Capacity,
    /// Claimed, made and not begun, the longest waiting first.
    waiting: VecDeque<Waiting>,
    groups: JoinSet<Vec<(Claimed, Fate)>>,
    ended: Vec<(Claimed, Fate)>,
    /// Since when the first of them waits to be recorded.
    ended_since: Option<Instant>,
    records: JoinSet<()>,
    /// At most one.
    claims: JoinSet<Result<Batch, sqlx::Error>>,
    claimed_at: Instant,
    ended_since_claim: u32,
    /// Mails that the carrier takes in [`AHEAD`], by what ended before the last claim.
    pace: usize,
    look_at: Instant,
    failures: FailureLog,
}

#[derive(Debug)]
struct Waiting {
    claimed: Claimed,
    mail: Mail,
    since: Instant,
}

/// What a claim brought.
#[derive(Debug)]
struct Batch {
    composed: Composed,
    since: Instant,
    is_full: bool,
}

impl Line {
    pub(crate) fn new(mails: Mails, queue: Queue) -> Self {
        let (capacity, now) = (mails.post.mailer.capacity(), Instant::now());
        Self {
            mails,
            queue,
            capacity,
            waiting: VecDeque::new(),
            groups: JoinSet::new(),
            ended: vec![],
            ended_since: None,
            records: JoinSet::new(),
            claims: JoinSet::new(),
            claimed_at: now,
            ended_since_claim: 0,
            pace: 0,
            look_at: now,
            failures: FailureLog::default(),
        }
    }

    /// Sends until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            self.claim();
            self.start();
            self.record();
            let next = self.next_look();
            tokio::select! {
                Some(batch) = self.claims.join_next() => self.take(batch),
                Some(group) = self.groups.join_next() => self.end(group),
                Some(_) = self.records.join_next() => {}
                () = sleep_until(next) => {}
                () = shutdown.cancelled() => break,
            }
            while let Some(group) = self.groups.try_join_next() {
                self.end(group);
            }
        }
        if timeout(END_MAX, self.finish()).await.is_err() {
            debug!("mails were cut off; they are sent again");
        }
    }

    /// Sends one batch of what is due, and returns how many were tried.
    pub(crate) async fn run_once(mut self) -> Result<usize, sqlx::Error> {
        let batch = claim(self.mails.clone(), self.queue, BATCH_MAX).await?;
        let tried = batch.composed.mails.len() + batch.composed.fates.len();
        self.take(Ok(Ok(batch)));
        while !self.waiting.is_empty() {
            self.start();
            if let Some(group) = self.groups.join_next().await {
                self.end(group);
            }
        }
        self.finish().await;
        Ok(tried)
    }

    /// Mails that may be in line.
    fn room(&self) -> usize {
        let places = self.capacity.groups.saturating_sub(self.groups.len()) * self.capacity.mails;
        let most = if self.mails.traffic.is_heavy() { HEAVY_BATCH_MAX } else { BATCH_MAX };
        (places + self.pace).min(most)
    }

    /// Whether the line is so short that it is time for the next claim.
    fn is_short(&self) -> bool {
        let room = self.room();
        self.claims.is_empty() && self.ended.len() <= BATCH_MAX && self.waiting.len() < room.div_ceil(4)
    }

    /// Begins to claim, if the line is short and it is time to look.
    fn claim(&mut self) {
        let now = Instant::now();
        if now < self.look_at || !self.is_short() {
            return;
        }
        let since = now.duration_since(self.claimed_at).max(Duration::from_millis(1));
        let pace = f64::from(self.ended_since_claim) * AHEAD.as_secs_f64() / since.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand; `as` saturates"
        )]
        let pace = pace.ceil() as usize;
        self.pace = pace.min(BATCH_MAX);
        (self.claimed_at, self.ended_since_claim) = (now, 0);
        let limit = self.room().saturating_sub(self.waiting.len());
        if limit > 0 {
            self.claims.spawn(claim(self.mails.clone(), self.queue, limit));
        }
    }

    /// A claim has ended.
    fn take(&mut self, batch: Result<Result<Batch, sqlx::Error>, JoinError>) {
        let batch = batch.inspect_err(|panicked| error!(error = panicked as &dyn Error, "a claim panicked"));
        let batch = batch.ok().and_then(|batch| self.failures.note("claiming mails", batch));
        self.look_at = Instant::now() + LOOK_EVERY;
        let Some(Batch { composed: Composed { mails, fates }, since, is_full }) = batch else { return };
        if is_full {
            let claimed = u32::try_from(mails.len() + fates.len()).unwrap_or(u32::MAX);
            let is_heavy = self.mails.traffic.is_heavy();
            self.look_at = Instant::now() + if is_heavy { HEAVY_PAUSE * claimed } else { Duration::ZERO };
        }
        self.waiting.extend(mails.into_iter().map(|(claimed, mail)| Waiting { claimed, mail, since }));
        self.note(fates);
    }

    /// Begins as many groups as there are places for.
    fn start(&mut self) {
        while self.groups.len() < self.capacity.groups && !self.waiting.is_empty() {
            let mut group = vec![];
            while group.len() < self.capacity.mails
                && let Some(Waiting { claimed, mail, since }) = self.waiting.pop_front()
            {
                if since.elapsed() < WAIT_MAX {
                    group.push((claimed, mail));
                } else {
                    self.note(vec![(claimed, Fate::NotTried)]);
                }
            }
            if !group.is_empty() {
                self.groups.spawn(carry(self.mails.post.mailer.clone(), self.mails.attempt_max, group));
            }
        }
    }

    /// A group has ended. The mails of one that panicked are sent again when their claims end.
    fn end(&mut self, group: Result<Vec<(Claimed, Fate)>, JoinError>) {
        match group {
            Ok(group) => {
                let ended = u32::try_from(group.len()).unwrap_or(u32::MAX);
                self.ended_since_claim = self.ended_since_claim.saturating_add(ended);
                self.note(group);
            }
            Err(panicked) => error!(error = &panicked as &dyn Error, "an attempt to send mails panicked"),
        }
    }

    fn note(&mut self, fates: Vec<(Claimed, Fate)>) {
        if !fates.is_empty() {
            self.ended_since.get_or_insert_with(Instant::now);
            self.ended.extend(fates);
        }
    }

    /// Begins to record what ended, if that is enough for a batch, has waited long enough, or nothing else is under way.
    fn record(&mut self) {
        let is_last = self.waiting.is_empty() && self.groups.is_empty() && self.claims.is_empty();
        let is_due = self.ended_since.is_some_and(|since| since.elapsed() >= RECORD_WITHIN);
        if self.records.len() < RECORDS_MAX && (self.ended.len() >= BATCH_MAX || is_due || is_last) {
            self.record_all();
        }
    }

    fn record_all(&mut self) {
        self.ended_since = None;
        while !self.ended.is_empty() {
            let batch: Vec<_> = self.ended.drain(..self.ended.len().min(BATCH_MAX)).collect();
            self.records.spawn(record(self.mails.clone(), self.queue, batch));
        }
    }

    /// Waits for what is under way, gives back what was not begun, and records all of it.
    async fn finish(&mut self) {
        while let Some(batch) = self.claims.join_next().await {
            self.take(batch);
        }
        let waiting = self.waiting.drain(..).map(|waiting| (waiting.claimed, Fate::NotTried)).collect();
        self.note(waiting);
        self.record_all();
        while let Some(group) = self.groups.join_next().await {
            self.end(group);
        }
        self.record_all();
        while self.records.join_next().await.is_some() {}
    }

    /// When there is something to do that no task brings.
    fn next_look(&self) -> Instant {
        let now = Instant::now();
        let look_at = if self.is_short() { self.look_at } else { now + LOOK_EVERY };
        let record_at = self.ended_since.filter(|_| self.records.len() < RECORDS_MAX);
        record_at.map_or(look_at, |since| look_at.min(since + RECORD_WITHIN))
    }
}

async fn claim(mails: Mails, queue: Queue, limit: usize) -> Result<Batch, sqlx::Error> {
    let Mails { pool, ambient, post, .. } = &mails;
    let since = Instant::now();
    let batch = queue.claim(pool, &**ambient, limit).await?;
    let is_full = batch.len() == limit;
    Ok(Batch { composed: compose(pool, post, queue, batch).await, since, is_full })
}

/// Hands a group over.
async fn carry(
    mailer: Arc<dyn Mailer>,
    attempt_max: Duration,
    group: Vec<(Claimed, Mail)>,
) -> Vec<(Claimed, Fate)> {
    let (claims, group): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let Ok(results) = timeout(attempt_max, mailer.take(&group)).await else {
        let late = |claimed| (claimed, Fate::Failed("timeout".into(), Again::Soon));
        return claims.into_iter().map(late).collect();
    };
    let fates = results.into_iter().map(|result| match result {
        Ok(()) => Fate::Delivered,
        Err(NotTaken { why, again }) => Fate::Failed(why, again),
    });
    claims.into_iter().zip(fates).collect()
}

/// Records a batch, and tries again while its claims last: what cannot be recorded is sent again.
async fn record(mails: Mails, queue: Queue, batch: Vec<(Claimed, Fate)>) {
    let count = batch.len();
    let columns = queue.columns(&*mails.ambient, batch);
    let recorded = async {
        while let Err(error) = queue.record(&mails.pool, &columns).await {
            debug!(error = &error as &dyn Error, "mails could not be recorded");
            sleep(RECORD_AGAIN).await;
        }
    };
    if timeout(RECORDING_MAX, recorded).await.is_err() {
        warn!(mails = count, "what became of mails could not be recorded; they may be sent again");
    }
}
