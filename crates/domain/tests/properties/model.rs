//! The second opinion: the rules again, by someone who has not seen the code.
//!
//! One list of bookings, nothing counted ahead: every number is summed up anew when it is needed, in
//! signed 64 bits, and a command changes the list directly instead of by events. Slow and plain on
//! purpose; where it and the rules differ, one of them is wrong.

use crate::play::{Story, Told};
use chrono::TimeDelta;
use holdfast_domain::{
    BookingId, BookingStatus, ChangeFlight, ChangeShow, InventoryCommand, OpenInventory, Refused,
    ReserveSeats, SalesState, Subject, SubjectKind, Timestamp, UserId, UserLimit,
};
use proptest::{prelude::*, test_runner::TestCaseResult};

/// As many bookings are ended at once, by the written rules.
const ENDED_AT_ONCE: usize = 500;

#[derive(Default)]
struct Model {
    sale: Option<Sale>,
    bookings: Vec<Entry>,
    /// Facts so far.
    facts: u64,
}

struct Sale {
    opening: OpenInventory,
    seats: i64,
    blocked: i64,
    closed: bool,
    cancelled: bool,
    price: i64,
    /// Leaves, lands, gate; none for a show.
    times: Option<(Timestamp, Timestamp, Option<String>)>,
    /// Start of a show and end of its sale.
    show: (Option<Timestamp>, Option<Timestamp>),
    /// By whose clocks a show begins.
    zone: Option<String>,
    /// The last fact that changed price or times.
    version: u64,
}

struct Entry {
    id: BookingId,
    user: UserId,
    seats: i64,
    until: Option<Timestamp>,
    status: BookingStatus,
    /// It was confirmed once, or from the start.
    sold: bool,
}

