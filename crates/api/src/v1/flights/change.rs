//! `PATCH /v1/flights/{id}`: sell a flight for another price, or move it: one decision, so all of it or nothing.

use super::{
    super::{inventories::versions, shows::Price},
    Gate,
};
use crate::{
    command::CommandName,
    extract::{Admin, Body, IdempotencyKey, IfMatch, PathId, Trace},
    flights,
    form::{Fields, Form, Instant, given, given_object},
    problem::{Problem, problems},
    state::ApiState,
    view::FlightView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::{InventoryId, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "PATCH /v1/flights/{id}";

/// Changes a flight; what is left out stays.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"departs_at": "2027-06-01T20:15:00Z", "arrives_at": "2027-06-02T04:30:00Z", "gate": "B7"}))]
pub(crate) struct ChangeFlight {
    /// Price of one seat for later bookings, in the currency it has. Bookings keep the price they were sold at.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(nullable = false)]
    price: Option<Price>,
    /// When it leaves: in the future.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    departs_at: Option<Instant>,
    /// When it lands: after that.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    arrives_at: Option<Instant>,
    /// Where passengers board; null: not known any more.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    gate: Option<Option<Gate>>,
}

impl Form for ChangeFlight {
    fn fields(fields: &mut Fields<'_>) {
        fields.optional_form::<Price>("price");
        fields.change::<Instant>("departs_at");
        fields.change::<Instant>("arrives_at");
        fields.optional::<Gate>("gate");
    }
}

problems! {
    /// Why it is not changed.
    ChangeFlightProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound, FlightExists, FlightCancelled,
        VersionMismatch, PreconditionRequired, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
        IdempotencyKeyReused, RequestTimeout, Overloaded, StoreUnavailable, OutcomeUnknown,
}

/// Sell a flight for another price, or move it: all that is asked, or nothing.
///
/// A flight that has left can be changed, too; one that is moved into the future is sold again. Its holds can be confirmed and its
/// bookings cancelled whenever it leaves. Sent again with its key, a change is answered with the flight as it is then, which others may
/// have changed since.
#[utoipa::path(
    patch, path = "/v1/flights/{id}", tag = "flights", request_body = ChangeFlight,
    params(("id" = uuid::Uuid, Path, description = "The flight."),
        ("If-Match" = String, Header, description = "The `ETag` of what you have read; `*`: whatever it is."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, to send it again safely.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The flight as it is now.", body = FlightView), ChangeFlightProblems)
)]
pub(crate) async fn change_flight(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    PathId(id): PathId,
    key: Option<IdempotencyKey>,
    IfMatch(expected): IfMatch,
    trace: Trace,
    Body(request): Body<ChangeFlight>,
) -> Result<Response, Problem> {
    let name = CommandName::of(&api, admin.into(), ROUTE, id, key.as_ref(), &request);
    let change = holdfast_domain::ChangeFlight {
        price: request.price.map(|price| Money { amount: price.amount.0, currency: price.currency.0 }),
        departs_at: request.departs_at.map(|at| at.0),
        arrives_at: request.arrives_at.map(|at| at.0),
        gate: request.gate.map(|gate| gate.map(|gate| gate.0)),
        if_version: versions(expected),
        accept_departed: false,
    };
    let answer = async |accepted| super::answer(accepted);
    flights::change(&api, admin.into(), &trace, name, InventoryId(id), change, answer).await
}
