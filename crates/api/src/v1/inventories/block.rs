//! `POST /v1/inventories/{id}/block`: take free seats out of the sale.

use super::HouseCommand;
use crate::{
    extract::Body,
    form::{Fields, Form, ReasonCode, Whole},
    problem::{Problem, problems},
    state::ApiState,
    view::SeatsView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::InventoryCommand;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/inventories/{id}/block";

/// Seats that are blocked or unblocked at once.
pub(crate) type Seats = Whole<1, 10_000_000>;

/// Takes free seats out of the sale.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quantity": 4, "reason": "sound_desk"}))]
pub(crate) struct BlockSeats {
    /// How many.
    #[schema(inline)]
    quantity: Seats,
    /// Why, as a word: it stays in the log for ever, so nothing personal.
    #[schema(inline)]
    reason: ReasonCode,
}

impl Form for BlockSeats {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Seats>("quantity");
        fields.required::<ReasonCode>("reason");
    }
}

problems! {
    /// Why they are not blocked.
    BlockProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound, SoldOut, FlightCancelled,
        ShowCancelled, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, Overloaded, StoreUnavailable,
        OutcomeUnknown,
}

/// Take free seats out of the sale.
#[utoipa::path(
    post, path = "/v1/inventories/{id}/block", tag = "inventories", request_body = BlockSeats,
    params(("id" = uuid::Uuid, Path, description = "The inventory."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours: without one, sending it again blocks more.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The seats after it.", body = SeatsView), BlockProblems)
)]
pub(crate) async fn block_seats(
    State(api): State<ApiState>,
    house: HouseCommand,
    Body(request): Body<BlockSeats>,
) -> Result<Response, Problem> {
    let (quantity, reason) = (request.quantity.get(), request.reason.0.clone());
    let command = holdfast_domain::BlockSeats { quantity, reason };
    house.send(&api, ROUTE, &request, InventoryCommand::BlockSeats(command)).await
}
