//! The handle that the rest of the process talks to: it puts commands into the queue of their
//! partition and waits for the answers, both with a bound.

use crate::ask::{Accepted, Ask, ExecuteError};
use crate::commits::{Commits, Committed};
use crate::flusher::{Flusher, Owner};
use crate::message::{Envelope, Message, Query};
use crate::partition::InventoryView;
use holdfast_ambient::Ambient;
use holdfast_domain::{Booking, BookingId, InventoryId};
use sqlx::{PgPool, postgres::PgConnectOptions};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// How the writer runs.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// Names this process.
    pub owner: Uuid,
    /// Where it listens.
    pub owner_address: String,
    /// At the start, take live leases too, because their owners are known to be dead.
    pub force: bool,
    /// Tasks that append, each with a connection and its share of the partitions.
    pub flushers: u16,
    /// Commands and reads that may wait for one partition; as many for the load of one inventory; as many
    /// inventories of a partition for their loads.
    pub queue_commands_max: usize,
    /// Bookings kept in memory over all inventories; idle inventories leave first.
    pub memory_bookings_max: usize,
    /// How long a command waits for its answer at most. After that it is `OutcomeUnknown`.
    pub answer_within: Duration,
}

/// Postgres has not answered for so long: it is gone, and who waits for it is told so.
const SILENT_MAX: Duration = Duration::from_millis(900);

/// An append has the same plan whatever is in it. Left to itself, Postgres plans some of them anew: measured, that takes
/// a twentieth of the bookings of 64 connections.
const PLANNED_ONCE: (&str, &str) = ("plan_cache_mode", "force_generic_plan");

impl WriterConfig {
    /// What suits one process that owns the whole log.
    #[must_use]
    pub fn new(owner: Uuid, owner_address: String) -> Self {
        Self {
            owner,
            owner_address,
            force: false,
            flushers: 2,
            queue_commands_max: 2_048,
            memory_bookings_max: 4_000_000,
            answer_within: Duration::from_secs(5),
        }
    }
}

/// What the writer is able to do right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterStatus {
    /// Partitions of the log.
    pub partitions: u16,
    /// Of these, the ones this process owns and can write.
    pub owned: u16,
    /// Bookings in memory, as of the last look.
    pub resident_bookings: usize,
}

/// What one flusher makes known of itself.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    pub(crate) owned: AtomicU16,
    pub(crate) resident_bookings: AtomicUsize,
    /// When the statement that is in flight was sent.
    statement_sent_at: Mutex<Option<Instant>>,
}

impl Gauge {
    pub(crate) fn statement_sent(&self, at: Option<Instant>) {
        *self.statement_sent_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Whether Postgres has left a statement unanswered for too long.
    fn is_silent(&self) -> bool {
        let sent_at = *self.statement_sent_at.lock().unwrap_or_else(PoisonError::into_inner);
        sent_at.is_some_and(|at| at.elapsed() >= SILENT_MAX)
    }
}

/// Handle to the writer's tasks; cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    partitions: u16,
    queues: Vec<mpsc::Sender<Message>>,
    /// Free places in each partition's queue.
    places: Vec<Arc<Semaphore>>,
    gauges: Vec<Arc<Gauge>>,
    commits: Commits,
    answer_within: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Writer {
    /// Takes the partitions over and starts the tasks. What cannot be taken yet is taken when it can be.
    ///
    /// # Errors
    /// If the log's number of partitions cannot be read.
    pub async fn start(
        pool: PgPool,
        connect: PgConnectOptions,
        ambient: Arc<dyn Ambient>,
        config: WriterConfig,
    ) -> Result<Self, sqlx::Error> {
        let partitions = holdfast_event_log::partitions(&pool).await?;
        let connect = connect.options([PLANNED_ONCE]);
        let flushers = config.flushers.clamp(1, partitions);
        let commits = Commits::default();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (mut queues, mut gauges) = (Vec::new(), Vec::new());
        for index in 0..flushers {
            let mine: Vec<u16> = (index..partitions).step_by(usize::from(flushers)).collect();
            let (queue, inbox) = mpsc::channel(config.queue_commands_max.saturating_mul(mine.len()));
            let owner =
                Owner { id: config.owner, address: config.owner_address.clone(), force: config.force };
            let budget = config.memory_bookings_max / usize::from(flushers);
            let mut flusher = Flusher::new(
                pool.clone(),
                connect.clone(),
                ambient.clone(),
                owner,
                partitions,
                mine,
                config.queue_commands_max,
                budget,
                commits.clone(),
            );
            gauges.push(flusher.gauge());
            flusher.take_over().await;
            tasks.spawn(flusher.run(inbox, stop.clone()));
            queues.push(queue);
        }
        tasks.close();
        let places = (0..partitions).map(|_| Arc::new(Semaphore::new(config.queue_commands_max))).collect();
        let answer_within = config.answer_within;
        Ok(Self(Arc::new(Shared { partitions, queues, places, gauges, commits, answer_within, stop, tasks })))
    }

    /// Decides a command, writes its events, and answers.
    ///
    /// # Errors
    /// See [`ExecuteError`]: it says whether anything may have been written.
    pub async fn execute(&self, ask: Ask) -> Result<Accepted, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        let inventory_id = ask.inventory_id;
        self.send(inventory_id, |place| Message::Command(Envelope::new(ask, reply, place)))?;
        self.answered(inventory_id, answer).await.unwrap_or(Err(ExecuteError::OutcomeUnknown))
    }

