//! The inventory's state: what its events add up to.
//!
//! `apply` is total: any event of the log can be applied, and what it replaced can be put back
//! (`Undo`), because the writer decides on state whose last events may still fail to commit.
//! Not here: which events may happen (`decide`, in the child module of that name).

mod decide;
pub use decide::{ENDINGS_MAX, FLIGHT_CANCELLED, SHOW_CANCELLED};

use crate::{
    BookingCancelled, BookingExpired, BookingId, FlightRescheduled, InventoryEvent, InventoryOpened, Money,
    Policy, PriceChanged, SeatsReserved, ShowRescheduled, Subject, Timestamp, UserId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where a booking is in its life. Held and confirmed are live; the others are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BookingStatus {
    /// Seats are kept until `expires_at`.
    Held,
    /// Sold.
    Confirmed,
    /// Given back.
    Cancelled,
    /// The hold ran out.
    Expired,
}

impl BookingStatus {
    /// Whether the booking has seats.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Held | Self::Confirmed)
    }

    /// The word used in URLs, rows and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// One booking, as small as the rules need it: a million of them stay in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Who holds it.
    pub user_id: UserId,
    /// When the hold ends; none if it was confirmed at once.
    pub expires_at: Option<Timestamp>,
    /// How many seats.
    pub quantity: u32,
    /// Where it is in its life.
    pub status: BookingStatus,
    /// Stream sequences of its events (reserved, confirmed, ended; 0 = has not happened): they lead
    /// from a booking to its events without a read model and without an index of their own.
    pub sequences: [u32; 3],
}

/// What is sold, as of now: fixed at the opening, but for price and schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What the seats belong to.
    pub subject: Subject,
    /// Number of seats at the opening; how many there are now is in [`Counts`].
    pub initial_capacity: u32,
    /// Price of one seat.
    pub price: Money,
    /// The limits of the sale.
    pub policy: Policy,
    /// Sequence of the last event that changed them: who edits says which he has seen. Bookings leave it as
    /// it is, or nothing that sells could be edited.
    pub version: u64,
}

/// Whether seats can be reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SalesState {
    /// They can.
    #[default]
    Open,
    /// They cannot; holds can still be confirmed.
    Closed,
    /// The flight or show is cancelled: never again.
    Cancelled,
}

impl SalesState {
    /// The word used in rows and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The seats, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Number of seats.
    pub capacity: u32,
    /// Seats that may be sold beyond the capacity.
    pub overbooking_allowance: u32,
    /// Seats on hold.
    pub held: u32,
    /// Seats sold.
    pub confirmed: u32,
    /// Seats taken out of the sale.
    pub blocked: u32,
    /// Whether seats can be reserved.
    pub sales: SalesState,
    /// Events so far; also the sequence of the last one.
    pub version: u64,
}

impl Counts {
    /// Seats that may be taken in all.
    #[must_use]
    pub fn authorized(&self) -> u64 {
        u64::from(self.capacity) + u64::from(self.overbooking_allowance)
    }

    /// Seats that are taken: held, confirmed or blocked.
    #[must_use]
    pub fn taken(&self) -> u64 {
        u64::from(self.held) + u64::from(self.confirmed) + u64::from(self.blocked)
    }

    /// Seats that can still be reserved; 0 when more are taken than there are.
    #[must_use]
    pub fn available(&self) -> u32 {
        u32::try_from(self.authorized().saturating_sub(self.taken())).unwrap_or(u32::MAX)
    }

    /// Seats taken beyond what is authorized: more than 0 only after the capacity shrank.
    #[must_use]
    pub fn oversold_by(&self) -> u32 {
        u32::try_from(self.taken().saturating_sub(self.authorized())).unwrap_or(u32::MAX)
    }
}

/// What one event replaced. Put back in reverse order, state is what it was.
#[derive(Debug)]
pub struct Undo {
    counts: Counts,
    booking: Option<(BookingId, Option<Booking>)>,
    /// The terms, if they were replaced; apart, because they rarely are.
    terms: Option<Box<ReplacedTerms>>,
}

/// The terms before an event that changed them, and those of the opening.
#[derive(Debug)]
struct ReplacedTerms {
    terms: Option<Terms>,
    opening: Option<Box<Terms>>,
}

/// What the limits of the policy count of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Usage {
    /// Live bookings.
    bookings: u32,
    /// Their seats.
    seats: u32,
    /// Holds that ended unconfirmed.
    lapsed: u32,
}

impl Usage {
    /// What one booking adds.
    fn of(booking: &Booking) -> Self {
        let [_, confirmed, _] = booking.sequences;
        match booking.status.is_live() {
            true => Self { bookings: 1, seats: booking.quantity, lapsed: 0 },
            false => {
                Self { lapsed: u32::from(booking.expires_at.is_some() && confirmed == 0), ..Self::default() }
            }
        }
    }

    fn add(&mut self, one: Self) {
        self.bookings = self.bookings.saturating_add(one.bookings);
        self.seats = self.seats.saturating_add(one.seats);
        self.lapsed = self.lapsed.saturating_add(one.lapsed);
    }

