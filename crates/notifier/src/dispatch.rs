//! Which webhooks are under way: what a notifier has claimed of each endpoint, from its claim to its record.
//!
//! Shape: wait for the queue's inlet, an ended attempt, claim or record, a tick or shutdown → begin attempts, up to five of
//! each endpoint → record what ended, many at once → claim, where an endpoint's lane is short. There are places for five
//! attempts of every endpoint that can exist, so one that hangs takes no place from another.
//!
//! Bounds: of one endpoint five are claimed, and beyond that what it takes in a second, at most [`AHEAD_MAX`]. What has waited
//! so long that its claim could end during its attempt is given back.

use crate::{
    claims::{Claimed, Holdings},
    deliverer::{Deliverer, IN_FLIGHT_PER_ENDPOINT_MAX, Ready},
    failure_log::FailureLog,
    records::Attempted,
};
use futures::FutureExt as _;
use std::{
    collections::{HashMap, VecDeque},
    error::Error,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};
use uuid::Uuid;

/// Between two looks at the queue while nothing calls: how late a retry is, and what another process queued.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two looks while much is queued: what comes in between is claimed together.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Between two claims while traffic is heavy.
const HEAVY_LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Pause for each claimed delivery while traffic is heavy: at most 500 a second.
const HEAVY_PAUSE: Duration = Duration::from_millis(2);
/// Deliveries of one endpoint that are claimed beyond those under way: bounds memory, and what a crash holds up.
const AHEAD_MAX: usize = 100;
/// Attempts of one record: bounds its statement.
const BATCH_MAX: usize = 500;
/// How long what ended may wait to be recorded with more: a crash sends it again.
const RECORD_WITHIN: Duration = Duration::from_millis(50);
/// Records under way at a time: one that waits for a lock holds back no other.
const RECORDS_MAX: usize = 2;
/// How long attempts under way may take to end at shutdown; what is cut off is sent again.
const END_MAX: Duration = Duration::from_secs(3);

/// All endpoints, of one notifier.
#[derive(Debug)]
pub(crate) struct Dispatch {
    deliverer: Arc<Deliverer>,
    lanes: HashMap<Uuid, Lane>,
    /// Claims that stand, and how many deliveries of each are not recorded.
    standing: HashMap<Uuid, usize>,
    attempts: JoinSet<(Claimed, Instant, Option<Attempted>)>,
    ended: Vec<(Attempted, Instant)>,
    /// Since when the first of them waits to be recorded.
    ended_since: Option<Instant>,
    records: JoinSet<Vec<Claimed>>,
    /// At most one.
    claims: JoinSet<Result<Vec<Ready>, sqlx::Error>>,
    looked_at: Instant,
    look_at: Instant,
    /// No claim before.
    pauses_until: Instant,
    failures: FailureLog,
    is_failing: bool,
}

/// What is claimed of one endpoint.
#[derive(Debug)]
struct Lane {
    waiting: VecDeque<Ready>,
    under_way: usize,
    ended_since_claim: u32,
    claimed_at: Instant,
    /// Deliveries that the endpoint takes in a second, by what ended before the last claim.
    pace: usize,
    /// How many of those that the last claim asked for it has not brought.
    asked: usize,
    /// Whether it brought all: more may be due.
    has_more: bool,
}

impl Lane {
    fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            under_way: 0,
            ended_since_claim: 0,
            claimed_at: Instant::now(),
            pace: 0,
            asked: IN_FLIGHT_PER_ENDPOINT_MAX,
            has_more: false,
        }
    }

    /// What is claimed and not sent.
    fn claimed(&self) -> usize {
        self.waiting.len() + self.under_way
    }

    /// How many of the endpoint's may be claimed.
    fn claims_max(&self) -> usize {
        IN_FLIGHT_PER_ENDPOINT_MAX + self.pace
    }

    /// Whether more is to be claimed at once, and not with the next look.
    fn is_short(&self) -> bool {
        let room = self.claims_max().saturating_sub(self.under_way);
        self.has_more && self.waiting.len() < room.div_ceil(4)
    }

    /// Notes that the endpoint is claimed from now.
    fn begin_claim(&mut self, now: Instant) {
        let since = now.duration_since(self.claimed_at).max(Duration::from_millis(1));
        let pace = f64::from(self.ended_since_claim) / since.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand; `as` saturates"
        )]
        let pace = pace.ceil() as usize;
        self.pace = pace.min(AHEAD_MAX);
        (self.claimed_at, self.ended_since_claim) = (now, 0);
    }
}

