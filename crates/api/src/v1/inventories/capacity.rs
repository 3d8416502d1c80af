//! `POST /v1/inventories/{id}/capacity`: set the number of seats.

use super::{HouseCommand, HouseProblems};
use crate::{
    extract::Body,
    form::{Fields, Form, Whole},
    problem::Problem,
    state::ApiState,
    view::SeatsView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::InventoryCommand;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/inventories/{id}/capacity";

/// A number of seats: the most the rules take.
pub(crate) type Capacity = Whole<0, 10_000_000>;

/// Sets the number of seats.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"capacity": 120}))]
pub(crate) struct ChangeCapacity {
    /// The new number. It may be less than what is sold: the answer says `oversold_by`.
    #[schema(inline)]
    capacity: Capacity,
}

impl Form for ChangeCapacity {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Capacity>("capacity");
    }
}

/// Set the number of seats.
#[utoipa::path(
    post, path = "/v1/inventories/{id}/capacity", tag = "inventories", request_body = ChangeCapacity,
    params(("id" = uuid::Uuid, Path, description = "The inventory."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, to send it again safely.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The seats after it.", body = SeatsView), HouseProblems)
)]
pub(crate) async fn change_capacity(
    State(api): State<ApiState>,
    house: HouseCommand,
    Body(request): Body<ChangeCapacity>,
) -> Result<Response, Problem> {
    let command = holdfast_domain::ChangeCapacity { capacity: request.capacity.get() };
    house.send(&api, ROUTE, &request, InventoryCommand::ChangeCapacity(command)).await
}
