//! `POST /v1/flights`: open an inventory for a flight; from then on its seats are sold.

use super::{
    super::{
        inventories::Capacity,
        shows::{PolicyOfSale, Price},
    },
    Gate,
};
use crate::{
    command::CommandName,
    commands::AnswerLost,
    extract::{Admin, Body, IdempotencyKey, Trace},
    flights,
    form::{Fields, FlightNumber, Form, Id, Instant, Whole, object},
    problem::{FieldError, Problem, if_known, problems},
    state::{Api, ApiState},
    store::bounded_work,
    view::{Done, FlightView, tag},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use holdfast_catalogue::{Airport, airplanes, airports};
use holdfast_domain::{AirplaneId, AirportId, Flight, InventoryEvent, Money, OpenInventory, Subject};
use holdfast_event_log::Recorded;
use holdfast_writer::Accepted;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/flights";

/// Asks for a flight.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"number": "HF1207", "airplane_id": "00000000-0000-8004-8000-000000000001",
    "departure_airport_id": "00000000-0000-8005-8000-000000000001",
    "arrival_airport_id": "00000000-0000-8005-8000-000000000002", "departs_at": "2027-06-01T19:30:00Z",
    "arrives_at": "2027-06-02T03:45:00Z", "price": {"amount": 24900, "currency": "EUR"}, "gate": "B12"}))]
pub(crate) struct OpenFlight {
    /// What it is called. No other flight of that number leaves on the same day, by the clocks of its departure airport.
    #[schema(inline)]
    number: FlightNumber,
    /// The airplane it flies with.
    #[schema(inline)]
    airplane_id: Id,
    /// Where it leaves.
    #[schema(inline)]
    departure_airport_id: Id,
    /// Where it lands: another airport.
    #[schema(inline)]
    arrival_airport_id: Id,
    /// When it leaves: in the future.
    #[schema(inline)]
    departs_at: Instant,
    /// When it lands: after that.
    #[schema(inline)]
    arrives_at: Instant,
    /// Price of one seat.
    #[serde(deserialize_with = "object")]
    price: Price,
    /// The limits of the sale; what is left out has its usual value.
    #[serde(default, deserialize_with = "object")]
    policy: PolicyOfSale,
    /// Number of seats; the airplane's if left out.
    #[schema(inline)]
    capacity: Option<Capacity>,
    /// Where passengers board, if that is known.
    #[schema(inline)]
    gate: Option<Gate>,
}

impl Form for OpenFlight {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<FlightNumber>("number");
        fields.required::<Id>("airplane_id");
        fields.required::<Id>("departure_airport_id");
        fields.required::<Id>("arrival_airport_id");
        fields.required::<Instant>("departs_at");
        fields.required::<Instant>("arrives_at");
        fields.required_form::<Price>("price");
        fields.optional_form::<PolicyOfSale>("policy");
        fields.optional::<Capacity>("capacity");
        fields.optional::<Gate>("gate");
    }
}

problems! {
    /// Why the flight is not opened.
    OpenFlightProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, AlreadyOpen,
        FlightExists, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout,
        Overloaded, StoreUnavailable, OutcomeUnknown,
}

/// Open a flight: from now on its seats are sold, until it leaves.
#[utoipa::path(
    post, path = "/v1/flights", tag = "flights", request_body = OpenFlight,
    params(("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it has one effect.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The flight.", body = FlightView), OpenFlightProblems)
)]
pub(crate) async fn open_flight(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    key: IdempotencyKey,
    trace: Trace,
    Body(request): Body<OpenFlight>,
) -> Result<Response, Problem> {
    let name = CommandName::keyed(admin.into(), ROUTE, Uuid::nil(), &key, &request);
    let (flight, seats) = in_catalogue(&api, &request).await?;
    let open = OpenInventory {
        subject: Subject::Flight(Box::new(flight.clone())),
        capacity: request.capacity.map_or(seats, Whole::get),
        price: Money { amount: request.price.amount.0, currency: request.price.currency.0 },
        policy: (&request.policy).into(),
        accept_departed: false,
    };
    let answer = async |accepted| answer(accepted);
    flights::open(&api, admin.into(), &trace, name, &flight, open, answer).await
}

/// The flight with the zones of its airports, and the seats of its airplane. All that is not there is named at once.
async fn in_catalogue(api: &Api, request: &OpenFlight) -> Result<(Flight, u32), Problem> {
    let from = AirportId(request.departure_airport_id.0);
    let to = AirportId(request.arrival_airport_id.0);
    let airplane_id = AirplaneId(request.airplane_id.0);
    let mut errors = Vec::new();
    let departure = airport(api, from, "/departure_airport_id", &mut errors).await?;
    let arrival = airport(api, to, "/arrival_airport_id", &mut errors).await?;
    let airplane = match if_known(bounded_work(airplanes::find(&api.pool, airplane_id)).await)? {
        None => {
            errors.push(unknown("/airplane_id", "airplane"));
            None
        }
        found => found,
    };
    let (Some(departure), Some(arrival), Some(airplane)) = (departure, arrival, airplane) else {
        return Err(Problem::invalid(errors));
    };
    let flight = Flight {
        number: request.number.0.clone(),
        airplane_id,
        departure_airport_id: from,
        arrival_airport_id: to,
        departure_zone: departure.zone,
        arrival_zone: arrival.zone,
        departs_at: request.departs_at.0,
        arrives_at: request.arrives_at.0,
        gate: request.gate.as_ref().map(|gate| gate.0.clone()),
    };
    Ok((flight, airplane.capacity))
}

async fn airport(
    api: &Api,
    id: AirportId,
    pointer: &str,
    errors: &mut Vec<FieldError>,
) -> Result<Option<Airport>, Problem> {
    let found = if_known(bounded_work(airports::find(&api.pool, id)).await)?;
    if found.is_none() {
        errors.push(unknown(pointer, "airport"));
    }
    Ok(found)
}

fn unknown(pointer: &str, what: &str) -> FieldError {
    let detail = format!("must be an {what}'s id; there is no such {what}");
    FieldError { pointer: pointer.to_owned(), detail }
}

fn answer(accepted: Accepted) -> Result<Response, AnswerLost> {
    let Accepted { inventory_id, at, answer, replayed, .. } = accepted;
    let Some(Recorded { event: InventoryEvent::InventoryOpened(opened), sequence, .. }) = answer else {
        return Err(AnswerLost::because("an opening without InventoryOpened"));
    };
    let body = FlightView::opened(inventory_id, opened, at)
        .ok_or_else(|| AnswerLost::because("a flight that is none"))?;
    let made_at = Some(format!("/v1/flights/{inventory_id}"));
    let mut response = Done { made_at, at, replayed, body }.into_response();
    tag(response.headers_mut(), sequence.cast_unsigned());
    Ok(response)
}
