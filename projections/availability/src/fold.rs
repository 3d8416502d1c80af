//! What a batch of events makes of inventories: one net change each.

use chrono::NaiveDate;
use holdfast_domain::{
    BookingStatus, InventoryEvent, InventoryId, InventoryOpened, Money, SalesState, Schedule, ShowSchedule,
    Subject, Timestamp, local_day,
};
use holdfast_event_log::{LogPosition, Recorded};
use std::collections::BTreeMap;

/// The net change of one inventory. Counts are differences, because what they are added to is in the
/// database; all others are values, because their events carry values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event that opened it, and when, if that is in this batch.
    pub opened: Option<(InventoryOpened, Timestamp)>,
    /// The capacity, if it changed.
    pub capacity: Option<u32>,
    /// Whether seats can be reserved, if that changed.
    pub sales: Option<SalesState>,
    /// Price of one seat, if it changed.
    pub price: Option<Money>,
    /// When it leaves and lands, and on which day at its departure airport, if it is a flight that moved.
    pub moved: Option<(Schedule, NaiveDate)>,
    /// When it begins and its sale ends, if it is a show that moved.
    pub show_moved: Option<ShowSchedule>,
    /// Sequence of the last event that changed what is sold, if one did.
    pub terms_version: Option<i64>,
    /// Seats on hold, more or less.
    pub held: i64,
    /// Seats sold, more or less.
    pub confirmed: i64,
    /// Seats taken out of the sale, more or less.
    pub blocked: i64,
    /// Sequence of its last event in this batch.
    pub version: i64,
    /// Its last event in this batch.
    pub at: LogPosition,
}

/// The net changes of a batch, in the order of the inventory ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Inventories opened in this batch.
    pub opened: Vec<(InventoryId, InventoryOpened, Timestamp, Change)>,
    /// Inventories opened before.
    pub changed: Vec<(InventoryId, Change)>,
}

impl Changes {
    /// Adds a batch up.
    pub(crate) fn of(events: &[Recorded]) -> Self {
        let mut changes: BTreeMap<InventoryId, Change> = BTreeMap::new();
        for recorded in events {
            let change = changes.entry(recorded.inventory_id).or_insert_with(|| Change::none(recorded.at));
            change.event(recorded);
        }
        let mut sorted = Self::default();
        for (id, mut change) in changes {
            match change.opened.take() {
                Some((mut terms, opened_at)) => {
                    change.alter(&mut terms);
                    sorted.opened.push((id, terms, opened_at, change));
                }
                None => sorted.changed.push((id, change)),
            }
        }
        sorted
    }
}

impl Change {
    fn none(at: LogPosition) -> Self {
        Self {
            opened: None,
            capacity: None,
            sales: None,
            price: None,
            moved: None,
            show_moved: None,
            terms_version: None,
            held: 0,
            confirmed: 0,
            blocked: 0,
            version: 0,
            at,
        }
    }

    /// Brings what was opened in this batch up to its end.
    fn alter(&self, terms: &mut InventoryOpened) {
        if let Some(price) = self.price {
            terms.price = price;
        }
        if let (Some((schedule, _)), Subject::Flight(flight)) = (&self.moved, &mut terms.subject) {
            flight.reschedule(schedule.clone());
        }
        if let Some(schedule) = &self.show_moved {
            terms.subject.reschedule_show(schedule.clone());
        }
    }

    fn event(&mut self, Recorded { at, sequence, event, recorded_at, .. }: &Recorded) {
        (self.at, self.version) = (*at, *sequence);
        match event {
            InventoryEvent::InventoryOpened(e) => {
                self.opened = Some((e.clone(), *recorded_at));
                self.capacity = Some(e.capacity);
                self.sales = Some(SalesState::Open);
                self.terms_version = Some(*sequence);
            }
            InventoryEvent::SeatsReserved(e) => *self.seats(e.status()) += i64::from(e.quantity),
            InventoryEvent::BookingConfirmed(e) => {
                self.held -= i64::from(e.quantity);
                self.confirmed += i64::from(e.quantity);
            }
            InventoryEvent::BookingCancelled(e) => *self.seats(e.previous_status) -= i64::from(e.released),
            InventoryEvent::BookingExpired(e) => self.held -= i64::from(e.released),
            InventoryEvent::CapacityChanged(e) => self.capacity = Some(e.new),
            InventoryEvent::SalesClosed(_) => self.sales = Some(SalesState::Closed),
            InventoryEvent::SalesReopened(_) => self.sales = Some(SalesState::Open),
            InventoryEvent::SeatsBlocked(e) => self.blocked += i64::from(e.quantity),
            InventoryEvent::SeatsUnblocked(e) => self.blocked -= i64::from(e.quantity),
            InventoryEvent::PriceChanged(e) => {
                self.price = Some(e.new);
                self.terms_version = Some(*sequence);
            }
            InventoryEvent::FlightRescheduled(e) => {
                let day = local_day(e.new.departs_at, &e.departure_zone);
                self.moved = Some((e.new.clone(), day));
                self.terms_version = Some(*sequence);
            }
            InventoryEvent::ShowRescheduled(e) => {
                self.show_moved = Some(e.new.clone());
                self.terms_version = Some(*sequence);
            }
            InventoryEvent::FlightCancelled(_) | InventoryEvent::ShowCancelled(_) => {
                self.sales = Some(SalesState::Cancelled);
                self.terms_version = Some(*sequence);
            }
        }
    }

    /// The count that seats of a live booking are in.
    fn seats(&mut self, status: BookingStatus) -> &mut i64 {
        if status == BookingStatus::Held { &mut self.held } else { &mut self.confirmed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_domain::{BookingConfirmed, BookingExpired, BookingId, SalesClosed, SalesReopened};

    fn at(position: i64, event: impl Into<InventoryEvent>) -> Recorded {
        Recorded {
            at: LogPosition { log_partition: 3, position },
            inventory_id: InventoryId::default(),
            sequence: position,
            event: event.into(),
            recorded_at: Timestamp::default(),
        }
    }

    /// The reservations came in an earlier batch: this one can only say how much less is held.
    #[test]
    fn an_older_inventory_is_changed_by_the_difference_of_the_whole_batch() {
        let booking_id = BookingId::default();
        let changes = Changes::of(&[
            at(7, BookingConfirmed { booking_id, quantity: 3 }),
            at(8, SalesClosed {}),
            at(9, BookingExpired { booking_id, released: 2 }),
            at(10, SalesReopened {}),
        ]);
        let [(_, change)] = changes.changed.as_slice() else { panic!("{changes:?}") };
        assert!(changes.opened.is_empty());
        assert_eq!((change.held, change.confirmed, change.blocked), (-5, 3, 0));
        assert_eq!((change.sales, change.capacity), (Some(SalesState::Open), None));
        assert_eq!((change.version, change.at.position), (10, 10));
    }
}
