//! A flusher: owns a share of the partitions and one connection, and appends for all of them at once.
//!
//! One round: take what has gathered → decide it in memory → one append → answer. While an append is
//! in flight the next round gathers, so batches are as large as the load makes them; there is no timer.

mod appending;
mod memory;
mod owning;

pub(crate) use owning::Owner;

use crate::ask::ExecuteError;
use crate::batch::Batch;
use crate::cold_load::LoadError;
use crate::commits::Commits;
use crate::message::{Envelope, Message, Query};
use crate::partition::{Partition, Resident, Step};
use crate::writer::Gauge;
use holdfast_ambient::Ambient;
use holdfast_domain::{Inventory, InventoryId, Refused};
use holdfast_event_log as log;
use memory::{Load, park};
use sqlx::{PgConnection, PgPool, postgres::PgConnectOptions};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Commands of one round: bounds the time until the first of them is answered.
const ROUND_COMMANDS_MAX: usize = 1_000;
/// How often bookings, leases and memory are looked after: bounds how late a hold is seen to end.
const TICK: Duration = Duration::from_millis(100);
/// A lease lasts three times as long.
const RENEW_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Flusher {
    pool: PgPool,
    connect: PgConnectOptions,
    connection: Option<PgConnection>,
    ambient: Arc<dyn Ambient>,
    owner: Owner,
    /// Of the whole log.
    log_partitions: u16,
    /// Those this flusher appends to.
    partitions: BTreeMap<u16, Partition>,
    loads: JoinSet<Result<Inventory, LoadError>>,
    loading: HashMap<task::Id, Load>,
    /// Loaded, and found to have no events: unless this round opens them, they are not kept.
    unborn: Vec<(u16, InventoryId)>,
    to_load: VecDeque<Load>,
    renewed_at: Instant,
    memory_bookings_max: usize,
    commits: Commits,
    gauge: Arc<Gauge>,
}

impl Flusher {
    #[expect(clippy::too_many_arguments, reason = "its parts, each of its own type; called once")]
    pub(crate) fn new(
        pool: PgPool,
        connect: PgConnectOptions,
        ambient: Arc<dyn Ambient>,
        owner: Owner,
        log_partitions: u16,
        partitions: Vec<u16>,
        waiting_max: usize,
        memory_bookings_max: usize,
        commits: Commits,
    ) -> Self {
        let partition = |number| (number, Partition::new(number, waiting_max));
        Self {
            pool,
            connect,
            connection: None,
            ambient,
            owner,
            log_partitions,
            partitions: partitions.into_iter().map(partition).collect(),
            loads: JoinSet::new(),
            loading: HashMap::new(),
            unborn: Vec::new(),
            to_load: VecDeque::new(),
            renewed_at: Instant::now(),
            memory_bookings_max,
            commits,
            gauge: Arc::default(),
        }
    }

    /// What this flusher makes known of itself.
    pub(crate) fn gauge(&self) -> Arc<Gauge> {
        self.gauge.clone()
    }