/// Why not, without the words.
#[derive(Debug, PartialEq)]
enum No {
    Field(&'static str),
    UnknownInventory,
    UnknownBooking,
    OpenWithOtherTerms,
    Seats { wanted: i64, left: i64 },
    Live { limit: i64, has: i64 },
    Limit { name: UserLimit, limit: i64, has: i64 },
    Closed,
    Over(Timestamp),
    Is(BookingStatus),
    TooLate(Timestamp),
    Left(Timestamp),
    CalledOff,
    For(SubjectKind),
    Version(u64),
}

impl From<&Refused> for No {
    fn from(refused: &Refused) -> Self {
        match refused {
            Refused::Invalid(field) => Self::Field(field.pointer),
            Refused::UnknownInventory => Self::UnknownInventory,
            Refused::UnknownBooking => Self::UnknownBooking,
            Refused::AlreadyOpen => Self::OpenWithOtherTerms,
            Refused::SoldOut { requested, available } => {
                Self::Seats { wanted: i64::from(*requested), left: i64::from(*available) }
            }
            Refused::DuplicateBooking { limit, live } => {
                Self::Live { limit: i64::from(*limit), has: i64::from(*live) }
            }
            Refused::BookingLimitReached { name, limit, used } => {
                Self::Limit { name: *name, limit: i64::from(*limit), has: i64::from(*used) }
            }
            Refused::SalesClosed => Self::Closed,
            Refused::SalesEnded { ended_at } => Self::TooLate(*ended_at),
            Refused::Departed { departed_at, .. } => Self::Left(*departed_at),
            Refused::Cancelled { .. } => Self::CalledOff,
            Refused::OtherKind { wanted } => Self::For(*wanted),
            Refused::VersionMismatch { current } => Self::Version(*current),
            Refused::HoldExpired { expired_at } => Self::Over(*expired_at),
            Refused::InvalidState { status, .. } => Self::Is(*status),
        }
    }
}

/// Plays the story again to the model and compares after every command: the answer, how many facts
/// it made, every count, and every booking.
pub(crate) fn agrees(story: &Story) -> TestCaseResult {
    let mut model = Model::default();
    for told in &story.steps {
        let expected = model.ask(&told.command, told.now);
        let answer = told.answer.as_ref().map(Vec::len).map_err(No::from);
        prop_assert_eq!(&answer, &expected, "the answer to {:?}", told.command);
        model.facts += expected.unwrap_or(0) as u64;
        model.compare(told)?;
    }
    Ok(())
}

impl Model {
    fn compare(&self, told: &Told) -> TestCaseResult {
        let counts = told.after.counts();
        let sum_of =
            |status| -> i64 { self.bookings.iter().filter(|b| b.status == status).map(|b| b.seats).sum() };
        let (seats, blocked, extra) = self
            .sale
            .as_ref()
            .map_or((0, 0, 0), |s| (s.seats, s.blocked, i64::from(s.opening.policy.overbooking_allowance)));
        let sales = match &self.sale {
            Some(sale) if sale.cancelled => SalesState::Cancelled,
            Some(sale) if sale.closed => SalesState::Closed,
            _ => SalesState::Open,
        };
        let theirs = told.after.terms().map(|t| {
            let times = t.subject.flight().map(|f| (f.departs_at, f.arrives_at, f.gate.clone()));
            (t.price.amount, times, t.version)
        });
        prop_assert_eq!(theirs, self.sale.as_ref().map(|s| (s.price, s.times.clone(), s.version)));
        let theirs = told.after.terms().and_then(|t| t.subject.show_schedule());
        let theirs = theirs.map(|s| (s.starts_at, s.sales_end_at, s.zone));
        let ours = self.sale.as_ref().filter(|s| s.times.is_none());
        prop_assert_eq!(theirs, ours.map(|s| (s.show.0, s.show.1, s.zone.clone())));
        let (held, sold) = (sum_of(BookingStatus::Held), sum_of(BookingStatus::Confirmed));
        let free = seats + extra - blocked - held - sold;
        let theirs = [
            counts.capacity,
            counts.blocked,
            counts.held,
            counts.confirmed,
            counts.available(),
            counts.oversold_by(),
        ]
        .map(i64::from);
        prop_assert_eq!(
            theirs,
            [seats, blocked, held, sold, free.max(0), (-free).max(0)],
            "{:?}",
            told.command
        );
        prop_assert_eq!(counts.sales, sales);
        prop_assert_eq!(counts.version, self.facts);
        prop_assert_eq!(told.after.bookings_len(), self.bookings.len());
        for ours in &self.bookings {
            let theirs = told
                .after
                .booking(ours.id)
                .map(|b| (b.user_id, i64::from(b.quantity), b.expires_at, b.status));
            prop_assert_eq!(theirs, Some((ours.user, ours.seats, ours.until, ours.status)));
        }
        let next =
            self.bookings.iter().filter(|b| b.status == BookingStatus::Held).filter_map(|b| b.until).min();
        prop_assert_eq!(told.after.next_expiry(), next);
        let doomed = sales == SalesState::Cancelled && self.bookings.iter().any(|b| b.status.is_live());
        prop_assert_eq!(told.after.is_due(told.now), doomed || next.is_some_and(|at| at <= told.now));
        prop_assert_eq!(told.after.awaits_an_end(), doomed || next.is_some());
        Ok(())
    }

