//! `PATCH /api/v1/flights/{id}`: another price, other times, another gate; bookings keep the price they were sold at.
//!
//! The original took any column from anybody. `totalSeats` is refused: it is what bookings leave, and writing it back is how
//! Airbourne lost every eighth of its seats. What else makes a flight the flight it is can only be said again, not changed.

use super::{FlightView, find, instant, price};
use crate::{
    airbourne::{
        refusal::Refusal,
        request::{Lenient, Sent},
        says::Says,
        writer::{CatalogueWriter, Writer},
    },
    command::CommandName,
    extract::Trace,
    flights,
    state::{Api, ApiState},
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use holdfast_domain::{ChangeFlight, SalesState};

const SAYS: Says = super::says(StatusCode::OK, "Successfully updated a flight", "couldnt update a flight");

/// Change a flight: `{price, departureTime, arrivalTime, boardingGate}`.
#[utoipa::path(
    patch, path = "/api/v1/flights/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The flight.")),
    request_body(content = Object, example = json!({"price": 19900, "departureTime": "2027-06-01T20:30:00Z", "arrivalTime": "2027-06-02T04:45:00Z", "boardingGate": "B14"})),
    responses((status = 200, description = "It is changed."),
        (status = "4XX", description = "403: it takes an admin's token; 404: there is no such flight; 409: it is cancelled; 422: a value that is none, or something that does not change."),
        (status = "5XX", description = "Come again."))
)]
pub(crate) async fn update_flight(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, trace }: Lenient,
) -> Response {
    let updated = async { change(&api, may?, &trace, &id, &sent?).await };
    SAYS.answer(updated.await)
}

async fn change(api: &Api, writer: Writer, trace: &Trace, id: &str, sent: &Sent) -> Result<bool, Refusal> {
    let unknown = || Refusal::unknown("flight");
    let view = find(api, id).await?.filter(|view| view.counts.sales != SalesState::Cancelled);
    let view = view.ok_or_else(unknown)?;
    let inventory_id = view.inventory_id;
    writer.may_change_flight(api, inventory_id).await?;
    only_what_changes(sent, &FlightView::of_view(view).ok_or_else(unknown)?)?;
    let change = ChangeFlight {
        price: sent.whole("price")?.map(price).transpose()?,
        departs_at: instant(sent, "departureTime")?,
        arrives_at: instant(sent, "arrivalTime")?,
        gate: sent.text("boardingGate")?.map(|gate| Some(gate.to_owned()).filter(|gate| !gate.is_empty())),
        accept_departed: true,
        ..ChangeFlight::default()
    };
    let name = CommandName::once(api.ambient.new_id());
    Ok(flights::change(api, writer.actor, trace, name, inventory_id, change, async |_| Ok(true)).await?)
}

/// Refuses what would look changed and is not.
fn only_what_changes(sent: &Sent, flight: &FlightView) -> Result<(), Refusal> {
    if sent.whole("totalSeats")?.is_some() {
        let text =
            "is what the bookings leave; POST /v1/inventories/{id}/capacity changes how many seats there are";
        return Err(Refusal::field("totalSeats", text));
    }
    let fixed = "is fixed; cancel the flight and open another";
    if sent.text("flightNumber")?.is_some_and(|number| number != flight.flight_number) {
        return Err(Refusal::field("flightNumber", fixed));
    }
    for (name, is) in [
        ("airplaneId", flight.airplane_id),
        ("departureAirportID", flight.departure_airport_id),
        ("arrivalAirportId", flight.arrival_airport_id),
    ] {
        if sent.whole(name)?.is_some_and(|asked| Some(asked) != is) {
            return Err(Refusal::field(name, fixed));
        }
    }
    Ok(())
}
