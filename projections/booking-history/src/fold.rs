//! What a batch of events makes of bookings: one net change each.

use holdfast_domain::{BookingId, BookingStatus, InventoryEvent, InventoryId, Money, Timestamp, UserId};
use holdfast_event_log::{LogPosition, Recorded};
use rustc_hash::FxHashMap;

/// What happened to a booking after it was made, up to the end of the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is now.
    pub status: BookingStatus,
    /// When it was confirmed, if that is in this batch.
    pub confirmed_at: Option<Timestamp>,
    /// When it was cancelled or expired.
    pub ended_at: Option<Timestamp>,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// Of its events.
    pub log_partition: u16,
}

/// A booking that this batch made, with what became of it in the same batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBooking {
    /// The booking.
    pub booking_id: BookingId,
    /// Who holds it.
    pub user_id: UserId,
    /// Whose seats.
    pub inventory_id: InventoryId,
    /// How many.
    pub quantity: u32,
    /// Price of all of them.
    pub total: Money,
    /// When it was made.
    pub reserved_at: Timestamp,
    /// When the hold ends; none: confirmed at once.
    pub expires_at: Option<Timestamp>,
    /// The event that made it.
    pub at: LogPosition,
    /// What it is at the end of the batch.
    pub state: Change,
}

/// The net changes of a batch, each list in the order of the booking ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Bookings made in this batch.
    pub made: Vec<NewBooking>,
    /// Older bookings that changed.
    pub changed: Vec<(BookingId, Change)>,
}

impl Changes {
    /// Adds a batch up.
    pub(crate) fn of(events: &[Recorded]) -> Self {
        let mut fold = Fold::default();
        for recorded in events {
            fold.event(recorded);
        }
        let Fold { mut made, changed, .. } = fold;
        let mut changed: Vec<_> = changed.into_iter().collect();
        made.sort_unstable_by_key(|new| new.booking_id);
        changed.sort_unstable_by_key(|(id, _)| *id);
        Self { made, changed }
    }
}

#[derive(Default)]
struct Fold {
    made: Vec<NewBooking>,
    /// Where in `made` a booking is.
    places: FxHashMap<BookingId, usize>,
    changed: FxHashMap<BookingId, Change>,
}

impl Fold {
    fn event(&mut self, Recorded { at, inventory_id, event, recorded_at, .. }: &Recorded) {
        let now = *recorded_at;
        match event {
            InventoryEvent::SeatsReserved(e) => {
                let status = e.status();
                let state = Change {
                    status,
                    confirmed_at: (status == BookingStatus::Confirmed).then_some(now),
                    ended_at: None,
                    reason: None,
                    log_partition: at.log_partition,
                };
                self.places.insert(e.booking_id, self.made.len());
                self.made.push(NewBooking {
                    booking_id: e.booking_id,
                    user_id: e.user_id,
                    inventory_id: *inventory_id,
                    quantity: e.quantity,
                    total: e.total,
                    reserved_at: now,
                    expires_at: e.expires_at,
                    at: *at,
                    state,
                });
            }
            InventoryEvent::BookingConfirmed(e) => {
                let state = self.state(e.booking_id, at.log_partition);
                state.status = BookingStatus::Confirmed;
                state.confirmed_at = Some(now);
            }
            InventoryEvent::BookingCancelled(e) => {
                let state = self.state(e.booking_id, at.log_partition);
                state.status = BookingStatus::Cancelled;
                state.ended_at = Some(now);
                state.reason = Some(e.reason.clone());
            }
            InventoryEvent::BookingExpired(e) => {
                let state = self.state(e.booking_id, at.log_partition);
                state.status = BookingStatus::Expired;
                state.ended_at = Some(now);
            }
            InventoryEvent::InventoryOpened(_)
            | InventoryEvent::CapacityChanged(_)
            | InventoryEvent::SalesClosed(_)
            | InventoryEvent::SalesReopened(_)
            | InventoryEvent::SeatsBlocked(_)
            | InventoryEvent::SeatsUnblocked(_)
            | InventoryEvent::PriceChanged(_)
            | InventoryEvent::FlightRescheduled(_)
            | InventoryEvent::FlightCancelled(_)
            | InventoryEvent::ShowRescheduled(_)
            | InventoryEvent::ShowCancelled(_) => {}
        }
    }

    /// The state to change: of a booking made in this batch, or of an older one.
    fn state(&mut self, id: BookingId, log_partition: u16) -> &mut Change {
        if let Some(new) = self.places.get(&id).and_then(|place| self.made.get_mut(*place)) {
            return &mut new.state;
        }
        self.changed.entry(id).or_insert(Change {
            status: BookingStatus::Held,
            confirmed_at: None,
            ended_at: None,
            reason: None,
            log_partition,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_domain::{BookingCancelled, BookingConfirmed, Currency, SeatsReserved};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_timestamp_nanos(second * 1_000_000_000)
    }

    /// The event of that second, which is also its position.
    fn at(position: i64, event: InventoryEvent) -> Recorded {
        Recorded {
            at: LogPosition { log_partition: 3, position },
            inventory_id: InventoryId::default(),
            sequence: position,
            event,
            recorded_at: second(position),
        }
    }

    fn held_confirmed_cancelled() -> [Recorded; 3] {
        let booking_id = BookingId::default();
        let total = Money { amount: 1, currency: Currency::from_code("EUR").unwrap() };
        let (user_id, expires_at) = (UserId::default(), Some(second(900)));
        let cancelled = BookingCancelled {
            booking_id,
            previous_status: BookingStatus::Confirmed,
            released: 1,
            reason: "customer".to_owned(),
        };
        [
            at(1, SeatsReserved { booking_id, user_id, quantity: 1, total, expires_at }.into()),
            at(2, BookingConfirmed { booking_id, quantity: 1 }.into()),
            at(3, cancelled.into()),
        ]
    }

    #[test]
    fn a_booking_that_ends_in_the_batch_that_made_it_is_one_new_row() {
        let Changes { made, changed } = Changes::of(&held_confirmed_cancelled());
        let [booking] = made.as_slice() else { panic!("{made:?}") };
        assert!(changed.is_empty());
        assert_eq!(booking.state.status, BookingStatus::Cancelled);
        assert_eq!((booking.reserved_at, booking.at.position), (second(1), 1));
        assert_eq!((booking.state.confirmed_at, booking.state.ended_at), (Some(second(2)), Some(second(3))));
    }

    #[test]
    fn what_happens_later_is_one_change_of_an_older_row() {
        let Changes { made, changed } = Changes::of(&held_confirmed_cancelled()[1..]);
        let [(_, change)] = changed.as_slice() else { panic!("{changed:?}") };
        assert!(made.is_empty());
        assert_eq!((change.status, change.log_partition), (BookingStatus::Cancelled, 3));
        assert_eq!((change.confirmed_at, change.ended_at), (Some(second(2)), Some(second(3))));
        assert_eq!(change.reason.as_deref(), Some("customer"));
    }

    #[test]
    fn a_confirmation_alone_ends_nothing() {
        let Changes { changed, .. } = Changes::of(&held_confirmed_cancelled()[1..2]);
        let [(_, change)] = changed.as_slice() else { panic!("{changed:?}") };
        assert_eq!((change.status, change.ended_at, &change.reason), (BookingStatus::Confirmed, None, &None));
    }
}
