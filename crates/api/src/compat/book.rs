//! `POST /api/v1/book` and `POST /book`: book seats, confirmed at once.
//!
//! A user who has a booking is told so before it is looked whether seats are left; an event that does
//! not exist has no seats, and neither has a flight, whose number is of the same sequence.

use super::{
    SYSTEM,
    answer::{Answer, ErrorBody, Errors},
    request::{Lenient, required},
};
use crate::{
    command::{Actor, CommandName},
    extract::Trace,
    state::{Api, ApiState},
};
use axum::{extract::State, http::StatusCode, response::Response};
use holdfast_domain::{BookingId, InventoryCommand, InventoryId, Refused, ReserveSeats, Subject, UserId};
use holdfast_writer::ExecuteError;
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

const BOOKED: &str = r#"{"message":"booking successful"}"#;
const DUPLICATE: &str = r#"{"error":"user already bought ticket"}"#;
const SOLD_OUT: &str = r#"{"error":"sold out"}"#;
/// Most seats of one booking, as its contract says.
const QUANTITY_MAX: i64 = 10;

/// Asks for seats.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BookingMonitorBook, example = json!({"user_id": 42, "event_id": 1, "quantity": 2}))]
pub(crate) struct Book {
    /// Who.
    #[schema(required = true, nullable = false)]
    user_id: Option<i64>,
    /// What for.
    #[schema(required = true, nullable = false)]
    event_id: Option<i64>,
    /// How many seats.
    #[schema(required = true, nullable = false, minimum = 1, maximum = 10)]
    quantity: Option<i64>,
}

/// It is booked.
#[derive(Serialize, ToSchema)]
#[schema(as = BookingMonitorBooked, example = json!({"message": "booking successful"}))]
struct Booked {
    message: String,
}

/// What both paths answer; for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described, never made")]
enum Answers {
    #[response(status = 200, description = "It is booked, and durable.")]
    Booked(#[to_schema] Booked),
    #[response(status = 409, description = "`user already bought ticket`, else `sold out`.")]
    Refused(#[to_schema] ErrorBody<'static>),
}

impl Book {
    /// Who asks for how many seats of what. No inventory: no event can have that number.
    fn checked(self) -> Result<(UserId, Option<InventoryId>, u32), Answer> {
        let refuse = |text| Answer::error(StatusCode::BAD_REQUEST, text);
        let user = required("user_id", self.user_id)?;
        let event = required("event_id", self.event_id)?;
        let quantity = required("quantity", self.quantity)?;
        let in_range = u32::try_from(quantity).ok().filter(|_| (1..=QUANTITY_MAX).contains(&quantity));
        let quantity = in_range.ok_or_else(|| refuse("quantity must be 1 to 10"))?;
        let user = UserId::from_number(user).ok_or_else(|| refuse("user_id is out of range"))?;
        Ok((user, InventoryId::from_number(event), quantity))
    }
}

/// Book seats, confirmed at once; one booking per user and event.
#[utoipa::path(
    post, path = "/api/v1/book", tag = "booking_monitor", request_body = Book,
    responses(Answers, Errors)
)]
pub(crate) async fn book(State(api): State<ApiState>, request: Lenient<Book>) -> Response {
    let Lenient { body, trace, correlation_id } = request;
    let answer = match body.and_then(Book::checked) {
        Ok(asked) => reserve(&api, &trace, asked).await,
        Err(refused) => refused,
    };
    answer.to(correlation_id)
}

/// The same under its old path.
#[utoipa::path(
    post, path = "/book", tag = "booking_monitor", request_body = Book,
    responses(Answers, Errors)
)]
pub(crate) async fn book_legacy(state: State<ApiState>, request: Lenient<Book>) -> Response {
    book(state, request).await
}

async fn reserve(api: &Api, trace: &Trace, asked: (UserId, Option<InventoryId>, u32)) -> Answer {
    let (user_id, inventory_id, quantity) = asked;
    let sold_out = || Answer::fixed(StatusCode::CONFLICT, SOLD_OUT);
    let Some(inventory_id) = inventory_id else { return sold_out() };
    match is_event(api, inventory_id).await {
        Ok(true) => {}
        Ok(false) => return sold_out(),
        Err(error) => return error.into(),
    }
    let name = CommandName::once(api.ambient.new_id());
    let booking_id = BookingId(name.command_id);
    let reserve = ReserveSeats { booking_id, user_id, quantity, accept_departed: false };
    let actor = Actor { kind: SYSTEM, user_id };
    let ask = name.ask(actor, trace, inventory_id, InventoryCommand::ReserveSeats(reserve));
    match api.writer.execute(ask, async |_| Ok(())).await {
        Ok(()) => Answer::fixed(StatusCode::OK, BOOKED),
        Err(ExecuteError::Refused(
            Refused::DuplicateBooking { .. } | Refused::BookingLimitReached { .. },
        )) => Answer::fixed(StatusCode::CONFLICT, DUPLICATE),
        Err(ExecuteError::Refused(
            Refused::SoldOut { .. }
            | Refused::SalesClosed
            | Refused::SalesEnded { .. }
            | Refused::Departed { .. }
            | Refused::Cancelled { .. }
            | Refused::UnknownInventory,
        )) => sold_out(),
        Err(error) => error.into(),
    }
}

/// Whether `POST /api/v1/events` opened it: only that opens shows under a number. The ids of native shows carry none, and what
/// else has a number is a flight.
async fn is_event(api: &Api, id: InventoryId) -> Result<bool, ExecuteError> {
    if api.events.contains_key(&id) {
        return Ok(true);
    }
    match api.writer.inventory(id).await {
        Ok(view) if matches!(view.terms.subject, Subject::Show { .. }) => {
            api.events.insert(id, ());
            Ok(true)
        }
        Ok(_) | Err(ExecuteError::Refused(Refused::UnknownInventory)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(user_id: i64, event_id: i64, quantity: i64) -> bool {
        Book { user_id: Some(user_id), event_id: Some(event_id), quantity: Some(quantity) }.checked().is_ok()
    }

    #[test]
    fn zero_is_as_good_as_missing_and_negative_ids_pass() {
        assert!(checked(1, 1, 1) && checked(-1, -1, 10));
        assert!(!checked(0, 1, 1) && !checked(1, 0, 1) && !checked(1, 1, 0));
        assert!(!checked(1, 1, -1) && !checked(1, 1, 11) && !checked(1, 1, i64::MAX));
    }

    #[test]
    fn a_user_that_no_id_can_carry_is_refused_and_an_event_like_that_does_not_exist() {
        assert!(!checked(i64::MAX, 1, 1));
        assert!(checked(1, i64::MAX, 1));
    }
}
