//! Selling a flight or a show for another price, moving it, cancelling it: one rule for both kinds.
//!
//! A change is whole or not at all, and is refused if its caller has not seen the latest terms. What moves, moves into the
//! future. A cancellation ends sales for ever, and with them the live bookings, a bounded number in each decision.

use super::{Decision, ENDINGS_MAX, cancelled, check_price, check_reason, expired, in_future};
use crate::{
    Booking, BookingId, BookingStatus, ChangeFlight, ChangeShow, FlightCancelled, FlightRescheduled,
    InvalidField, Inventory, InventoryEvent, Money, PriceChanged, Refused, Schedule, ShowCancelled,
    ShowRescheduled, ShowSchedule, SubjectKind, Terms, Timestamp,
};

/// Why a booking ends that had seats on a cancelled flight.
pub const FLIGHT_CANCELLED: &str = "flight_cancelled";
/// Why a booking ends that had seats of a cancelled show.
pub const SHOW_CANCELLED: &str = "show_cancelled";

impl Terms {
    pub(super) fn change_flight(&self, ask: &ChangeFlight, now: Timestamp) -> Decision {
        let wanted = SubjectKind::Flight;
        let flight = self.subject.flight().ok_or(Refused::OtherKind { wanted })?;
        let repriced = self.reprice(ask.price)?;
        let old = flight.schedule();
        let new = Schedule {
            departs_at: ask.departs_at.unwrap_or(old.departs_at),
            arrives_at: ask.arrives_at.unwrap_or(old.arrives_at),
            gate: ask.gate.clone().unwrap_or_else(|| old.gate.clone()),
        };
        new.check()?;
        let leaves = (new.departs_at != old.departs_at && !ask.accept_departed).then_some(new.departs_at);
        let moved = (new != old).then(|| {
            let (departure_zone, arrival_zone) = (flight.departure_zone.clone(), flight.arrival_zone.clone());
            FlightRescheduled { old, new, departure_zone, arrival_zone }.into()
        });
        self.change(repriced, moved, ask.if_version.as_deref(), || in_future("/departs_at", leaves, now))
    }

    pub(super) fn change_show(&self, ask: &ChangeShow, now: Timestamp) -> Decision {
        let wanted = SubjectKind::Show;
        let old = self.subject.show_schedule().ok_or(Refused::OtherKind { wanted })?;
        let repriced = self.reprice(ask.price)?;
        let new = rescheduled(&old, ask);
        new.check()?;
        let starts_at = new.starts_at.filter(|_| new.starts_at != old.starts_at);
        let sales_end_at = new.sales_end_at.filter(|_| new.sales_end_at != old.sales_end_at);
        let moved = (new != old).then(|| ShowRescheduled { old, new }.into());
        self.change(repriced, moved, ask.if_version.as_deref(), || {
            in_future("/starts_at", starts_at, now)?;
            in_future("/sales_end_at", sales_end_at, now)
        })
    }

    /// The event that makes the price another, if that is asked for.
    fn reprice(&self, asked: Option<Money>) -> Result<Option<InventoryEvent>, InvalidField> {
        let new = asked.unwrap_or(self.price);
        check_price(new)?;
        if new.currency != self.price.currency {
            let (currency, kind) = (self.price.currency, self.subject.kind().as_str());
            let detail = format!("must be {currency}, in which the {kind} is sold");
            return Err(InvalidField::new("/price/currency", detail));
        }
        Ok((new != self.price).then(|| PriceChanged { old: self.price, new }.into()))
    }

    /// All of a change, if its caller has seen the latest terms and it comes in time.
    fn change(
        &self,
        repriced: Option<InventoryEvent>,
        moved: Option<InventoryEvent>,
        if_version: Option<&[u64]>,
        in_time: impl FnOnce() -> Result<(), InvalidField>,
    ) -> Decision {
        let events: Vec<_> = repriced.into_iter().chain(moved).collect();
        if events.is_empty() {
            return Ok(events); // also if the caller has not seen that it is so already
        }
        if if_version.is_some_and(|seen| !seen.contains(&self.version)) {
            return Err(Refused::VersionMismatch { current: self.version });
        }
        in_time()?;
        Ok(events)
    }
}

/// The show's times after a change. A sale that ends at the start follows it.
fn rescheduled(old: &ShowSchedule, ask: &ChangeShow) -> ShowSchedule {
    let starts_at = ask.starts_at.unwrap_or(old.starts_at);
    let sales_end_at = match ask.sales_end_at {
        Some(asked) => asked.or(starts_at),
        None if old.sales_end_at == old.starts_at => starts_at,
        None => old.sales_end_at,
    };
    ShowSchedule { starts_at, zone: ask.zone.clone().unwrap_or_else(|| old.zone.clone()), sales_end_at }
}

impl Inventory {
    pub(super) fn cancel_subject(&self, terms: &Terms, reason: &str, now: Timestamp) -> Decision {
        check_reason(reason)?;
        if self.is_cancelled() {
            return Ok(vec![]);
        }
        let (kind, reason) = (terms.subject.kind(), reason.to_owned());
        let fact = match kind {
            SubjectKind::Flight => FlightCancelled { reason }.into(),
            SubjectKind::Show => ShowCancelled { reason }.into(),
        };
        let live = self.bookings().filter(|(_, b)| b.status.is_live());
        Ok(std::iter::once(fact).chain(called_off(live, kind, now)).collect())
    }
}

/// The ends of live bookings of what is cancelled. A hold that is overdue had ended before.
pub(super) fn called_off<'a>(
    live: impl Iterator<Item = (BookingId, &'a Booking)>,
    kind: SubjectKind,
    now: Timestamp,
) -> impl Iterator<Item = InventoryEvent> {
    let reason = match kind {
        SubjectKind::Flight => FLIGHT_CANCELLED,
        SubjectKind::Show => SHOW_CANCELLED,
    };
    live.take(ENDINGS_MAX).map(move |(id, booking)| match (booking.status, booking.expires_at) {
        (BookingStatus::Held, Some(at)) if at <= now => expired(id, booking),
        _ => cancelled(id, booking, reason),
    })
}
