//! `GET /v1/inventories/{id}/availability`: the seats, from the read model.

use super::Found;
use crate::{
    extract::{FreshFrom, PathId},
    problem::{Problem, problems},
    state::ApiState,
    view::{JsonAnswer, SeatsView},
};
use axum::extract::State;
use holdfast_domain::InventoryId;

problems! {
    /// Why they are not shown.
    AvailabilityProblems: NotFound, Overloaded, StoreUnavailable,
}

/// The seats, counted, with the position of the log this is true for.
#[utoipa::path(
    get, path = "/v1/inventories/{id}/availability", tag = "inventories",
    params(("id" = uuid::Uuid, Path, description = "The inventory: a show's id."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command that the answer must include.")),
    responses((status = 200, description = "The seats.", body = SeatsView), AvailabilityProblems)
)]
pub(crate) async fn get_availability(
    State(api): State<ApiState>,
    PathId(id): PathId,
    fresh: FreshFrom,
) -> Result<JsonAnswer<SeatsView>, Problem> {
    let found = super::find(&api, InventoryId(id), fresh).await?;
    Ok(JsonAnswer(match &found {
        Found::Row(row, stale) => SeatsView::from(row).stale(*stale),
        Found::Live(view) => SeatsView::from(view),
    }))
}