    /// How many facts the command makes, or why it makes none.
    fn ask(&mut self, command: &InventoryCommand, now: Timestamp) -> Result<usize, No> {
        if let InventoryCommand::OpenInventory(opening) = command {
            return self.open(opening, now);
        }
        if self.sale.is_none() {
            return Err(No::UnknownInventory);
        }
        let called_off = self.sale().cancelled;
        let is_flight = self.sale().times.is_some();
        match command {
            InventoryCommand::ChangeFlight(_) | InventoryCommand::CancelFlight(_) if !is_flight => {
                return Err(No::For(SubjectKind::Flight));
            }
            InventoryCommand::ChangeShow(_) | InventoryCommand::CancelShow(_) if is_flight => {
                return Err(No::For(SubjectKind::Show));
            }
            _ => {}
        }
        match command {
            InventoryCommand::OpenInventory(_) => unreachable!("answered above"),
            InventoryCommand::EndDueBookings if called_off => Ok(self.end_live(now)),
            InventoryCommand::CancelFlight(ask) => self.call_off(&ask.reason, now),
            InventoryCommand::CancelShow(ask) => self.call_off(&ask.reason, now),
            InventoryCommand::ChangeFlight(_)
            | InventoryCommand::ChangeShow(_)
            | InventoryCommand::ChangeCapacity(_)
            | InventoryCommand::CloseSales(_)
            | InventoryCommand::ReopenSales(_)
            | InventoryCommand::BlockSeats(_)
            | InventoryCommand::UnblockSeats(_)
                if called_off =>
            {
                Err(No::CalledOff)
            }
            InventoryCommand::ChangeFlight(ask) => self.change_flight(ask, now),
            InventoryCommand::ChangeShow(ask) => self.change_show(ask, now),
            InventoryCommand::ReserveSeats(ask) => self.reserve(ask, now),
            InventoryCommand::ConfirmBooking(ask) => {
                let gone = self.gone(ask.accept_departed, now);
                let entry = self.find(ask.booking_id, ask.owner)?;
                if entry.status == BookingStatus::Confirmed {
                    return Ok(0);
                }
                if entry.status == BookingStatus::Cancelled {
                    return Err(No::Is(BookingStatus::Cancelled));
                }
                match entry.until {
                    Some(end) if now >= end => return Err(No::Over(end)),
                    _ if called_off => return Err(No::CalledOff),
                    _ if gone.is_some() => return Err(gone.unwrap()),
                    _ => (entry.status, entry.sold) = (BookingStatus::Confirmed, true),
                }
                Ok(1)
            }
            InventoryCommand::CancelBooking(ask) => {
                short(&ask.reason)?;
                let gone = self.gone(false, now).filter(|_| ask.owner.is_some() && !called_off);
                let entry = self.find(ask.booking_id, ask.owner)?;
                if entry.status == BookingStatus::Cancelled {
                    return Ok(0);
                }
                match entry.until {
                    Some(end) if now >= end && entry.status != BookingStatus::Confirmed => {
                        return Err(No::Over(end));
                    }
                    _ if gone.is_some() => return Err(gone.unwrap()),
                    _ => entry.status = BookingStatus::Cancelled,
                }
                Ok(1)
            }
            InventoryCommand::EndDueBookings => Ok(self.end(&self.overdue(now))),
            InventoryCommand::ChangeCapacity(ask) => {
                within(ask.capacity, 0, 10_000_000, "/capacity")?;
                let sale = self.sale();
                let before = std::mem::replace(&mut sale.seats, i64::from(ask.capacity));
                Ok(usize::from(before != sale.seats))
            }
            InventoryCommand::CloseSales(_) => {
                Ok(usize::from(!std::mem::replace(&mut self.sale().closed, true)))
            }
            InventoryCommand::ReopenSales(_) => {
                Ok(usize::from(std::mem::replace(&mut self.sale().closed, false)))
            }
            InventoryCommand::BlockSeats(ask) => {
                short(&ask.reason)?;
                within(ask.quantity, 1, 10_000_000, "/quantity")?;
                let left = self.left(&[]);
                let wanted = i64::from(ask.quantity);
                if wanted > left {
                    return Err(No::Seats { wanted, left });
                }
                self.sale().blocked += wanted;
                Ok(1)
            }
            InventoryCommand::UnblockSeats(ask) => {
                let sale = self.sale();
                within(ask.quantity, 1, sale.blocked, "/quantity")?;
                sale.blocked -= i64::from(ask.quantity);
                Ok(1)
            }
        }
    }

