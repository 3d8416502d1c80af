//! The rules: what a command makes happen, or why it is refused.
//!
//! Guarantee: after every event, held + confirmed + blocked ≤ capacity + allowance, unless the
//! capacity was lowered below what is taken; a hold ends once; nothing is confirmed after its
//! `expires_at`; nothing is sold, confirmed or given back by a customer once the flight has departed or the show has
//! begun, and nothing of a show is sold once its sale has ended; asking twice has one effect; a cancelled
//! flight or show sells nothing and loses all its bookings.
//! Held by property tests against a naive model.

mod terms;

use super::{Booking, BookingStatus, Inventory, SalesState, Terms, Usage};
use crate::{
    BlockSeats, BookingCancelled, BookingConfirmed, BookingExpired, BookingId, CONFIRM_NEEDS, CancelBooking,
    CapacityChanged, ChangeCapacity, ConfirmBooking, InvalidField, InventoryCommand, InventoryEvent,
    InventoryOpened, Money, OpenInventory, Policy, Refused, ReserveSeats, SalesClosed, SalesReopened,
    SeatsBlocked, SeatsReserved, SeatsUnblocked, Subject, SubjectKind, Timestamp, UnblockSeats, UserId,
    UserLimit,
};
use chrono::TimeDelta;
pub use terms::{FLIGHT_CANCELLED, SHOW_CANCELLED};

/// Bookings that one decision ends unasked: bounds the events of one append. More than a booking can
/// ask for seats, so no reservation fails for want of seats that an overdue hold still has (but for a
/// capacity that was lowered, and a user whose own hold is further back: the timer gets there).
pub const ENDINGS_MAX: usize = 500;
/// Most seats of one inventory: keeps every count far from the end of its type.
const CAPACITY_MAX: u32 = 10_000_000;
/// Highest price of one seat, in minor units: keeps totals far from the end of 64 bits.
const PRICE_MAX: i64 = 1_000_000_000_000;
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 100;

/// Statuses that can be cancelled.
const CANCEL_NEEDS: &[BookingStatus] = &[BookingStatus::Held, BookingStatus::Confirmed];

type Decision = Result<Vec<InventoryEvent>, Refused>;

