//! Which connections are open, how many there may be, and which give way to new ones.
//!
//! Guarantee: a client that opens connections and sends nothing keeps no other client out. When there is no place, the connection
//! that has been idle for longest gives way: one that has sent no whole head, or waits for its next request. Requests in flight
//! are never cut for a new connection. One of an address that has as many as it may takes the place of another of that address, or none.
//! A request costs two stores into its connection's entry; locks are taken only when a connection opens or closes.

use crate::network::network;
use axum::body::{Body, Bytes, HttpBody};
use futures::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use rustc_hash::FxHashMap;
use std::{
    future::poll_fn,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

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
    /// Of one address (of IPv6: of a /64) at a time; more are closed at once.
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
    by_network: FxHashMap<Ipv6Addr, usize>,
}

/// What is known of a connection.
pub(super) struct Entry {
    address: IpAddr,
    began: Instant,
    in_flight: AtomicU32,
    has_had_requests: AtomicBool,
    /// Nanoseconds after `began`: of two, one is always longer idle.
    idle_since: AtomicU64,
    asked: AtomicU8,
    waker: AtomicWaker,
}

/// What a connection is asked to do. Each is more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Asked {
    Nothing,
    /// A new connection needs the place: end after the answer that is under way.
    GiveWay,
    /// The server stops: end after the answer that is under way.
    Drain,
    /// End now.
    Abort,
}

/// An open connection; closed when it is dropped.
pub(super) struct Open {
    number: u64,
    entry: Arc<Entry>,
    entries: Arc<Mutex<Entries>>,
    _place: OwnedSemaphorePermit,
}

/// A request in flight; answered when it is dropped.
pub(super) struct InFlight(Arc<Entry>);

pin_project! {
    /// An answer's body, whose request is in flight until all of it has been handed to the connection.
    pub(super) struct InFlightBody {
        #[pin]
        body: Body,
        in_flight: InFlight,
    }
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.total));
        Self { limits, places, began: Instant::now(), entries: Arc::default() }
    }

    /// Opens a connection of `address`, when there is a place for it; the longest idle one gives way if there is none. None:
    /// the address has as many as it may, and none of them is idle.
    pub(super) async fn open(&self, address: IpAddr) -> Option<Open> {
        let of_address = network(address);
        let is_full = {
            let entries = lock(&self.entries);
            let is_full = entries.of(of_address) >= self.limits.per_address;
            if is_full && !entries.longest_idle_gives_way(Some(of_address)) {
                return None;
            }
            is_full
        };
        let place = self.place(is_full).await?;
        let mut entries = lock(&self.entries);
        *entries.by_network.entry(of_address).or_default() += 1;
        entries.next += 1;
        let number = entries.next;
        let entry = Arc::new(Entry::new(address, self.began));
        entries.open.insert(number, entry.clone());
        Some(Open { number, entry, entries: self.entries.clone(), _place: place })
    }

    /// Asks this of every connection.
    pub(super) fn ask_all(&self, what: Asked) {
        lock(&self.entries).open.values().for_each(|entry| entry.ask(what));
    }

    /// A place for one more. `one_gives_way`: a connection has been asked to close already. None: never.
    async fn place(&self, mut one_gives_way: bool) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return Some(place);
            }
            if !std::mem::take(&mut one_gives_way) {
                lock(&self.entries).longest_idle_gives_way(None);
            }
            if let Ok(place) = timeout(LOOK_EVERY, self.places.clone().acquire_owned()).await {
                return place.ok();
            }
        }
    }
}

impl Entries {
    /// How many connections a network has.
    fn of(&self, of_address: Ipv6Addr) -> usize {
        self.by_network.get(&of_address).copied().unwrap_or(0)
    }

    /// Asks the connection that has been idle for longest, of this network or of all, to close. False: none is idle.
    fn longest_idle_gives_way(&self, of_address: Option<Ipv6Addr>) -> bool {
        let of_it = |entry: &&Arc<Entry>| of_address.is_none_or(|wanted| network(entry.address) == wanted);
        let idle = self
            .open
            .values()
            .filter(of_it)
            .filter(|entry| entry.is_idle() && entry.asked() == Asked::Nothing);
        let longest = idle.min_by_key(|entry| entry.idle_since.load(Ordering::Relaxed));
        longest.inspect(|entry| entry.ask(Asked::GiveWay)).is_some()
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
            asked: AtomicU8::new(Asked::Nothing as u8),
            waker: AtomicWaker::new(),
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

    fn ask(&self, what: Asked) {
        self.asked.fetch_max(what as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    fn asked(&self) -> Asked {
        match self.asked.load(Ordering::Acquire) {
            0 => Asked::Nothing,
            1 => Asked::GiveWay,
            2 => Asked::Drain,
            _ => Asked::Abort,
        }
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

    /// Serves until the connection has ended, or is asked for more than `than`. It is on the path of every request: looking
    /// what is asked takes no lock that connections share.
    pub(super) async fn serve<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        than: Asked,
    ) -> Result<C::Output, Asked> {
        poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ok(ended));
            }
            self.entry.waker.register(cx.waker());
            let asked = self.entry.asked();
            if asked > than { Poll::Ready(Err(asked)) } else { Poll::Pending }
        })
        .await
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut entries = lock(&self.entries);
        entries.open.remove(&self.number);
        let of_address = network(self.entry.address);
        if let Some(count) = entries.by_network.get_mut(&of_address) {
            *count -= 1;
            if *count == 0 {
                entries.by_network.remove(&of_address);
            }
        }
    }
}

impl InFlight {
    /// In flight until the body's end.
    pub(super) fn until_the_end_of(self, body: Body) -> InFlightBody {
        InFlightBody { body, in_flight: self }
    }
}

impl HttpBody for InFlightBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

    #[tokio::test]
    async fn a_request_is_in_flight_until_the_end_of_its_answers_body() {
        let connections = Connections::new(ConnectionLimits { total: 1, per_address: 1 });
        let open = connections.open(IpAddr::from([127, 0, 0, 1])).await.unwrap();
        let body = open.entry().begin().until_the_end_of(Body::from("long"));
        assert!(!open.is_idle());
        assert_eq!(axum::body::to_bytes(Body::new(body), 4).await.unwrap(), "long");
        assert!(open.is_idle());
    }

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        let limits = |descriptors| ConnectionLimits::within(descriptors, None);
        assert_eq!(limits(1_024), ConnectionLimits { total: 768, per_address: 768 });
        assert_eq!(limits(1_048_576), ConnectionLimits { total: 10_000, per_address: 1_000 });
        assert_eq!(limits(100), ConnectionLimits { total: 50, per_address: 50 });
        assert_eq!(ConnectionLimits::within(4_096, Some(7)).per_address, 7);
    }
}