    fn open(&mut self, opening: &OpenInventory, now: Timestamp) -> Result<usize, No> {
        let times = match &opening.subject {
            Subject::Show { zone, .. } if zone.as_deref() == Some("Asia/Nowhere") => {
                return Err(No::Field("/zone"));
            }
            Subject::Show { starts_at: Some(start), sales_end_at: Some(end), .. } if end > start => {
                return Err(No::Field("/sales_end_at"));
            }
            Subject::Show { .. } => None,
            Subject::Flight(flight) => {
                if flight.number.is_empty() {
                    return Err(No::Field("/number"));
                }
                if flight.departure_airport_id == flight.arrival_airport_id {
                    return Err(No::Field("/arrival_airport_id"));
                }
                if flight.departure_zone == "Asia/Nowhere" {
                    return Err(No::Field("/departure_zone"));
                }
                if flight.departs_at >= flight.arrives_at {
                    return Err(No::Field("/arrives_at"));
                }
                Some((flight.departs_at, flight.arrives_at, flight.gate.clone()))
            }
        };
        if let Some(sale) = &self.sale {
            let asked = OpenInventory { accept_departed: sale.opening.accept_departed, ..opening.clone() };
            let same = match (&sale.opening.subject, &asked.subject) {
                (Subject::Show { name, zone, .. }, Subject::Show { name: n, zone: z, .. }) => {
                    let rest = OpenInventory { subject: sale.opening.subject.clone(), ..asked.clone() };
                    let (ours, asked) = (show_times(&sale.opening), show_times(opening));
                    (name, zone, ours) == (n, z, asked) && rest == sale.opening
                }
                _ => sale.opening == asked,
            };
            return if same { Ok(0) } else { Err(No::OpenWithOtherTerms) };
        }
        let (start, end) = show_times(opening);
        if start.is_some_and(|start| start <= now) {
            return Err(No::Field("/starts_at"));
        }
        if end.is_some_and(|end| end <= now) {
            return Err(No::Field("/sales_end_at"));
        }
        if times.as_ref().is_some_and(|(leaves, ..)| *leaves <= now) && !opening.accept_departed {
            return Err(No::Field("/departs_at"));
        }
        self.sale = Some(Sale {
            opening: opening.clone(),
            seats: i64::from(opening.capacity),
            blocked: 0,
            closed: false,
            cancelled: false,
            price: opening.price.amount,
            times,
            show: show_times(opening),
            zone: match &opening.subject {
                Subject::Show { zone, .. } => zone.clone(),
                Subject::Flight(_) => None,
            },
            version: 1,
        });
        Ok(1)
    }

    fn change_flight(&mut self, ask: &ChangeFlight, now: Timestamp) -> Result<usize, No> {
        let facts = self.facts;
        let sale = self.sale();
        let (leaves, lands, gate) = sale.times.clone().unwrap();
        let price = ask.price.map_or(sale.price, |price| price.amount);
        if price < 0 {
            return Err(No::Field("/price/amount"));
        }
        let new_leaves = ask.departs_at.unwrap_or(leaves);
        let new_lands = ask.arrives_at.unwrap_or(lands);
        if new_leaves >= new_lands {
            return Err(No::Field("/arrives_at"));
        }
        let new_times = Some((new_leaves, new_lands, ask.gate.clone().unwrap_or(gate)));
        let changed = usize::from(price != sale.price) + usize::from(new_times != sale.times);
        if changed == 0 {
            return Ok(0);
        }
        if ask.if_version.iter().flatten().all(|seen| *seen != sale.version) && ask.if_version.is_some() {
            return Err(No::Version(sale.version));
        }
        if new_leaves != leaves && new_leaves <= now && !ask.accept_departed {
            return Err(No::Field("/departs_at"));
        }
        (sale.price, sale.times, sale.version) = (price, new_times, facts + changed as u64);
        Ok(changed)
    }