    /// The inventory as it is, all that was answered included.
    ///
    /// # Errors
    /// `Refused(UnknownInventory)`, `Overloaded`, `Unavailable`.
    pub async fn inventory(&self, id: InventoryId) -> Result<InventoryView, ExecuteError> {
        self.query(id, |reply| Query::Inventory(id, reply)).await
    }

    /// A booking as it is, all that was answered included.
    ///
    /// # Errors
    /// `Refused(UnknownBooking)`, `Overloaded`, `Unavailable`.
    pub async fn booking(
        &self,
        inventory_id: InventoryId,
        booking_id: BookingId,
    ) -> Result<Booking, ExecuteError> {
        self.query(inventory_id, |reply| Query::Booking(inventory_id, booking_id, reply)).await
    }

    /// Brings an inventory into memory, so that its bookings that are due are ended. Best effort.
    pub fn wake(&self, id: InventoryId) {
        if let Err(error) = self.send(id, |place| Message::Query(Query::Wake(id), Some(place))) {
            tracing::debug!(inventory.id = %id, %error, "an inventory was not woken; the next sweep tries again");
        }
    }

    /// Changes whenever events have committed; wakes projectors of this process.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.signal()
    }

    /// What commits from now on, to be folded without reading it from the log. Whoever falls behind loses
    /// the oldest, and has the log to read them from.
    #[must_use]
    pub fn committed(&self) -> broadcast::Receiver<Committed> {
        self.0.commits.events()
    }

    /// What the writer is able to do right now.
    #[must_use]
    pub fn status(&self) -> WriterStatus {
        let gauges = self.0.gauges.iter();
        WriterStatus {
            partitions: self.0.partitions,
            owned: gauges.clone().map(|g| g.owned.load(Ordering::Relaxed)).sum(),
            resident_bookings: gauges.map(|g| g.resident_bookings.load(Ordering::Relaxed)).sum(),
        }
    }

    /// Takes no more commands, finishes those it has, gives the leases up.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tasks.wait().await;
    }

    async fn query<T>(
        &self,
        id: InventoryId,
        query: impl FnOnce(oneshot::Sender<Result<T, ExecuteError>>) -> Query,
    ) -> Result<T, ExecuteError> {
        let (reply, answer) = oneshot::channel();
        self.send(id, |place| Message::Query(query(reply), Some(place)))?;
        self.answered(id, answer).await.unwrap_or(Err(ExecuteError::Unavailable))
    }

    /// Waits for an answer, but not for a Postgres that has fallen silent. None: there will be no answer.
    async fn answered<T>(&self, id: InventoryId, mut answer: oneshot::Receiver<T>) -> Option<T> {
        let until = Instant::now() + self.0.answer_within;
        loop {
            let next = until.min(Instant::now() + SILENT_MAX);
            if let Ok(answer) = timeout_at(next, &mut answer).await {
                return answer.ok();
            }
            if Instant::now() >= until || self.gauge(id).is_none_or(Gauge::is_silent) {
                return None;
            }
        }
    }

    /// Which of the flushers appends for this inventory.
    fn flusher(&self, id: InventoryId) -> Option<usize> {
        usize::from(id.log_partition(self.0.partitions)).checked_rem(self.0.queues.len())
    }

    fn gauge(&self, id: InventoryId) -> Option<&Gauge> {
        self.0.gauges.get(self.flusher(id)?).map(AsRef::as_ref)
    }

    fn send(
        &self,
        id: InventoryId,
        message: impl FnOnce(OwnedSemaphorePermit) -> Message,
    ) -> Result<(), ExecuteError> {
        if self.0.stop.is_cancelled() {
            return Err(ExecuteError::Unavailable);
        }
        if self.gauge(id).is_none_or(Gauge::is_silent) {
            return Err(ExecuteError::Unavailable);
        }
        let partition = usize::from(id.log_partition(self.0.partitions));
        let places = self.0.places.get(partition).ok_or(ExecuteError::Unavailable)?;
        let place = places.clone().try_acquire_owned().map_err(|_| ExecuteError::Overloaded)?;
        let queue = self.flusher(id).and_then(|index| self.0.queues.get(index));
        let queue = queue.ok_or(ExecuteError::Unavailable)?;
        queue.try_send(message(place)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ExecuteError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ExecuteError::Unavailable,
        })
    }
}
