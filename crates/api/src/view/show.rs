//! A show with its terms and its seats.

use super::{MoneyView, SeatsView};
use chrono::{DateTime, Utc};
use holdfast_availability::InventoryRow;
use holdfast_domain::{Counts, InventoryId, InventoryOpened, Money, Policy, Subject, Terms, Timestamp};
use holdfast_event_log::LogPosition;
use serde::Serialize;
use utoipa::ToSchema;

/// A show whose seats are on sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Show)]
pub(crate) struct ShowView {
    /// Names the show and its inventory.
    #[schema(value_type = Uuid)]
    id: InventoryId,
    /// What it is called.
    #[schema(example = "The Tempest")]
    name: String,
    /// When it begins, if that is known.
    starts_at: Option<DateTime<Utc>>,
    /// IANA zone of the venue, if that is known.
    #[schema(example = "Europe/London")]
    zone: Option<String>,
    /// When its sale ends; null: it has no end.
    sales_end_at: Option<DateTime<Utc>>,
    /// Price of one seat.
    price: MoneyView,
    /// The limits of the sale.
    policy: PolicyView,
    /// When sales began.
    opened_at: DateTime<Utc>,
    /// The seats.
    availability: SeatsView,
}

/// The limits under which seats are sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Policy)]
pub(crate) struct PolicyView {
    /// Most seats in one booking.
    #[schema(example = 10)]
    seats_per_booking: u32,
    /// Most live (held or confirmed) bookings of one user; 0 = no limit.
    #[schema(example = 0)]
    live_bookings_per_user: u32,
    /// How long a hold lasts; 0 = bookings are confirmed at once.
    #[schema(example = 900)]
    hold_seconds: u32,
    /// Seats that may be sold beyond the capacity.
    #[schema(example = 0)]
    overbooking_allowance: u32,
    /// Most seats of one user's live bookings; 0 = no limit.
    #[schema(example = 20)]
    seats_per_user: u32,
    /// Holds of one user that may end unconfirmed before the next is refused; 0 = no limit.
    #[schema(example = 10)]
    holds_per_user: u32,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        let Policy { seats_per_booking, live_bookings_per_user, hold_seconds, .. } = policy;
        let Policy { overbooking_allowance, seats_per_user, holds_per_user, .. } = policy;
        Self {
            seats_per_booking,
            live_bookings_per_user,
            hold_seconds,
            overbooking_allowance,
            seats_per_user,
            holds_per_user,
        }
    }
}

impl ShowView {
    /// The show as it was opened, with the seats there were then. None: it is no show.
    pub(crate) fn opened(
        id: InventoryId,
        opened: InventoryOpened,
        opened_at: Timestamp,
        at: LogPosition,
    ) -> Option<Self> {
        let counts = Counts {
            capacity: opened.capacity,
            overbooking_allowance: opened.policy.overbooking_allowance,
            ..Counts::default()
        };
        let seats = SeatsView::new(id, &counts, at);
        Self::new(id, opened.subject, opened.price, opened.policy, opened_at, seats)
    }

    /// The show as it is now. None: it is no show.
    pub(crate) fn now(id: InventoryId, terms: Terms, opened_at: Timestamp, seats: SeatsView) -> Option<Self> {
        Self::new(id, terms.subject, terms.price, terms.policy, opened_at, seats)
    }

    /// The same, whose seats may lack what the client has seen.
    pub(crate) fn stale(self, stale: bool) -> Self {
        Self { availability: self.availability.stale(stale), ..self }
    }

    fn new(
        id: InventoryId,
        subject: Subject,
        price: Money,
        policy: Policy,
        opened_at: DateTime<Utc>,
        availability: SeatsView,
    ) -> Option<Self> {
        let sales_end_at = subject.sales_end_at();
        let Subject::Show { name, starts_at, zone, .. } = subject else { return None };
        Some(Self {
            id,
            name,
            starts_at,
            zone,
            sales_end_at,
            price: price.into(),
            policy: policy.into(),
            opened_at,
            availability,
        })
    }

    /// The show of a row. None: it is no show.
    pub(crate) fn of(row: InventoryRow) -> Option<Self> {
        let seats = SeatsView::from(&row);
        Self::new(row.inventory_id, row.subject, row.price, row.policy, row.opened_at, seats)
    }
}