    fn change_show(&mut self, ask: &ChangeShow, now: Timestamp) -> Result<usize, No> {
        let facts = self.facts;
        let sale = self.sale();
        let price = ask.price.map_or(sale.price, |price| price.amount);
        if price < 0 {
            return Err(No::Field("/price/amount"));
        }
        let (start, end) = sale.show;
        let zone = ask.zone.clone().unwrap_or(sale.zone.clone());
        if zone.as_deref() == Some("Asia/Nowhere") {
            return Err(No::Field("/zone"));
        }
        let new_start = if let Some(asked) = ask.starts_at { asked } else { start };
        let new_end = match ask.sales_end_at {
            Some(Some(asked)) => Some(asked),
            Some(None) => new_start,
            None if start == end => new_start,
            None => end,
        };
        if new_start.is_some() && new_end > new_start {
            return Err(No::Field("/sales_end_at"));
        }
        let moves = (new_start, new_end) != (start, end) || zone != sale.zone;
        let changed = usize::from(price != sale.price) + usize::from(moves);
        if changed == 0 {
            return Ok(0);
        }
        if ask.if_version.iter().flatten().all(|seen| *seen != sale.version) && ask.if_version.is_some() {
            return Err(No::Version(sale.version));
        }
        if new_start != start && new_start.is_some_and(|start| start <= now) {
            return Err(No::Field("/starts_at"));
        }
        if new_end != end && new_end.is_some_and(|end| end <= now) {
            return Err(No::Field("/sales_end_at"));
        }
        (sale.price, sale.show, sale.zone) = (price, (new_start, new_end), zone);
        sale.version = facts + changed as u64;
        Ok(changed)
    }

    fn call_off(&mut self, reason: &str, now: Timestamp) -> Result<usize, No> {
        short(reason)?;
        let version = self.facts + 1;
        let sale = self.sale();
        if std::mem::replace(&mut sale.cancelled, true) {
            return Ok(0);
        }
        sale.version = version;
        Ok(1 + self.end_live(now))
    }

    /// Ends live bookings, those with the lowest ids, as many as end at once.
    fn end_live(&mut self, now: Timestamp) -> usize {
        let mut live: Vec<_> = self.bookings.iter_mut().filter(|b| b.status.is_live()).collect();
        live.sort_by_key(|b| b.id);
        live.truncate(ENDED_AT_ONCE);
        for entry in &mut live {
            let over = entry.status == BookingStatus::Held && entry.until.is_some_and(|end| end <= now);
            entry.status = if over { BookingStatus::Expired } else { BookingStatus::Cancelled };
        }
        live.len()
    }

    fn reserve(&mut self, ask: &ReserveSeats, now: Timestamp) -> Result<usize, No> {
        if self.bookings.iter().any(|b| b.id == ask.booking_id) {
            return Ok(0);
        }
        let policy = self.sale().opening.policy;
        within(ask.quantity, 1, i64::from(policy.seats_per_booking), "/quantity")?;
        if self.sale().cancelled {
            return Err(No::CalledOff);
        }
        if self.sale().closed {
            return Err(No::Closed);
        }
        if let Some(gone) = self.gone(ask.accept_departed, now) {
            return Err(gone);
        }
        match self.sale().show {
            (_, Some(end)) if end <= now => return Err(No::TooLate(end)),
            _ => {}
        }
        let overdue = self.overdue(now);
        let has = self
            .bookings
            .iter()
            .filter(|b| b.user == ask.user_id && b.status.is_live() && !overdue.contains(&b.id))
            .count() as i64;
        let limit = i64::from(policy.live_bookings_per_user);
        if limit != 0 && has >= limit {
            return Err(No::Live { limit, has });
        }
        let theirs = || self.bookings.iter().filter(|b| b.user == ask.user_id);
        let lives = |b: &&Entry| b.status.is_live() && !overdue.contains(&b.id);
        let seats: i64 = theirs().filter(lives).map(|b| b.seats).sum();
        let in_vain = theirs().filter(|b| !b.sold && !lives(b)).count() as i64;
        let (of_seats, of_holds) = (i64::from(policy.seats_per_user), i64::from(policy.holds_per_user));
        if of_seats != 0 && seats + i64::from(ask.quantity) > of_seats {
            return Err(No::Limit { name: UserLimit::Seats, limit: of_seats, has: seats });
        }
        if of_holds != 0 && in_vain >= of_holds {
            return Err(No::Limit { name: UserLimit::Holds, limit: of_holds, has: in_vain });
        }
        let (wanted, left) = (i64::from(ask.quantity), self.left(&overdue));
        if wanted > left {
            return Err(No::Seats { wanted, left });
        }
        let ended = self.end(&overdue);
        let (until, status) = match policy.hold_seconds {
            0 => (None, BookingStatus::Confirmed),
            seconds => (Some(now + TimeDelta::seconds(i64::from(seconds))), BookingStatus::Held),
        };
        let (user, sold) = (ask.user_id, until.is_none());
        self.bookings.push(Entry { id: ask.booking_id, user, seats: wanted, until, status, sold });
        Ok(ended + 1)
    }

