//! Which connections are open, how many there may be, and which give way to new ones.
//!
//! Guarantee: a client that opens connections and sends nothing keeps no other client out. When there is no place, the connection
//! that has been idle for longest gives way: one that has sent no whole head, or waits for its next request. Requests in flight
//! are never cut for a new connection.
//! A request costs two stores into its connection's entry; locks are taken only when a connection opens or closes.

use rustc_hash::FxHashMap;
use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// Most connections of a process: each costs some 20 KiB.
const CONNECTIONS_MAX: usize = 10_000;
/// Descriptors left for everything else: connections to Postgres and Kafka, mail and webhooks, files, and the runtime's own.
const DESCRIPTORS_RESERVED: usize = 256;
/// Connections of one address: twice as many as a load generator with 500 users has.
const PER_ADDRESS: usize = 1_000;
/// How often it is looked for a connection that has become idle, while all are busy and one waits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How many connections a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// At a time; later ones wait in the listener's queue.
    pub total: usize,
    /// Of one address at a time; more are closed at once.
    pub per_address: usize,
}

impl ConnectionLimits {
    /// Of a process that may have `descriptors` open: what is left after a reserve, and at least half of them.
    /// `per_address` as asked for, else the usual number.
    #[must_use]
    pub fn within(descriptors: usize, per_address: Option<usize>) -> Self {
        let left = descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(descriptors / 2);
        let total = left.clamp(1, CONNECTIONS_MAX);
        Self { total, per_address: per_address.unwrap_or(PER_ADDRESS).min(total) }
    }
}

/// The open connections of one listener.
pub(super) struct Connections {
    limits: ConnectionLimits,
    places: Arc<Semaphore>,
    began: Instant,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    open: FxHashMap<u64, Arc<Entry>>,
    by_address: FxHashMap<IpAddr, usize>,
}

/// The right to have one more connection.
pub(super) type Place = OwnedSemaphorePermit;

/// What is known of a connection.
pub(super) struct Entry {
    address: IpAddr,
    began: Instant,
    in_flight: AtomicU32,
    has_had_requests: AtomicBool,
    /// Nanoseconds after `began`: of two, one is always longer idle.
    idle_since: AtomicU64,
    gives_way: CancellationToken,
}

/// An open connection; closed when it is dropped.
pub(super) struct Open {
    number: u64,
    entry: Arc<Entry>,
    entries: Arc<Mutex<Entries>>,
    _place: Place,
}

/// A request in flight; answered when it is dropped.
pub(super) struct InFlight(Arc<Entry>);

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.total));
        Self { limits, places, began: Instant::now(), entries: Arc::default() }
    }

    /// A place for one more; the longest idle connection gives way for it if there is none. None: never.
    pub(super) async fn place(&self) -> Option<Place> {
        loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return Some(place);
            }
            lock(&self.entries).longest_idle_gives_way(None);
            if let Ok(place) = timeout(LOOK_EVERY, self.places.clone().acquire_owned()).await {
                return place.ok();
            }
        }
    }

    /// Opens a connection of `address`. None: it has as many as it may, and none of them is idle.
    pub(super) fn open(&self, address: IpAddr, place: Place) -> Option<Open> {
        let mut entries = lock(&self.entries);
        let of_it = entries.by_address.get(&address).copied().unwrap_or(0);
        if of_it >= self.limits.per_address && !entries.longest_idle_gives_way(Some(address)) {
            return None;
        }
        *entries.by_address.entry(address).or_default() += 1;
        entries.next += 1;
        let number = entries.next;
        let entry = Arc::new(Entry::new(address, self.began));
        entries.open.insert(number, entry.clone());
        Some(Open { number, entry, entries: self.entries.clone(), _place: place })
    }
}

impl Entries {
    /// Tells the connection that has been idle for longest, of this address or of all, to close. False: none is idle.
    fn longest_idle_gives_way(&self, address: Option<IpAddr>) -> bool {
        let of_it = |entry: &&Arc<Entry>| address.is_none_or(|address| entry.address == address);
        let idle = self
            .open
            .values()
            .filter(of_it)
            .filter(|entry| entry.is_idle() && !entry.gives_way.is_cancelled());
        let longest = idle.min_by_key(|entry| entry.idle_since.load(Ordering::Relaxed));
        longest.inspect(|entry| entry.gives_way.cancel()).is_some()
    }
}

impl Entry {
    fn new(address: IpAddr, began: Instant) -> Self {
        let entry = Self {
            address,
            began,
            in_flight: AtomicU32::new(0),
            has_had_requests: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            gives_way: CancellationToken::new(),
        };
        entry.is_idle_from_now();
        entry
    }

    /// A request's head is there.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.has_had_requests.store(true, Ordering::Relaxed);
        InFlight(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }

    fn is_idle_from_now(&self) {
        let since = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.idle_since.store(since, Ordering::Relaxed);
    }
}

impl Open {
    pub(super) fn address(&self) -> IpAddr {
        self.entry.address
    }

    pub(super) fn entry(&self) -> Arc<Entry> {
        self.entry.clone()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.entry.is_idle()
    }

    pub(super) fn has_had_requests(&self) -> bool {
        self.entry.has_had_requests.load(Ordering::Relaxed)
    }

    /// Ends when a new connection needs the place.
    pub(super) async fn gives_way(&self) {
        self.entry.gives_way.cancelled().await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut entries = lock(&self.entries);
        entries.open.remove(&self.number);
        if let Some(count) = entries.by_address.get_mut(&self.entry.address) {
            *count -= 1;
            if *count == 0 {
                entries.by_address.remove(&self.entry.address);
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.is_idle_from_now();
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// No code panics while it holds the lock; were one to, the numbers are as good as before.
fn lock(entries: &Mutex<Entries>) -> MutexGuard<'_, Entries> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        let limits = |descriptors| ConnectionLimits::within(descriptors, None);
        assert_eq!(limits(1_024), ConnectionLimits { total: 768, per_address: 768 });
        assert_eq!(limits(1_048_576), ConnectionLimits { total: 10_000, per_address: 1_000 });
        assert_eq!(limits(100), ConnectionLimits { total: 50, per_address: 50 });
        assert_eq!(ConnectionLimits::within(4_096, Some(7)).per_address, 7);
    }
}
