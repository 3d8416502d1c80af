//! `/api/v1/flights`: flights. `totalSeats` is how many are left now, from whoever sells them: never negative, never old.
//!
//! Times are taken as its clients write them, departures in the past with them. A flight sells in one currency, 1 to 100
//! seats a booking, confirmed at once.

mod create;
mod delete;
mod get;
mod list;
mod update;

pub(crate) use create::{__path_create_flight, create_flight};
pub(crate) use delete::{__path_delete_flight, delete_flight};
pub(crate) use get::{__path_get_flight, get_flight};
pub(crate) use list::{__path_list_flights, list_flights};
pub(crate) use update::{__path_update_flight, update_flight};

use super::{
    answer::Envelope,
    refusal::Refusal,
    request::{Sent, number},
    says::{Says, Wrong},
    time::{self, written},
};
use crate::{
    problem::{Problem, if_known},
    state::Api,
};
use axum::http::StatusCode;
use holdfast_availability::InventoryRow;
use holdfast_domain::{
    AirplaneId, AirportId, Counts, Currency, Flight, InventoryId, Money, Policy, Subject, Timestamp,
};
use holdfast_writer::InventoryView;
use serde::Serialize;

/// A flight of Airbourne's: as many bookings a user as there are seats, confirmed at once. Seats of one booking: as many as
/// the rules allow.
const POLICY: Policy = Policy {
    seats_per_booking: 100,
    live_bookings_per_user: 0,
    hold_seconds: 0,
    overbooking_allowance: 0,
    seats_per_user: 0,
    holds_per_user: 0,
};
/// Its prices are numbers without a currency; a currency must be named all the same.
const CURRENCY: &str = "USD";

const fn says(status: StatusCode, done: &'static str, failed: &'static str) -> Says {
    Says { envelope: Envelope::SALES, wrong: Wrong::Object, status, done, failed }
}

/// A flight.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlightView {
    id: Option<i64>,
    flight_number: String,
    airplane_id: Option<i64>,
    #[serde(rename = "departureAirportID")]
    departure_airport_id: Option<i64>,
    arrival_airport_id: Option<i64>,
    arrival_time: String,
    departure_time: String,
    price: i64,
    boarding_gate: Option<String>,
    total_seats: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

impl FlightView {
    fn new(id: InventoryId, flight: Flight, price: Money, counts: &Counts) -> Self {
        Self {
            id: id.number(),
            flight_number: flight.number,
            airplane_id: flight.airplane_id.number(),
            departure_airport_id: flight.departure_airport_id.number(),
            arrival_airport_id: flight.arrival_airport_id.number(),
            arrival_time: written(flight.arrives_at),
            departure_time: written(flight.departs_at),
            price: price.amount,
            boarding_gate: flight.gate,
            total_seats: counts.available(),
            updated_at: None,
            created_at: None,
        }
    }

    /// None: it is no flight.
    fn of_row(row: InventoryRow) -> Option<Self> {
        let Subject::Flight(flight) = row.subject else { return None };
        let created_at = Some(written(row.opened_at));
        let view = Self::new(row.inventory_id, *flight, row.price, &row.counts);
        Some(Self { updated_at: created_at.clone(), created_at, ..view })
    }

    /// None: it is no flight.
    fn of_view(view: InventoryView) -> Option<Self> {
        let Subject::Flight(flight) = view.terms.subject else { return None };
        Some(Self::new(view.inventory_id, *flight, view.terms.price, &view.counts))
    }
}

/// The flight in a path, as whoever sells it knows it; none if there is none.
async fn find(api: &Api, id: &str) -> Result<Option<InventoryView>, Refusal> {
    match number(id).and_then(InventoryId::from_number) {
        Some(id) => by_id(api, id).await,
        None => Ok(None),
    }
}

/// A flight as whoever sells it knows it; none if it is none. A show of booking_monitor's is known by a number, too.
pub(super) async fn by_id(api: &Api, id: InventoryId) -> Result<Option<InventoryView>, Refusal> {
    let found = if_known(api.writer.inventory(id).await.map_err(Problem::from))?;
    Ok(found.filter(|view| view.terms.subject.flight().is_some()))
}

fn price(amount: i64) -> Result<Money, Refusal> {
    let currency = Currency::from_code(CURRENCY).ok_or_else(|| Refusal::field("price", "has no currency"))?;
    Ok(Money { amount, currency })
}

fn instant(sent: &Sent, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let text = sent.text(name)?;
    text.map(|text| time::lenient(text).ok_or_else(|| Refusal::field(name, time::MUST_BE))).transpose()
}

fn airport(sent: &Sent, name: &str) -> Result<AirportId, Refusal> {
    AirportId::from_number(sent.required_whole(name)?)
        .ok_or_else(|| Refusal::field(name, "must be the id of an airport"))
}

fn airplane(sent: &Sent, name: &str) -> Result<AirplaneId, Refusal> {
    AirplaneId::from_number(sent.required_whole(name)?)
        .ok_or_else(|| Refusal::field(name, "must be the id of an airplane"))
}