impl Inventory {
    /// Decides a command at a time. No events: it was done already, and asking again changes nothing.
    ///
    /// # Errors
    /// The reason for the refusal; state and log stay as they are.
    pub fn decide(&self, command: &InventoryCommand, now: Timestamp) -> Decision {
        if let InventoryCommand::OpenInventory(ask) = command {
            return self.open_inventory(ask, now);
        }
        let Some(terms) = &self.terms else { return Err(Refused::UnknownInventory) };
        if let Some(wanted) = command.wants().filter(|wanted| *wanted != terms.subject.kind()) {
            return Err(Refused::OtherKind { wanted });
        }
        match command {
            InventoryCommand::OpenInventory(ask) => self.open_inventory(ask, now),
            InventoryCommand::ReserveSeats(ask) => self.reserve_seats(terms, ask, now),
            InventoryCommand::ConfirmBooking(ask) => self.confirm_booking(terms, ask, now),
            InventoryCommand::CancelBooking(ask) => self.cancel_booking(terms, ask, now),
            InventoryCommand::EndDueBookings => Ok(self.due(terms, now)),
            InventoryCommand::CancelFlight(ask) => self.cancel_subject(terms, &ask.reason, now),
            InventoryCommand::CancelShow(ask) => self.cancel_subject(terms, &ask.reason, now),
            _ if self.is_cancelled() => Err(does_not_take_place(terms)),
            InventoryCommand::ChangeCapacity(ask) => self.change_capacity(ask),
            InventoryCommand::CloseSales(_) => Ok(self.sales(SalesState::Closed, SalesClosed {}.into())),
            InventoryCommand::ReopenSales(_) => Ok(self.sales(SalesState::Open, SalesReopened {}.into())),
            InventoryCommand::BlockSeats(ask) => self.block_seats(ask),
            InventoryCommand::UnblockSeats(ask) => self.unblock_seats(*ask),
            InventoryCommand::ChangeFlight(ask) => terms.change_flight(ask, now),
            InventoryCommand::ChangeShow(ask) => terms.change_show(ask, now),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.counts.sales == SalesState::Cancelled
    }

    fn open_inventory(&self, ask: &OpenInventory, now: Timestamp) -> Decision {
        ask.subject.check()?;
        InvalidField::range("/capacity", i64::from(ask.capacity), 0, i64::from(CAPACITY_MAX))?;
        check_price(ask.price)?;
        ask.policy.check()?;
        let subject = ask.subject.clone().with_sales_end();
        if let Some(terms) = self.opening.as_deref().or(self.terms.as_ref()) {
            let same = terms.subject.clone().with_sales_end() == subject
                && (terms.initial_capacity, terms.price, terms.policy)
                    == (ask.capacity, ask.price, ask.policy);
            return if same { Ok(vec![]) } else { Err(Refused::AlreadyOpen) };
        }
        match &subject {
            Subject::Flight(_) if ask.accept_departed => {}
            Subject::Flight(flight) => in_future("/departs_at", Some(flight.departs_at), now)?,
            Subject::Show { starts_at, sales_end_at, .. } => {
                in_future("/starts_at", *starts_at, now)?;
                in_future("/sales_end_at", *sales_end_at, now)?;
            }
        }
        let OpenInventory { capacity, price, policy, .. } = *ask;
        Ok(vec![InventoryOpened { subject, capacity, price, policy }.into()])
    }

    fn reserve_seats(&self, terms: &Terms, ask: &ReserveSeats, now: Timestamp) -> Decision {
        if self.bookings.contains_key(&ask.booking_id) {
            return Ok(vec![]); // asked twice, answered once
        }
        let policy = &terms.policy;
        InvalidField::range("/quantity", i64::from(ask.quantity), 1, i64::from(policy.seats_per_booking))?;
        match self.counts.sales {
            SalesState::Open => {}
            SalesState::Closed => return Err(Refused::SalesClosed),
            SalesState::Cancelled => return Err(does_not_take_place(terms)),
        }
        not_begun(&terms.subject, ask.accept_departed, now)?;
        if let (SubjectKind::Show, Some(ended_at)) = (terms.subject.kind(), terms.subject.sales_end_at())
            && ended_at <= now
        {
            return Err(Refused::SalesEnded { ended_at });
        }
        let overdue: Vec<_> = self.overdue(now).collect();
        if policy.limits_users() {
            within_limits(policy, self.usage(ask.user_id, &overdue), ask.quantity)?;
        }
        let mut counts = self.counts;
        counts.held = counts.held.saturating_sub(overdue.iter().map(|(_, b)| b.quantity).sum());
        let available = counts.available();
        if ask.quantity > available {
            return Err(Refused::SoldOut { requested: ask.quantity, available });
        }
        let total =
            terms.price.times(ask.quantity).map_err(|e| InvalidField::new("/quantity", e.to_string()))?;
        let hold = TimeDelta::seconds(i64::from(policy.hold_seconds));
        let reserved = SeatsReserved {
            booking_id: ask.booking_id,
            user_id: ask.user_id,
            quantity: ask.quantity,
            total,
            expires_at: (policy.hold_seconds > 0).then(|| now + hold),
        };
        let mut events = Vec::with_capacity(overdue.len() + 1);
        events.extend(overdue.into_iter().map(|(id, b)| expired(id, b)));
        events.push(reserved.into());
        Ok(events)
    }

    fn confirm_booking(&self, terms: &Terms, ask: &ConfirmBooking, now: Timestamp) -> Decision {
        let booking = self.booking_of(ask.booking_id, ask.owner)?;
        match (booking.status, booking.expires_at) {
            (BookingStatus::Confirmed, _) => Ok(vec![]),
            (BookingStatus::Held | BookingStatus::Expired, Some(at)) if at <= now => {
                Err(Refused::HoldExpired { expired_at: at })
            }
            (BookingStatus::Held, _) if self.is_cancelled() => Err(does_not_take_place(terms)),
            (BookingStatus::Held, _) => {
                not_begun(&terms.subject, ask.accept_departed, now)?;
                Ok(vec![BookingConfirmed { booking_id: ask.booking_id, quantity: booking.quantity }.into()])
            }
            (status, _) => Err(Refused::InvalidState { status, allowed: CONFIRM_NEEDS }),
        }
    }

    fn cancel_booking(&self, terms: &Terms, ask: &CancelBooking, now: Timestamp) -> Decision {
        check_reason(&ask.reason)?;
        let booking = self.booking_of(ask.booking_id, ask.owner)?;
        match (booking.status, booking.expires_at) {
            (BookingStatus::Cancelled, _) => Ok(vec![]),
            (BookingStatus::Held | BookingStatus::Expired, Some(at)) if at <= now => {
                Err(Refused::HoldExpired { expired_at: at })
            }
            (BookingStatus::Held | BookingStatus::Confirmed, _) => {
                // What is called off does not begin: its bookings are ended by all sides.
                if ask.owner.is_some() && !self.is_cancelled() {
                    not_begun(&terms.subject, false, now)?;
                }
                Ok(vec![cancelled(ask.booking_id, booking, &ask.reason)])
            }
            (status @ BookingStatus::Expired, _) => {
                Err(Refused::InvalidState { status, allowed: CANCEL_NEEDS })
            }
        }
    }

    fn change_capacity(&self, ask: &ChangeCapacity) -> Decision {
        InvalidField::range("/capacity", i64::from(ask.capacity), 0, i64::from(CAPACITY_MAX))?;
        if ask.capacity == self.counts.capacity {
            return Ok(vec![]);
        }
        let mut counts = self.counts;
        counts.capacity = ask.capacity;
        let changed = CapacityChanged {
            old: self.counts.capacity,
            new: ask.capacity,
            oversold_by: counts.oversold_by(),
        };
        Ok(vec![changed.into()])
    }

    fn block_seats(&self, ask: &BlockSeats) -> Decision {
        check_reason(&ask.reason)?;
        InvalidField::range("/quantity", i64::from(ask.quantity), 1, i64::from(CAPACITY_MAX))?;
        let available = self.counts.available();
        if ask.quantity > available {
            return Err(Refused::SoldOut { requested: ask.quantity, available });
        }
        Ok(vec![SeatsBlocked { quantity: ask.quantity, reason: ask.reason.clone() }.into()])
    }

    fn unblock_seats(&self, ask: UnblockSeats) -> Decision {
        let blocked = self.counts.blocked;
        if (1..=blocked).contains(&ask.quantity) {
            return Ok(vec![SeatsUnblocked { quantity: ask.quantity }.into()]);
        }
        let detail = match blocked {
            0 => "no seats are blocked".to_owned(),
            _ => format!("must be 1 to {blocked}, the seats that are blocked"),
        };
        Err(InvalidField::new("/quantity", detail).into())
    }

    /// The ends of bookings that are due, as many as one decision makes.
    fn due(&self, terms: &Terms, now: Timestamp) -> Vec<InventoryEvent> {
        if self.doomed.is_empty() {
            return self.overdue(now).map(|(id, b)| expired(id, b)).collect();
        }
        let doomed = self.doomed.iter().filter_map(|id| self.bookings.get(id).map(|b| (*id, b)));
        terms::called_off(doomed, terms.subject.kind(), now).collect()
    }

    fn sales(&self, wanted: SalesState, event: InventoryEvent) -> Vec<InventoryEvent> {
        if self.counts.sales == wanted { vec![] } else { vec![event] }
    }

    /// Holds that have ended but are not yet recorded as expired, the oldest first.
    fn overdue(&self, now: Timestamp) -> impl Iterator<Item = (BookingId, &Booking)> {
        let due = self.holds.iter().take_while(move |(at, _)| *at <= now).take(ENDINGS_MAX);
        due.filter_map(|(_, id)| self.bookings.get(id).map(|b| (*id, b)))
    }

    /// What a user has once the overdue holds have ended.
    fn usage(&self, user: UserId, overdue: &[(BookingId, &Booking)]) -> Usage {
        let mut usage = self.users.get(&user).copied().unwrap_or_default();
        for (_, hold) in overdue.iter().filter(|(_, hold)| hold.user_id == user) {
            usage.remove(Usage::of(hold));
            usage.add(Usage { lapsed: 1, ..Usage::default() });
        }
        usage
    }

    /// A booking, if it is there and, where an owner is named, that owner's.
    fn booking_of(&self, id: BookingId, owner: Option<UserId>) -> Result<&Booking, Refused> {
        self.bookings
            .get(&id)
            .filter(|b| owner.is_none_or(|owner| owner == b.user_id))
            .ok_or(Refused::UnknownBooking)
    }
}

/// Whether a user who has so much may book so many seats more.
fn within_limits(policy: &Policy, has: Usage, quantity: u32) -> Result<(), Refused> {
    let Policy { live_bookings_per_user, seats_per_user, holds_per_user, .. } = *policy;
    if live_bookings_per_user > 0 && has.bookings >= live_bookings_per_user {
        return Err(Refused::DuplicateBooking { limit: live_bookings_per_user, live: has.bookings });
    }
    let reached = |name, limit, used| Err(Refused::BookingLimitReached { name, limit, used });
    if seats_per_user > 0 && has.seats.saturating_add(quantity) > seats_per_user {
        return reached(UserLimit::Seats, seats_per_user, has.seats);
    }
    if holds_per_user > 0 && has.lapsed >= holds_per_user {
        return reached(UserLimit::Holds, holds_per_user, has.lapsed);
    }
    Ok(())
}

fn does_not_take_place(terms: &Terms) -> Refused {
    Refused::Cancelled { kind: terms.subject.kind() }
}

fn expired(booking_id: BookingId, booking: &Booking) -> InventoryEvent {
    BookingExpired { booking_id, released: booking.quantity }.into()
}

fn cancelled(booking_id: BookingId, booking: &Booking, reason: &str) -> InventoryEvent {
    BookingCancelled {
        booking_id,
        previous_status: booking.status,
        released: booking.quantity,
        reason: reason.to_owned(),
    }
    .into()
}

/// Nothing is opened in the past or moved into it.
fn in_future(pointer: &'static str, at: Option<Timestamp>, now: Timestamp) -> Result<(), InvalidField> {
    if at.is_some_and(|at| at <= now) {
        return Err(InvalidField::new(pointer, "must be in the future"));
    }
    Ok(())
}

/// The flight has not departed, or that is accepted; the show has not begun.
fn not_begun(subject: &Subject, accept_departed: bool, now: Timestamp) -> Result<(), Refused> {
    let kind = subject.kind();
    match subject.begins_at() {
        Some(departed_at) if departed_at <= now && !(accept_departed && kind == SubjectKind::Flight) => {
            Err(Refused::Departed { kind, departed_at })
        }
        _ => Ok(()),
    }
}

fn check_price(price: Money) -> Result<(), InvalidField> {
    if !price.currency.has_minor_units() {
        return Err(InvalidField::new("/price/currency", "must be one with minor units, such as EUR"));
    }
    InvalidField::range("/price/amount", price.amount, 0, PRICE_MAX)
}

fn check_reason(reason: &str) -> Result<(), InvalidField> {
    if reason.chars().count() > REASON_CHARS_MAX || reason.contains('\0') {
        return Err(InvalidField::new("/reason", format!("must be at most {REASON_CHARS_MAX} characters")));
    }
    Ok(())
}