impl Dispatch {
    pub(crate) fn new(deliverer: Deliverer) -> Self {
        let now = Instant::now();
        Self {
            deliverer: Arc::new(deliverer),
            lanes: HashMap::new(),
            standing: HashMap::new(),
            attempts: JoinSet::new(),
            ended: vec![],
            ended_since: None,
            records: JoinSet::new(),
            claims: JoinSet::new(),
            looked_at: now,
            look_at: now,
            pauses_until: now,
            failures: FailureLog::default(),
            is_failing: false,
        }
    }

    /// Sends until `shutdown`. `wake` changes when something may have been queued.
    pub(crate) async fn run<T: Send + Sync>(
        mut self,
        mut wake: watch::Receiver<T>,
        shutdown: CancellationToken,
    ) {
        let mut is_woken = true;
        loop {
            self.start();
            self.record();
            self.claim();
            let next = self.next_look();
            tokio::select! {
                Some(claimed) = self.claims.join_next() => self.take(claimed),
                Some(attempt) = self.attempts.join_next() => self.end(attempt),
                Some(recorded) = self.records.join_next() => self.forget(recorded),
                changed = wake.changed(), if is_woken && !self.is_failing => {
                    is_woken = changed.is_ok();
                    self.look_at = self.look_at.min(self.looked_at + LOOK_AGAIN);
                }
                () = sleep_until(next) => {}
                () = shutdown.cancelled() => break,
            }
            while let Some(attempt) = self.attempts.try_join_next() {
                self.end(attempt);
            }
        }
        if timeout(END_MAX, self.finish()).await.is_err() {
            debug!("attempts were cut off; they are made again");
        }
    }

    /// Sends what is due now, up to five of each endpoint.
    pub(crate) async fn run_once(mut self) -> Result<usize, sqlx::Error> {
        let ready = self.deliverer.claim(Holdings::default()).await?;
        let attempts = ready.len();
        self.take(Ok(Ok(ready)));
        self.start();
        self.finish().await;
        Ok(attempts)
    }

    /// Begins to claim, if it is time to look, or an endpoint's lane is short.
    fn claim(&mut self) {
        let now = Instant::now();
        if !self.may_claim() || now < self.claim_at() {
            return;
        }
        let held = self.holdings(now);
        (self.looked_at, self.look_at) = (now, now + LOOK_EVERY);
        let deliverer = self.deliverer.clone();
        self.claims.spawn(async move { deliverer.claim(held).await });
    }

    /// When to claim next: at once where a lane is short, but for a pause.
    fn claim_at(&self) -> Instant {
        let is_short = !self.is_failing && self.lanes.values().any(Lane::is_short);
        let at = if is_short { self.looked_at } else { self.look_at };
        at.max(self.pauses_until)
    }

    /// Whether no claim is under way, and what ended does not wait for Postgres.
    fn may_claim(&self) -> bool {
        self.claims.is_empty() && self.ended.len() <= BATCH_MAX
    }

    fn holdings(&mut self, now: Instant) -> Holdings {
        // An endpoint of which nothing is in hand is as one that never was.
        self.lanes.retain(|_, lane| lane.claimed() > 0 || lane.ended_since_claim > 0);
        let mut held = Holdings { claim_ids: self.standing.keys().copied().collect(), ..Holdings::default() };
        for (endpoint_id, lane) in &mut self.lanes {
            lane.begin_claim(now);
            lane.asked = lane.claims_max().saturating_sub(lane.claimed());
            lane.has_more = lane.asked == 0;
            if lane.asked == 0 {
                held.busy.push(*endpoint_id);
                continue;
            }
            held.endpoints.push(*endpoint_id);
            held.claimed.push(number(lane.claimed()));
            held.claims_max.push(number(lane.claims_max()));
        }
        held
    }

    /// A claim has ended.
    fn take(&mut self, claimed: Result<Result<Vec<Ready>, sqlx::Error>, JoinError>) {
        let claimed =
            claimed.inspect_err(|panicked| error!(error = panicked as &dyn Error, "a claim panicked"));
        let claimed = claimed.ok().and_then(|claimed| self.failures.note("claiming webhooks", claimed));
        self.is_failing = claimed.is_none();
        if self.deliverer.traffic.is_heavy() {
            let count = claimed.as_ref().map_or(0, Vec::len);
            let pause = HEAVY_PAUSE * u32::try_from(count).unwrap_or(u32::MAX);
            self.pauses_until = Instant::now() + pause.max(HEAVY_LOOK_AGAIN);
        }
        for ready in claimed.unwrap_or_default() {
            *self.standing.entry(ready.claimed.claim_id).or_default() += 1;
            let lane = self.lanes.entry(ready.claimed.owed.endpoint_id).or_insert_with(Lane::new);
            lane.waiting.push_back(ready);
            lane.asked = lane.asked.saturating_sub(1);
            lane.has_more = lane.asked == 0;
        }
    }

