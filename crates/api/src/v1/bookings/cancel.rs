//! `POST /v1/bookings/{id}/cancel`: give the seats back. Cancelling what is cancelled changes nothing.

use crate::{
    command::CommandName,
    extract::{Caller, IdempotencyKey, OptionalBody, PathId, Trace},
    form::{Fields, Form, ReasonCode},
    problem::{Problem, problems},
    state::ApiState,
    view::BookingView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::{BookingId, CancelBooking, InventoryCommand};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/bookings/{id}/cancel";
/// The reason where none is given.
const REASON_DEFAULT: &str = "requested";

/// Gives seats back.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "plans_changed"}))]
pub(crate) struct Cancel {
    /// Why, as a word: it stays in the log for ever, so nothing personal. Left out: `requested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    reason: Option<ReasonCode>,
}

impl Form for Cancel {
    fn fields(fields: &mut Fields<'_>) {
        fields.optional::<ReasonCode>("reason");
    }
}

problems! {
    /// Why the booking is not cancelled.
    CancelProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, NotFound, HoldExpired, InvalidState, Departed,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, Overloaded,
        StoreUnavailable, OutcomeUnknown,
}

/// Give the seats of a live booking back. A customer can until the flight departs or the show begins, agents and admins
/// afterwards too.
#[utoipa::path(
    post, path = "/v1/bookings/{id}/cancel", tag = "bookings", request_body = Option<Cancel>,
    params(("id" = uuid::Uuid, Path, description = "The booking."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, if you want the first answer again.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The booking, cancelled.", body = BookingView), CancelProblems)
)]
pub(crate) async fn cancel_booking(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    PathId(id): PathId,
    key: Option<IdempotencyKey>,
    trace: Trace,
    OptionalBody(request): OptionalBody<Cancel>,
) -> Result<Response, Problem> {
    let booking_id = BookingId(id);
    let made = super::locate(&api, booking_id).await?;
    let name = CommandName::of(&api, caller.into(), ROUTE, id, key.as_ref(), &request);
    let reason = request.reason.map_or_else(|| REASON_DEFAULT.to_owned(), |reason| reason.0);
    let cancel = CancelBooking { booking_id, owner: caller.only_own(), reason };
    let ask = name.ask(caller.into(), &trace, made.inventory_id, InventoryCommand::CancelBooking(cancel));
    Ok(api.writer.execute(ask, async |accepted| super::answer(&api, made, accepted).await).await?)
}
