//! `POST /api/v1/flights`: put a flight on sale, with as many seats as its airplane has.

use super::{FlightView, POLICY, airplane, airport, instant, price};
use crate::{
    airbourne::{
        answer::Envelope,
        refusal::Refusal,
        request::{Lenient, Sent},
        says::Says,
        time::written,
        writer::CatalogueWriter,
    },
    command::{Actor, CommandName},
    extract::Trace,
    flights,
    problem::if_known,
    state::{Api, ApiState},
    store::bounded_work,
};
use axum::{extract::State, http::StatusCode, response::Response};
use holdfast_catalogue::{airplanes, airports};
use holdfast_domain::{AirportId, Counts, Flight, OpenInventory, Subject};
use holdfast_writer::Accepted;

const SAYS: Says =
    super::says(StatusCode::CREATED, "Successfully created a flight", "couldnt create a flight");
/// What must be there and not falsy.
const MANDATORY: [&str; 7] = [
    "flightNumber",
    "airplaneId",
    "departureAirportID",
    "arrivalAirportId",
    "arrivalTime",
    "departureTime",
    "price",
];

/// Put a flight on sale: `{flightNumber, airplaneId, departureAirportID, arrivalAirportId, departureTime, arrivalTime, price,
/// boardingGate}`.
#[utoipa::path(
    post, path = "/api/v1/flights", tag = "airbourne", request_body(content = Object, example = json!({"flightNumber": "HF1207", "airplaneId": 1, "departureAirportID": 1, "arrivalAirportId": 2,
        "departureTime": "2027-06-01T19:30:00Z", "arrivalTime": "2027-06-02T03:45:00Z", "price": 24900, "boardingGate": "B12"})),
    responses((status = 201, description = "The flight."),
        (status = "4XX", description = "400: something is missing; 409: there is such a flight on that day; 422: a value that is none, or nothing of that id."),
        (status = "5XX", description = "Come again."))
)]
pub(crate) async fn create_flight(
    State(api): State<ApiState>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, trace }: Lenient,
) -> Response {
    let (actor, sent) = match may.and_then(|writer| Ok((writer.actor, sent?))) {
        Ok(both) => both,
        Err(refusal) => return SAYS.refuse(refusal),
    };
    if MANDATORY.iter().any(|name| sent.is_empty(name)) {
        let missing = "Missing mandatory properties to create a flight";
        let message = "Invalid request body for create flight";
        return Envelope::SALES.failed(StatusCode::BAD_REQUEST, missing, message);
    }
    SAYS.answer(open(&api, actor, &trace, &sent).await)
}

async fn open(api: &Api, actor: Actor, trace: &Trace, sent: &Sent) -> Result<FlightView, Refusal> {
    let flight = flight(api, sent).await?;
    let plane = if_known(bounded_work(airplanes::find(&api.pool, flight.airplane_id)).await)?;
    let capacity = plane.ok_or_else(|| unknown("airplaneId", "airplane"))?.capacity;
    let price = price(sent.required_whole("price")?)?;
    let open = OpenInventory {
        subject: Subject::Flight(Box::new(flight.clone())),
        capacity,
        price,
        policy: POLICY,
        accept_departed: true,
    };
    let name = CommandName::once(api.ambient.new_id());
    let answer = async |accepted: Accepted| Ok(accepted.inventory_id);
    let inventory_id = flights::open(api, actor, trace, name, &flight, open, answer).await?;
    let at = Some(written(api.ambient.now()));
    let counts = Counts { capacity, ..Counts::default() };
    let view = FlightView::new(inventory_id, flight, price, &counts);
    Ok(FlightView { updated_at: at.clone(), created_at: at, ..view })
}

/// The flight that is asked for, at the clocks of its airports.
async fn flight(api: &Api, sent: &Sent) -> Result<Flight, Refusal> {
    let (from, to) = (airport(sent, "departureAirportID")?, airport(sent, "arrivalAirportId")?);
    let missing = |name| Refusal::field(name, "is missing");
    Ok(Flight {
        number: sent.text("flightNumber")?.unwrap_or_default().to_owned(),
        airplane_id: airplane(sent, "airplaneId")?,
        departure_airport_id: from,
        arrival_airport_id: to,
        departure_zone: zone(api, from, "departureAirportID").await?,
        arrival_zone: zone(api, to, "arrivalAirportId").await?,
        departs_at: instant(sent, "departureTime")?.ok_or_else(|| missing("departureTime"))?,
        arrives_at: instant(sent, "arrivalTime")?.ok_or_else(|| missing("arrivalTime"))?,
        gate: sent.text("boardingGate")?.filter(|gate| !gate.is_empty()).map(str::to_owned),
    })
}

async fn zone(api: &Api, id: AirportId, name: &str) -> Result<String, Refusal> {
    let found = if_known(bounded_work(airports::find(&api.pool, id)).await)?;
    Ok(found.ok_or_else(|| unknown(name, "airport"))?.zone)
}

/// What is named by an id and is not there makes the request wrong, and not the path.
fn unknown(name: &str, what: &str) -> Refusal {
    Refusal::field(name, &format!("must be the id of an {what}; there is none of this one"))
}