    fn remove(&mut self, one: Self) {
        self.bookings = self.bookings.saturating_sub(one.bookings);
        self.seats = self.seats.saturating_sub(one.seats);
        self.lapsed = self.lapsed.saturating_sub(one.lapsed);
    }
}

/// The seats of one flight or one show.
///
/// Trees, not hash tables: half a million bookings of one hot inventory would be moved at once when a hash
/// table grows, and everyone waits for that (measured: 115 ms, against 0.1 ms for a tree's slowest insert).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    terms: Option<Terms>,
    /// The terms of the opening, where they are others by now.
    opening: Option<Box<Terms>>,
    counts: Counts,
    bookings: BTreeMap<BookingId, Booking>,
    /// What each user has; kept only where the policy has a limit per user, and only while there is something to count.
    users: BTreeMap<UserId, Usage>,
    /// Holds in the order in which they end.
    holds: BTreeSet<(Timestamp, BookingId)>,
    /// Live bookings of a cancelled flight or show: they are to end. Empty in every other case.
    doomed: BTreeSet<BookingId>,
}

impl Inventory {
    /// What is sold; none before the opening.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// The seats, counted.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// One booking.
    #[must_use]
    pub fn booking(&self, id: BookingId) -> Option<&Booking> {
        self.bookings.get(&id)
    }

    /// How many bookings there are, ended ones included: what memory is counted in.
    #[must_use]
    pub fn bookings_len(&self) -> usize {
        self.bookings.len()
    }

    /// All bookings, by id.
    pub fn bookings(&self) -> impl Iterator<Item = (BookingId, &Booking)> {
        self.bookings.iter().map(|(id, booking)| (*id, booking))
    }

