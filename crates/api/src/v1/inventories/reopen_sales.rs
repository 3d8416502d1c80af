//! `POST /v1/inventories/{id}/reopen-sales`: start sales again.

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

const ROUTE: &str = "POST /v1/inventories/{id}/reopen-sales";

/// Starts sales again. There is nothing to say; an empty body will do.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({}))]
pub(crate) struct ReopenSales {}

impl Form for ReopenSales {
    fn fields(_: &mut Fields<'_>) {}
}

/// Start sales again; opening what is open changes nothing.
#[utoipa::path(
    post, path = "/v1/inventories/{id}/reopen-sales", tag = "inventories", request_body = Option<ReopenSales>,
    params(("id" = uuid::Uuid, Path, description = "The inventory."),
        ("Idempotency-Key" = Option<String>, Header, description = "Yours, to send it again safely.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The seats after it.", body = SeatsView), HouseProblems)
)]
pub(crate) async fn reopen_sales(
    State(api): State<ApiState>,
    house: HouseCommand,
    OptionalBody(request): OptionalBody<ReopenSales>,
) -> Result<Response, Problem> {
    house.send(&api, ROUTE, &request, InventoryCommand::ReopenSales(holdfast_domain::ReopenSales)).await
}
