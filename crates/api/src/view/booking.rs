//! A booking, folded from its own events: true with every projector stopped.

use super::MoneyView;
use chrono::{DateTime, Utc};
use holdfast_domain::{
    BookingId, BookingStatus, InventoryEvent, InventoryId, SeatsReserved, Timestamp, UserId,
};
use holdfast_event_log::Recorded;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

/// Where a booking is in its life.
#[derive(ToSchema)]
#[schema(as = BookingStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "the shape of a document, not a value")]
pub(crate) enum StatusSchema {
    /// Seats are kept until `expires_at`.
    Held,
    /// Sold.
    Confirmed,
    /// Given back.
    Cancelled,
    /// The hold ran out.
    Expired,
}

/// A booking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Booking)]
pub(crate) struct BookingView<'a> {
    /// Names it for ever.
    #[schema(value_type = Uuid)]
    pub(crate) id: BookingId,
    /// Whose seats.
    #[schema(value_type = Uuid)]
    pub(crate) inventory_id: InventoryId,
    /// Who holds it.
    #[schema(value_type = Uuid)]
    pub(crate) user_id: UserId,
    /// How many seats.
    #[schema(example = 2)]
    pub(crate) quantity: u32,
    /// Where it is in its life.
    #[schema(value_type = StatusSchema)]
    pub(crate) status: BookingStatus,
    /// Price of all seats.
    pub(crate) total: MoneyView,
    /// When it was made.
    pub(crate) reserved_at: DateTime<Utc>,
    /// When its hold ends or ended; null: it was confirmed at once.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// When it was confirmed.
    pub(crate) confirmed_at: Option<DateTime<Utc>>,
    /// When it was cancelled or expired.
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// Why it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) reason: Option<Cow<'a, str>>,
    /// What its status allows. Once the flight has departed or the show has begun, `departed` refuses it to customers.
    #[schema(value_type = Vec<String>, example = json!(["confirm", "cancel"]))]
    pub(crate) available_actions: &'static [&'static str],
}

/// What can be asked of a booking of this status.
pub(crate) fn actions(status: BookingStatus) -> &'static [&'static str] {
    match status {
        BookingStatus::Held => &["confirm", "cancel"],
        BookingStatus::Confirmed => &["cancel"],
        BookingStatus::Cancelled | BookingStatus::Expired => &[],
    }
}

impl<'a> BookingView<'a> {
    /// The booking as it was made.
    pub(crate) fn made(inventory_id: InventoryId, made: &SeatsReserved, reserved_at: Timestamp) -> Self {
        let status = made.status();
        Self {
            id: made.booking_id,
            inventory_id,
            user_id: made.user_id,
            quantity: made.quantity,
            status,
            total: made.total.into(),
            reserved_at,
            expires_at: made.expires_at,
            confirmed_at: (status == BookingStatus::Confirmed).then_some(reserved_at),
            ended_at: None,
            reason: None,
            available_actions: actions(status),
        }
    }

    /// The booking after all of `events`, its own and in order. None: the first did not make it.
    pub(crate) fn fold(events: &'a [Recorded]) -> Option<Self> {
        let (first, later) = events.split_first()?;
        let InventoryEvent::SeatsReserved(made) = &first.event else { return None };
        let made = Self::made(first.inventory_id, made, first.recorded_at);
        Some(later.iter().fold(made, |booking, event| booking.after(event)))
    }

    /// The booking after it was confirmed.
    pub(crate) fn confirmed(self, at: Timestamp) -> Self {
        Self { confirmed_at: Some(at), ..self }.now(BookingStatus::Confirmed)
    }