    /// Begins as many attempts as there are places for.
    fn start(&mut self) {
        let mut unbegun = vec![];
        for lane in self.lanes.values_mut() {
            while lane.under_way < IN_FLIGHT_PER_ENDPOINT_MAX
                && let Some(ready) = lane.waiting.pop_front()
            {
                if Instant::now() < ready.begin_by {
                    lane.under_way += 1;
                    self.attempts.spawn(attempt(self.deliverer.clone(), ready));
                } else {
                    unbegun.push(ready.claimed);
                }
            }
        }
        self.release(unbegun);
    }

    fn release(&mut self, unbegun: Vec<Claimed>) {
        if !unbegun.is_empty() {
            let deliverer = self.deliverer.clone();
            self.records.spawn(async move {
                deliverer.release(&unbegun).await;
                unbegun
            });
        }
    }

    /// An attempt has ended. One that was cut off is made again when its claim ends.
    fn end(&mut self, attempt: Result<(Claimed, Instant, Option<Attempted>), JoinError>) {
        let Ok((claimed, end_by, attempted)) = attempt else { return };
        if let Some(lane) = self.lanes.get_mut(&claimed.owed.endpoint_id) {
            lane.under_way = lane.under_way.saturating_sub(1);
            lane.ended_since_claim = lane.ended_since_claim.saturating_add(1);
        }
        match attempted {
            Some(attempted) => {
                self.ended_since.get_or_insert_with(Instant::now);
                self.ended.push((attempted, end_by));
            }
            None => self.forget(Ok(vec![claimed])),
        }
    }

    /// Begins to record what ended, if that is enough for a batch, has waited long enough, or nothing else is under way.
    fn record(&mut self) {
        let is_last = self.attempts.is_empty() && self.claims.is_empty();
        let is_due = self.ended_since.is_some_and(|since| since.elapsed() >= RECORD_WITHIN);
        if self.records.len() < RECORDS_MAX && (self.ended.len() >= BATCH_MAX || is_due || is_last) {
            self.record_all();
        }
    }

    fn record_all(&mut self) {
        self.ended_since = None;
        while !self.ended.is_empty() {
            let batch = self.ended.drain(..self.ended.len().min(BATCH_MAX));
            let (batch, ends): (Vec<_>, Vec<_>) = batch.unzip();
            let end_by = ends.into_iter().min().unwrap_or_else(Instant::now);
            let deliverer = self.deliverer.clone();
            self.records.spawn(async move {
                let claims = batch.iter().map(|attempted| attempted.claimed.clone()).collect();
                deliverer.record(batch, end_by).await;
                claims
            });
        }
    }

    /// Claims that no longer stand, or that end by themselves.
    fn forget(&mut self, claims: Result<Vec<Claimed>, JoinError>) {
        for claimed in claims.unwrap_or_default() {
            if let Some(standing) = self.standing.get_mut(&claimed.claim_id) {
                *standing -= 1;
                if *standing == 0 {
                    self.standing.remove(&claimed.claim_id);
                }
            }
        }
    }

    /// Waits for what is under way, gives back what was not begun, and records all of it.
    async fn finish(&mut self) {
        if !self.attempts.is_empty() {
            info!(attempts = self.attempts.len(), "the notifier waits for attempts under way");
        }
        while let Some(claimed) = self.claims.join_next().await {
            self.take(claimed);
        }
        let waiting = self.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..));
        let waiting = waiting.map(|ready| ready.claimed).collect();
        self.release(waiting);
        self.record_all();
        while let Some(attempt) = self.attempts.join_next().await {
            self.end(attempt);
        }
        self.record_all();
        while let Some(recorded) = self.records.join_next().await {
            self.forget(recorded);
        }
    }

    /// When there is something to do that no task brings.
    fn next_look(&self) -> Instant {
        let look_at = if self.may_claim() { self.claim_at() } else { Instant::now() + LOOK_EVERY };
        let record_at = self.ended_since.filter(|_| self.records.len() < RECORDS_MAX);
        record_at.map_or(look_at, |since| look_at.min(since + RECORD_WITHIN))
    }
}

/// One attempt, with its claim and when that is to be recorded.
async fn attempt(deliverer: Arc<Deliverer>, ready: Ready) -> (Claimed, Instant, Option<Attempted>) {
    let (claimed, end_by) = (ready.claimed.clone(), ready.end_by);
    let attempted = AssertUnwindSafe(deliverer.attempt(ready)).catch_unwind().await;
    let attempted = attempted.unwrap_or_else(|_| {
        error!("an attempt panicked");
        None
    });
    (claimed, end_by, attempted)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
