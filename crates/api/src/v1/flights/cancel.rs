//! `POST /v1/flights/{id}/cancel`: call a flight off. Its bookings are cancelled, and nothing of it is sold any more.

use crate::{
    command::CommandName,
    extract::{Admin, Body, IdempotencyKey, PathId, Trace},
    flights,
    form::{Fields, Form, ReasonCode},
    problem::{Problem, problems},
    state::ApiState,
    view::FlightView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::InventoryId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/flights/{id}/cancel";

/// Calls a flight off.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"reason": "weather"}))]
pub(crate) struct CancelFlight {
    /// Why, as a word: it stays in the log for ever, so nothing personal.
    #[schema(inline)]
    reason: ReasonCode,
}

impl Form for CancelFlight {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<ReasonCode>("reason");
    }
}

problems! {
    /// Why it is not cancelled.
    CancelFlightProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, Overloaded, StoreUnavailable,
        OutcomeUnknown,
}

/// Cancel a flight, for ever: its bookings are cancelled with the reason `flight_cancelled`, at once or, where they are
/// many, within moments. Cancelling it again changes nothing.
#[utoipa::path(
    post, path = "/v1/flights/{id}/cancel", tag = "flights", request_body = CancelFlight,
    params(("id" = uuid::Uuid, Path, description = "The flight."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, to send it again safely.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The flight as it is now.", body = FlightView), CancelFlightProblems)
)]
pub(crate) async fn cancel_flight(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    PathId(id): PathId,
    key: Option<IdempotencyKey>,
    trace: Trace,
    Body(request): Body<CancelFlight>,
) -> Result<Response, Problem> {
    let name = CommandName::of(&api, admin.into(), ROUTE, id, key.as_ref(), &request);
    let reason = request.reason.0;
    let answer = async |accepted| super::answer(accepted);
    flights::cancel(&api, admin.into(), &trace, name, InventoryId(id), reason, answer).await
}
