//! `POST /v1/inventories/{id}/close-sales`: stop sales. What is held can still be confirmed.

use super::{HouseCommand, HouseProblems};
use crate::{
    extract::OptionalBody,
    form::{Fields, Form},
    problem::Problem,
    state::ApiState,
    view::SeatsView,
};
use axum::{extract::State, response::Response};
use holdfast_domain::InventoryCommand;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const ROUTE: &str = "POST /v1/inventories/{id}/close-sales";

/// Stops sales. There is nothing to say; an empty body will do.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub(crate) struct CloseSales {}

impl Form for CloseSales {
    fn fields(_: &mut Fields<'_>) {}
}

/// Stop sales; closing what is closed changes nothing.
#[utoipa::path(
    post, path = "/v1/inventories/{id}/close-sales", tag = "inventories", request_body = Option<CloseSales>,
    params(("id" = uuid::Uuid, Path, description = "The inventory."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, to send it again safely.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The seats after it.", body = SeatsView), HouseProblems)
)]
pub(crate) async fn close_sales(
    State(api): State<ApiState>,
    house: HouseCommand,
    OptionalBody(request): OptionalBody<CloseSales>,
) -> Result<Response, Problem> {
    house.send(&api, ROUTE, &request, InventoryCommand::CloseSales(holdfast_domain::CloseSales)).await
}