    /// When the next hold ends, if there is one.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.holds.first().map(|(at, _)| *at)
    }

    /// Whether some booking will end without anyone asking: it has to stay in memory until then.
    #[must_use]
    pub fn awaits_an_end(&self) -> bool {
        !self.holds.is_empty() || !self.doomed.is_empty()
    }

    /// Whether bookings are to be ended now.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.doomed.is_empty() || self.next_expiry().is_some_and(|at| at <= now)
    }

    /// Applies one event of this stream, in order, and returns what it replaced.
    ///
    /// Total: an event that does not fit (which `decide` never makes) changes what it can and no more;
    /// finding such events in a log is the verifier's work.
    pub fn apply(&mut self, event: &InventoryEvent) -> Undo {
        let mut undo = Undo { counts: self.counts, booking: None, terms: None };
        self.counts.version += 1;
        match event {
            InventoryEvent::InventoryOpened(e) => {
                undo.terms = self.replace_terms();
                self.open(e);
            }
            InventoryEvent::SeatsReserved(e) => undo.booking = Some(self.reserve(e)),
            InventoryEvent::BookingConfirmed(e) => {
                self.counts.held = self.counts.held.saturating_sub(e.quantity);
                self.counts.confirmed = self.counts.confirmed.saturating_add(e.quantity);
                undo.booking = self.advance(e.booking_id, BookingStatus::Confirmed, 1);
            }
            InventoryEvent::BookingCancelled(e) => undo.booking = self.cancel(e),
            InventoryEvent::BookingExpired(e) => undo.booking = self.expire(e),
            InventoryEvent::CapacityChanged(e) => self.counts.capacity = e.new,
            InventoryEvent::SalesClosed(_) => self.counts.sales = SalesState::Closed,
            InventoryEvent::SalesReopened(_) => self.counts.sales = SalesState::Open,
            InventoryEvent::SeatsBlocked(e) => {
                self.counts.blocked = self.counts.blocked.saturating_add(e.quantity);
            }
            InventoryEvent::SeatsUnblocked(e) => {
                self.counts.blocked = self.counts.blocked.saturating_sub(e.quantity);
            }
            InventoryEvent::PriceChanged(e) => {
                undo.terms = self.replace_terms();
                self.reprice(e);
            }
            InventoryEvent::FlightRescheduled(e) => {
                undo.terms = self.replace_terms();
                self.reschedule(e);
            }
            InventoryEvent::ShowRescheduled(e) => {
                undo.terms = self.replace_terms();
                self.reschedule_show(e);
            }
            InventoryEvent::FlightCancelled(_) | InventoryEvent::ShowCancelled(_) => {
                undo.terms = self.replace_terms();
                self.call_off();
            }
        }
        undo
    }

    /// Puts back what the last applied event replaced.
    pub fn undo(&mut self, undo: Undo) {
        if let Some((id, before)) = undo.booking {
            self.put(id, before);
        }
        if let Some(replaced) = undo.terms {
            (self.terms, self.opening) = (replaced.terms, replaced.opening);
        }
        self.counts = undo.counts;
        if self.counts.sales != SalesState::Cancelled {
            self.doomed.clear();
        }
    }

    /// The terms are about to be others: what is to be put back if that does not last.
    fn replace_terms(&self) -> Option<Box<ReplacedTerms>> {
        Some(Box::new(ReplacedTerms { terms: self.terms.clone(), opening: self.opening.clone() }))
    }

    /// The terms, to be changed by the event that is being applied; those of the opening are kept.
    fn change_terms(&mut self) -> Option<&mut Terms> {
        let version = self.counts.version;
        let terms = self.terms.as_mut()?;
        self.opening.get_or_insert_with(|| Box::new(terms.clone()));
        terms.version = version;
        Some(terms)
    }

    fn reprice(&mut self, e: &PriceChanged) {
        if let Some(terms) = self.change_terms() {
            terms.price = e.new;
        }
    }

    fn reschedule(&mut self, e: &FlightRescheduled) {
        if let Some(Terms { subject: Subject::Flight(flight), .. }) = self.change_terms() {
            flight.reschedule(e.new.clone());
        }
    }

    fn reschedule_show(&mut self, e: &ShowRescheduled) {
        if let Some(terms) = self.change_terms() {
            terms.subject.reschedule_show(e.new.clone());
        }
    }

    fn call_off(&mut self) {
        self.change_terms();
        self.counts.sales = SalesState::Cancelled;
        self.doomed = self.bookings().filter(|(_, b)| b.status.is_live()).map(|(id, _)| id).collect();
    }

    fn open(&mut self, e: &InventoryOpened) {
        self.counts.capacity = e.capacity;
        self.counts.overbooking_allowance = e.policy.overbooking_allowance;
        self.terms = Some(Terms {
            subject: e.subject.clone(),
            initial_capacity: e.capacity,
            price: e.price,
            policy: e.policy,
            version: self.counts.version,
        });
    }

    fn reserve(&mut self, e: &SeatsReserved) -> (BookingId, Option<Booking>) {
        let status = e.status();
        match status {
            BookingStatus::Held => self.counts.held = self.counts.held.saturating_add(e.quantity),
            _ => self.counts.confirmed = self.counts.confirmed.saturating_add(e.quantity),
        }
        let sequences = [self.sequence(), 0, 0];
        let booking =
            Booking { user_id: e.user_id, expires_at: e.expires_at, quantity: e.quantity, status, sequences };
        (e.booking_id, self.put(e.booking_id, Some(booking)))
    }

    fn cancel(&mut self, e: &BookingCancelled) -> Option<(BookingId, Option<Booking>)> {
        match e.previous_status {
            BookingStatus::Held => self.counts.held = self.counts.held.saturating_sub(e.released),
            _ => self.counts.confirmed = self.counts.confirmed.saturating_sub(e.released),
        }
        self.advance(e.booking_id, BookingStatus::Cancelled, 2)
    }

    fn expire(&mut self, e: &BookingExpired) -> Option<(BookingId, Option<Booking>)> {
        self.counts.held = self.counts.held.saturating_sub(e.released);
        self.advance(e.booking_id, BookingStatus::Expired, 2)
    }

    /// Moves a booking to its next status; `step` is the place of its sequence.
    fn advance(
        &mut self,
        id: BookingId,
        status: BookingStatus,
        step: usize,
    ) -> Option<(BookingId, Option<Booking>)> {
        let before = *self.bookings.get(&id)?;
        let mut after = Booking { status, ..before };
        if let Some(sequence) = after.sequences.get_mut(step) {
            *sequence = self.sequence();
        }
        Some((id, self.put(id, Some(after))))
    }

    /// The one place that changes a booking; keeps what is derived from bookings in step with it.
    fn put(&mut self, id: BookingId, after: Option<Booking>) -> Option<Booking> {
        let before = match after {
            Some(booking) => self.bookings.insert(id, booking),
            None => self.bookings.remove(&id),
        };
        let hold = |b: &Booking| b.expires_at.filter(|_| b.status == BookingStatus::Held);
        if let Some(at) = before.as_ref().and_then(hold) {
            self.holds.remove(&(at, id));
        }
        if let Some(at) = after.as_ref().and_then(hold) {
            self.holds.insert((at, id));
        }
        if self.counts.sales == SalesState::Cancelled {
            match after.filter(|b| b.status.is_live()) {
                Some(_) => self.doomed.insert(id),
                None => self.doomed.remove(&id),
            };
        }
        if self.terms.as_ref().is_some_and(|t| t.policy.limits_users()) {
            self.count_user(before.as_ref(), after.as_ref());
        }
        before
    }

    /// Added before it is taken away, so that a user who keeps something keeps the entry.
    fn count_user(&mut self, before: Option<&Booking>, after: Option<&Booking>) {
        let nothing = Usage::default();
        if let Some((user, one)) = after.map(|b| (b.user_id, Usage::of(b))).filter(|(_, one)| *one != nothing)
        {
            self.users.entry(user).or_default().add(one);
        }
        if let Some((user, one)) = before.map(|b| (b.user_id, Usage::of(b)))
            && let Some(usage) = self.users.get_mut(&user)
        {
            usage.remove(one);
            if *usage == nothing {
                self.users.remove(&user);
            }
        }
    }

    /// The current event's sequence, as a booking keeps it.
    fn sequence(&self) -> u32 {
        u32::try_from(self.counts.version).unwrap_or(u32::MAX)
    }
}
