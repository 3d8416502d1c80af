//! `POST /v1/inventories/{id}/unblock`: put blocked seats back into the sale.

use super::{HouseCommand, HouseProblems, block::Seats};
use crate::{
    extract::Body,
    form::{Fields, Form},
    problem::Problem,
    state::ApiState,
    view::SeatsView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::InventoryCommand;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/inventories/{id}/unblock";

/// Puts blocked seats back into the sale.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"quantity": 4}))]
pub(crate) struct UnblockSeats {
    /// How many; not more than are blocked.
    #[schema(inline)]
    quantity: Seats,
}

impl Form for UnblockSeats {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Seats>("quantity");
    }
}

/// Put blocked seats back into the sale.
#[utoipa::path(
    post, path = "/v1/inventories/{id}/unblock", tag = "inventories", request_body = UnblockSeats,
    params(("id" = uuid::Uuid, Path, description = "The inventory."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours: without one, sending it again unblocks more.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The seats after it.", body = SeatsView), HouseProblems)
)]
pub(crate) async fn unblock_seats(
    State(api): State<ApiState>,
    house: HouseCommand,
    Body(request): Body<UnblockSeats>,
) -> Result<Response, Problem> {
    let command = holdfast_domain::UnblockSeats { quantity: request.quantity.get() };
    house.send(&api, ROUTE, &request, InventoryCommand::UnblockSeats(command)).await
}
