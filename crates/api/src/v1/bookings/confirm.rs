//! `POST /v1/bookings/{id}/confirm`: turn a hold into a sale. Confirming what is confirmed changes nothing.

use crate::{
    command::CommandName,
    extract::{Caller, IdempotencyKey, OptionalBody, PathId, Trace},
    form::{Fields, Form},
    problem::{Problem, problems},
    state::ApiState,
    view::BookingView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::{BookingId, ConfirmBooking, InventoryCommand};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/bookings/{id}/confirm";

/// Asks for a sale. There is nothing to say; an empty body will do.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub(crate) struct Confirm {}

impl Form for Confirm {
    fn fields(_: &mut Fields<'_>) {}
}

problems! {
    /// Why the booking is not confirmed.
    ConfirmProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, NotFound, HoldExpired, InvalidState, Departed, FlightCancelled, ShowCancelled,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, Overloaded,
        StoreUnavailable, OutcomeUnknown,
}

/// Turn a hold into a sale, before it expires and before the flight departs or the show begins.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/confirm", tag = "bookings", request_body = Option<Confirm>,
    params(("id" = uuid::Uuid, Path, description = "The booking."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, if you want the first answer again.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The booking, confirmed.", body = BookingView), ConfirmProblems)
)]
pub(crate) async fn confirm_booking(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    PathId(id): PathId,
    key: Option<IdempotencyKey>,
    trace: Trace,
    OptionalBody(request): OptionalBody<Confirm>,
) -> Result<Response, Problem> {
    let booking_id = BookingId(id);
    let made = super::locate(&api, booking_id).await?;
    let confirm = ConfirmBooking { booking_id, owner: caller.only_own(), accept_departed: false };
    let name = CommandName::of(&api, caller.into(), ROUTE, id, key.as_ref(), &request);
    let ask = name.ask(caller.into(), &trace, made.inventory_id, InventoryCommand::ConfirmBooking(confirm));
    Ok(api.writer.execute(ask, async |accepted| super::answer(&api, made, accepted).await).await?)
}