    /// Runs until `stop`, then finishes what was in the queue and gives the leases up.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Message>, stop: CancellationToken) {
        let mut gathered = Vec::with_capacity(ROUND_COMMANDS_MAX);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(loaded) = self.loads.join_next_with_id() => self.loaded(loaded, &mut gathered),
                _ = tick.tick() => self.look_after().await,
                () = stop.cancelled(), if !inbox.is_closed() => inbox.close(),
                taken = inbox.recv_many(&mut gathered, ROUND_COMMANDS_MAX) => {
                    if taken == 0 {
                        break; // closed, and everything in it is answered or waits for a load
                    }
                }
            }
            self.round(&mut gathered).await;
        }
        self.end().await;
    }

    /// Refuses who still waits for a load, and gives the leases of this flusher up.
    async fn end(&mut self) {
        let owned: Vec<_> = self.partitions.values().filter_map(|p| p.owned.map(|o| o.head)).collect();
        for message in self.partitions.values_mut().flat_map(Partition::drop_memory) {
            message.fail(ExecuteError::Unavailable);
        }
        if let Err(error) =
            self.with_connection(async |conn, owner| Ok(log::release(conn, &owned, owner.id).await?)).await
        {
            tracing::warn!(%error, "the leases were not given up; a successor waits until they end");
        }
    }

    /// Decides and appends everything that has gathered, and answers it.
    async fn round(&mut self, gathered: &mut Vec<Message>) {
        let mut todo = std::mem::take(gathered);
        let mut failed = false;
        while !todo.is_empty() || self.partitions.values().any(|p| p.end_due) {
            let mut batch = Batch::default();
            let mut look_up = Vec::new();
            let mut left = self.decide(&mut todo, &mut batch, &mut look_up, failed);
            match self.flush(batch).await {
                Ok(again) => left.extend(again),
                Err(again) => {
                    failed = true;
                    left.extend(again.into_iter().filter_map(Message::failed));
                }
            }
            left.extend(self.look_up(look_up).await);
            todo.append(&mut left);
        }
        self.forget_unborn();
        std::mem::swap(gathered, &mut todo); // the allocation is used again
    }

    /// Decides messages, partition by partition: events of one partition come together in the append.
    /// With `alone` only one partition gets into the batch: an append of several was refused, and one that
    /// is at fault must not take the others along. Returns what the batch had no room for.
    fn decide(
        &mut self,
        todo: &mut Vec<Message>,
        batch: &mut Batch,
        look_up: &mut Vec<Envelope>,
        alone: bool,
    ) -> Vec<Message> {
        for message in todo.drain(..).filter(|message| !message.is_abandoned()) {
            match self.partitions.get_mut(&message.inventory_id().log_partition(self.log_partitions)) {
                Some(partition) if partition.owned.is_some() => partition.gather(message),
                _ => message.fail(ExecuteError::Unavailable),
            }
        }
        let ambient = &*self.ambient;
        let mut left = Vec::new();
        for partition in self.partitions.values_mut() {
            let full = alone && !batch.append.is_empty();
            for (query, place) in std::mem::take(&mut partition.queries) {
                match partition.residents.get(&query.inventory_id()) {
                    Some(_) => answer_query(partition, query),
                    None => park(partition, Message::Query(query, place), &mut self.to_load),
                }
            }
            if partition.end_due && !full {
                partition.end_due = false;
                partition.end_due(batch, ambient);
            }
            for envelope in std::mem::take(&mut partition.commands) {
                if full || batch.is_full() {
                    left.push(Message::Command(envelope));
                    continue;
                }
                match partition.decide(envelope, batch, ambient) {
                    Step::Done => {}
                    Step::LookUp(envelope) => look_up.push(envelope),
                    Step::Load(envelope) => park(partition, Message::Command(envelope), &mut self.to_load),
                }
            }
        }
        self.start_loads();
        left
    }

    /// The regular work: ends bookings, renews leases, takes over what was lost, forgets what is idle.
    async fn look_after(&mut self) {
        self.refuse_late();
        let now = self.ambient.now();
        let due = |r: &Resident| r.state.is_due(now);
        for partition in self.partitions.values_mut().filter(|p| p.owned.is_some()) {
            partition.end_due =
                partition.end_due_from <= Instant::now() && partition.residents.values().any(due);
        }
        if self.renewed_at.elapsed() < RENEW_EVERY {
            if self.partitions.values().any(|p| p.owned.is_none()) {
                self.take_over().await;
            }
            return;
        }
        self.renewed_at = Instant::now();
        self.renew().await;
        self.take_over().await;
        self.evict(now);
    }
}

fn answer_query(partition: &Partition, query: Query) {
    match query {
        Query::Inventory(id, reply) => {
            drop(reply.send(partition.view(id).unwrap_or(Err(ExecuteError::Unavailable))));
        }
        Query::Booking(id, booking_id, reply) => {
            let booking = partition.residents.get(&id).and_then(|r| r.state.booking(booking_id).copied());
            drop(reply.send(booking.ok_or(Refused::UnknownBooking.into())));
        }
        Query::Wake(_) => {}
    }
}

/// However the flusher ends, nobody is told any more that its partitions can be written.
impl Drop for Flusher {
    fn drop(&mut self) {
        self.gauge.owned.store(0, Ordering::Relaxed);
    }
}
