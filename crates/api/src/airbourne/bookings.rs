//! `POST /api/v1/bookings`: seats of a flight, decided in the request and confirmed at once.
//!
//! Who books is who the token says; a `userId` that says otherwise is refused. Without an `Idempotency-Key` the command gets
//! a name of our own; with one, sending it again has one effect. The number that names a booking here is its place in the
//! log, so none has to be kept: position × 1024 + partition.

use super::{
    answer::{Envelope, message},
    flights,
    refusal::Refusal,
    request::{Lenient, Sent},
    says::{Says, Wrong},
    time::written,
};
use crate::{
    auth::Principal,
    command::CommandName,
    commands::AnswerLost,
    extract::{IdempotencyKey, Known, Trace, authenticate},
    problem::Problem,
    state::{Api, ApiState},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use holdfast_domain::{
    BookingId, ConfirmBooking, InventoryCommand, InventoryEvent, InventoryId, ReserveSeats, SeatsReserved,
};
use holdfast_event_log::{LogPosition, Recorded};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

const ROUTE: &str = "POST /api/v1/bookings";
/// A booking's number is its position, then its partition: this many partitions at most.
const PARTITIONS_MAX: i64 = 1024;

const SAYS: Says = Says {
    envelope: Envelope::SALES,
    wrong: Wrong::Original,
    status: StatusCode::OK,
    done: "Successfully completed  booking",
    failed: "Unable to create booking",
};

/// A booking.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BookingView {
    id: i64,
    flight_id: i64,
    user_id: i64,
    status: &'static str,
    #[serde(rename = "NoOfSeats")]
    no_of_seats: u32,
    total_cost: i64,
    created_at: String,
    updated_at: String,
}

/// What is asked, understood.
struct Asked {
    flight: i64,
    inventory_id: InventoryId,
    seats: u32,
}

/// Book seats: `{flightId, NoOfSeats}`, and `userId` of the token.
#[utoipa::path(
    post, path = "/api/v1/bookings", tag = "airbourne", request_body(content = Object, example = json!({"flightId": 1, "NoOfSeats": 2})),
    responses(
        (status = 200, description = "The booking, confirmed and durable."),
        (status = "4XX", description = "401: no good token; 403: another's userId; 404: no such flight; 409: sold out, or the flight is cancelled; 422: no number of seats."),
        (status = "5XX", description = "Come again."),
    )
)]
pub(crate) async fn book(
    State(api): State<ApiState>,
    headers: HeaderMap,
    key: Result<Option<IdempotencyKey>, Problem>,
    Lenient { sent, trace }: Lenient,
) -> Response {
    let booked = async {
        let known = authenticate(&headers, &api).await?;
        let asked = asked(&sent?, &known)?;
        reserve(&api, &trace, key?, &known, &asked).await
    };
    SAYS.answer(booked.await)
}

fn asked(sent: &Sent, known: &Known) -> Result<Asked, Refusal> {
    if sent.whole("userId")?.is_some_and(|user| user != known.number) {
        return Err(Problem::forbidden_for_another().into());
    }
    let flight = sent.required_whole("flightId")?;
    let seats = sent.required_whole("NoOfSeats")?;
    let seats = u32::try_from(seats).ok().filter(|seats| *seats > 0);
    let seats = seats.ok_or_else(|| Refusal::field("NoOfSeats", "must be a whole number from 1"))?;
    let inventory_id = InventoryId::from_number(flight).ok_or_else(|| Refusal::unknown("flight"))?;
    Ok(Asked { flight, inventory_id, seats })
}

async fn reserve(
    api: &Api,
    trace: &Trace,
    key: Option<IdempotencyKey>,
    known: &Known,
    asked: &Asked,
) -> Result<BookingView, Refusal> {
    let Asked { flight, inventory_id, seats } = *asked;
    must_be_a_flight(api, inventory_id).await?;
    let caller = known.principal;
    let request = json!({"flight": flight, "seats": seats});
    let name = CommandName::of(api, caller.into(), ROUTE, Uuid::nil(), key.as_ref(), &request);
    let booking_id = BookingId(name.command_id);
    let reserve =
        ReserveSeats { booking_id, user_id: caller.user_id, quantity: seats, accept_departed: true };
    let ask = name.ask(caller.into(), trace, inventory_id, InventoryCommand::ReserveSeats(reserve));
    let booked = api.writer.execute(ask, async |accepted| {
        let Some(Recorded { event: InventoryEvent::SeatsReserved(made), recorded_at, at, .. }) =
            accepted.answer
        else {
            return Err(AnswerLost::because("a reservation without SeatsReserved"));
        };
        confirm(api, trace, caller, inventory_id, &made).await?;
        let booked_at = written(recorded_at);
        Ok(BookingView {
            id: number_of(at),
            flight_id: flight,
            user_id: known.number,
            status: "Booked",
            no_of_seats: made.quantity,
            total_cost: made.total.amount,
            created_at: booked_at.clone(),
            updated_at: booked_at,
        })
    });
    Ok(booked.await?)
}

async fn must_be_a_flight(api: &Api, id: InventoryId) -> Result<(), Refusal> {
    if !api.flights.contains_key(&id) {
        flights::by_id(api, id).await?.ok_or_else(|| Refusal::unknown("flight"))?;
        api.flights.insert(id, ());
    }
    Ok(())
}

/// A flight that was opened natively may hold its seats first; Airbourne knows no holds. By now they are held, so a
/// failure leaves an outcome that is not known.
async fn confirm(
    api: &Api,
    trace: &Trace,
    caller: Principal,
    flight: InventoryId,
    made: &SeatsReserved,
) -> Result<(), AnswerLost> {
    if made.expires_at.is_none() {
        return Ok(());
    }
    let confirm = ConfirmBooking { booking_id: made.booking_id, owner: None, accept_departed: true };
    let confirm = InventoryCommand::ConfirmBooking(confirm);
    let ask = CommandName::once(api.ambient.new_id()).ask(caller.into(), trace, flight, confirm);
    Ok(api.writer.execute(ask, async |_| Ok(())).await?)
}

fn number_of(at: LogPosition) -> i64 {
    at.position * PARTITIONS_MAX + i64::from(at.log_partition)
}

/// What Airbourne published here was one message that stood in its code, to one private address. Nothing is published, and
/// the answer is the same.
#[utoipa::path(
    post, path = "/api/v1/publish", tag = "airbourne",
    responses((status = 201, description = "`Successfully completed  publishing`."))
)]
pub(crate) async fn publish() -> Response {
    message(StatusCode::CREATED, "Successfully completed  publishing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bookings_number_is_its_own_and_a_number_of_its_clients() {
        let at = |log_partition, position| number_of(LogPosition { log_partition, position });
        assert_eq!((at(0, 1), at(7, 1), at(0, 2)), (1024, 1031, 2048));
        assert!(at(15, 1 << 42) < 1 << 53, "JavaScript counts no further");
    }
}
