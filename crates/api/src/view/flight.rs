//! A flight with its terms and its seats, by UTC and by the clocks of its airports.

use super::{MoneyView, PolicyView, SeatsView};
use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use holdfast_availability::InventoryRow;
use holdfast_domain::{
    Counts, Flight, InventoryId, InventoryOpened, Money, Policy, Subject, Terms, Timestamp, local_time,
};
use holdfast_event_log::LogPosition;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A flight whose seats are sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Flight)]
pub(crate) struct FlightView {
    /// Names the flight and its inventory.
    #[schema(value_type = Uuid)]
    id: InventoryId,
    /// What it is called.
    #[schema(example = "HF1207")]
    number: String,
    /// The airplane it flies with.
    airplane_id: Uuid,
    /// Where it leaves.
    departure_airport_id: Uuid,
    /// Where it lands.
    arrival_airport_id: Uuid,
    /// When it leaves.
    departs_at: DateTime<Utc>,
    /// When it lands.
    arrives_at: DateTime<Utc>,
    /// The departure by the clocks there.
    #[schema(example = "2027-06-01T21:30:00+02:00")]
    departs_at_local: DateTime<FixedOffset>,
    /// The arrival by the clocks there.
    #[schema(example = "2027-06-01T23:45:00-04:00")]
    arrives_at_local: DateTime<FixedOffset>,
    /// The day on which it leaves, by the clocks there.
    departure_day: NaiveDate,
    /// IANA zone of the departure airport.
    #[schema(example = "Europe/Berlin")]
    departure_zone: String,
    /// IANA zone of the arrival airport.
    #[schema(example = "America/New_York")]
    arrival_zone: String,
    /// Where passengers board, if that is known.
    #[schema(example = "B12")]
    gate: Option<String>,
    /// Price of one seat for whoever books now.
    price: MoneyView,
    /// The limits of the sale.
    policy: PolicyView,
    /// The seats.
    availability: SeatsView,
}

impl FlightView {
    /// The flight as it was opened, with the seats there were then. None: it is no flight.
    pub(crate) fn opened(id: InventoryId, opened: InventoryOpened, at: LogPosition) -> Option<Self> {
        let counts = Counts {
            capacity: opened.capacity,
            overbooking_allowance: opened.policy.overbooking_allowance,
            ..Counts::default()
        };
        let seats = SeatsView::new(id, &counts, at);
        Self::made(id, opened.subject, opened.price, opened.policy, seats)
    }

    /// The flight of these terms. None: it is no flight.
    pub(crate) fn new(id: InventoryId, terms: Terms, seats: SeatsView) -> Option<Self> {
        Self::made(id, terms.subject, terms.price, terms.policy, seats)
    }

    /// The flight of a row. None: it is no flight.
    pub(crate) fn of(row: InventoryRow) -> Option<Self> {
        let seats = SeatsView::from(&row);
        Self::made(row.inventory_id, row.subject, row.price, row.policy, seats)
    }

    /// It may lack what the request's `Consistency-Token` stands for.
    pub(crate) fn stale(self, stale: bool) -> Self {
        Self { availability: self.availability.stale(stale), ..self }
    }

    fn made(
        id: InventoryId,
        subject: Subject,
        price: Money,
        policy: Policy,
        availability: SeatsView,
    ) -> Option<Self> {
        let Subject::Flight(flight) = subject else { return None };
        let departure_day = flight.departure_day();
        let Flight { departs_at, arrives_at, departure_zone, arrival_zone, .. } = *flight;
        Some(Self {
            id,
            number: flight.number,
            airplane_id: flight.airplane_id.0,
            departure_airport_id: flight.departure_airport_id.0,
            arrival_airport_id: flight.arrival_airport_id.0,
            departs_at,
            arrives_at,
            departs_at_local: at_the_clocks_of(&departure_zone, departs_at),
            arrives_at_local: at_the_clocks_of(&arrival_zone, arrives_at),
            departure_day,
            departure_zone,
            arrival_zone,
            gate: flight.gate,
            price: price.into(),
            policy: policy.into(),
            availability,
        })
    }
}

/// A zone was checked when the flight was opened; one that has vanished since is taken for UTC.
fn at_the_clocks_of(zone: &str, at: Timestamp) -> DateTime<FixedOffset> {
    local_time(at, zone).unwrap_or_else(|| at.fixed_offset())
}