    /// Holds whose time is over, those first whose time was over first, as many as end at once.
    fn overdue(&self, now: Timestamp) -> Vec<BookingId> {
        let held = self.bookings.iter().filter(|b| b.status == BookingStatus::Held);
        let mut over: Vec<_> =
            held.filter_map(|b| b.until.filter(|end| *end <= now).map(|end| (end, b.id))).collect();
        over.sort();
        over.into_iter().map(|(_, id)| id).take(ENDED_AT_ONCE).collect()
    }

    fn end(&mut self, overdue: &[BookingId]) -> usize {
        for entry in self.bookings.iter_mut().filter(|b| overdue.contains(&b.id)) {
            entry.status = BookingStatus::Expired;
        }
        overdue.len()
    }

    /// Seats nobody has, if these bookings had none.
    fn left(&mut self, but: &[BookingId]) -> i64 {
        let live = self.bookings.iter().filter(|b| b.status.is_live() && !but.contains(&b.id));
        let taken: i64 = live.map(|b| b.seats).sum();
        let sale = self.sale();
        (sale.seats + i64::from(sale.opening.policy.overbooking_allowance) - sale.blocked - taken).max(0)
    }

    fn find(&mut self, id: BookingId, owner: Option<UserId>) -> Result<&mut Entry, No> {
        let entry = self.bookings.iter_mut().find(|b| b.id == id).ok_or(No::UnknownBooking)?;
        if owner.is_some_and(|owner| owner != entry.user) { Err(No::UnknownBooking) } else { Ok(entry) }
    }

    /// Whether the flight has left, unless that is accepted, or the show has begun.
    fn gone(&mut self, accepted: bool, now: Timestamp) -> Option<No> {
        let sale = self.sale();
        let begins = match &sale.times {
            Some((leaves, ..)) => Some(*leaves).filter(|_| !accepted),
            None => sale.show.0,
        };
        begins.filter(|begins| *begins <= now).map(No::Left)
    }

    fn sale(&mut self) -> &mut Sale {
        self.sale.as_mut().unwrap()
    }
}

/// When a show begins, and when its sale ends: at the start, unless it says so.
fn show_times(opening: &OpenInventory) -> (Option<Timestamp>, Option<Timestamp>) {
    match &opening.subject {
        Subject::Show { starts_at, sales_end_at, .. } => (*starts_at, sales_end_at.or(*starts_at)),
        Subject::Flight(_) => (None, None),
    }
}

fn within(value: u32, min: i64, max: i64, pointer: &'static str) -> Result<(), No> {
    let value = i64::from(value);
    if value < min || value > max { Err(No::Field(pointer)) } else { Ok(()) }
}

fn short(reason: &str) -> Result<(), No> {
    if reason.len() > 100 { Err(No::Field("/reason")) } else { Ok(()) }
}