    /// The booking after its next event.
    pub(crate) fn after(self, next: &'a Recorded) -> Self {
        let at = Some(next.recorded_at);
        match &next.event {
            InventoryEvent::BookingConfirmed(_) => self.confirmed(next.recorded_at),
            InventoryEvent::BookingCancelled(e) => {
                let reason = Some(Cow::Borrowed(e.reason.as_str()));
                Self { ended_at: at, reason, ..self }.now(BookingStatus::Cancelled)
            }
            InventoryEvent::BookingExpired(_) => Self { ended_at: at, ..self }.now(BookingStatus::Expired),
            InventoryEvent::SeatsReserved(_)
            | InventoryEvent::InventoryOpened(_)
            | InventoryEvent::CapacityChanged(_)
            | InventoryEvent::SalesClosed(_)
            | InventoryEvent::SalesReopened(_)
            | InventoryEvent::SeatsBlocked(_)
            | InventoryEvent::SeatsUnblocked(_)
            | InventoryEvent::PriceChanged(_)
            | InventoryEvent::FlightRescheduled(_)
            | InventoryEvent::FlightCancelled(_)
            | InventoryEvent::ShowRescheduled(_)
            | InventoryEvent::ShowCancelled(_) => self,
        }
    }

    fn now(self, status: BookingStatus) -> Self {
        Self { status, available_actions: actions(status), ..self }
    }
}

impl From<holdfast_booking_history::Booking> for BookingView<'static> {
    fn from(row: holdfast_booking_history::Booking) -> Self {
        Self {
            id: row.booking_id,
            inventory_id: row.inventory_id,
            user_id: row.user_id,
            quantity: row.quantity,
            status: row.status,
            total: row.total.into(),
            reserved_at: row.reserved_at,
            expires_at: row.expires_at,
            confirmed_at: row.confirmed_at,
            ended_at: row.ended_at,
            reason: row.reason.map(Cow::Owned),
            available_actions: actions(row.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_domain::{BookingCancelled, BookingConfirmed, BookingExpired, Currency, Money};
    use holdfast_event_log::LogPosition;
    use uuid::Uuid;

    fn at(second: i64) -> Timestamp {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn recorded(second: i64, event: impl Into<InventoryEvent>) -> Recorded {
        Recorded {
            at: LogPosition { log_partition: 0, position: second },
            inventory_id: InventoryId(Uuid::from_u128(1)),
            sequence: second,
            event: event.into(),
            recorded_at: at(second),
        }
    }

    fn reserved(expires_at: Option<Timestamp>) -> Recorded {
        let total = Money { amount: 100, currency: Currency::from_code("EUR").unwrap() };
        let booking_id = BookingId(Uuid::from_u128(2));
        let user_id = UserId(Uuid::from_u128(3));
        recorded(1, SeatsReserved { booking_id, user_id, quantity: 2, total, expires_at })
    }

    #[test]
    fn a_booking_without_a_hold_is_confirmed_from_the_start() {
        let booking = [reserved(None)];
        let booking = BookingView::fold(&booking).unwrap();
        assert_eq!((booking.status, booking.confirmed_at), (BookingStatus::Confirmed, Some(at(1))));
        assert_eq!(booking.available_actions, ["cancel"]);
    }

    #[test]
    fn a_booking_is_what_its_events_made_of_it() {
        let booking_id = BookingId(Uuid::from_u128(2));
        let confirmed = recorded(2, BookingConfirmed { booking_id, quantity: 2 });
        let previous_status = BookingStatus::Confirmed;
        let reason = "rain".to_owned();
        let cancelled = recorded(3, BookingCancelled { booking_id, previous_status, released: 2, reason });
        let events = [reserved(Some(at(9))), confirmed, cancelled];
        let booking = BookingView::fold(&events).unwrap();
        assert_eq!(booking.status, BookingStatus::Cancelled);
        assert_eq!((booking.confirmed_at, booking.ended_at), (Some(at(2)), Some(at(3))));
        assert_eq!((booking.reason.as_deref(), booking.available_actions), (Some("rain"), &[][..]));

        let events = [reserved(Some(at(9))), recorded(9, BookingExpired { booking_id, released: 2 })];
        let booking = BookingView::fold(&events).unwrap();
        assert_eq!((booking.status, booking.ended_at), (BookingStatus::Expired, Some(at(9))));
    }

    #[test]
    fn events_that_do_not_begin_with_the_booking_are_no_booking() {
        let booking_id = BookingId(Uuid::from_u128(2));
        assert_eq!(BookingView::fold(&[recorded(2, BookingConfirmed { booking_id, quantity: 2 })]), None);
        assert_eq!(BookingView::fold(&[]), None);
    }
}
