//! `GET /v1/shows/{id}`: a show with its seats.

use crate::{
    extract::{FreshFrom, PathId},
    problem::{Problem, problems},
    state::{Api, ApiState},
    store::bounded,
    v1::inventories::{self, Found},
    view::{JsonAnswer, SeatsView, ShowView},
};
use axum::extract::State;
use holdfast_domain::{InventoryEvent, InventoryId};
use holdfast_event_log::{Recorded, read_sequences};
use holdfast_writer::InventoryView;

/// A stream begins with the event that opened it.
const OPENED: i64 = 1;

problems! {
    /// Why it is not shown.
    GetShowProblems: NotFound, Overloaded, StoreUnavailable,
}

/// A show with its seats.
#[utoipa::path(
    get, path = "/v1/shows/{id}", tag = "shows",
    params(("id" = uuid::Uuid, Path, description = "The show."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command that the answer must include.")),
    responses((status = 200, description = "The show.", body = ShowView), GetShowProblems)
)]
pub(crate) async fn get_show(
    State(api): State<ApiState>,
    PathId(id): PathId,
    fresh: FreshFrom,
) -> Result<JsonAnswer<ShowView>, Problem> {
    Ok(JsonAnswer(match inventories::find(&api, InventoryId(id), fresh).await? {
        Found::Row(row, stale) => {
            let seats = SeatsView::from(&row).stale(stale);
            ShowView::of(row).ok_or_else(Problem::not_found)?.with(seats)
        }
        Found::Live(view) => from_log(&api, &view).await?,
    }))
}

/// The show from its first event, with the seats as the writer knows them.
async fn from_log(api: &Api, view: &InventoryView) -> Result<ShowView, Problem> {
    let first = bounded(read_sequences(&api.pool, view.inventory_id, &[OPENED])).await?.into_iter().next();
    let Some(Recorded { event: InventoryEvent::InventoryOpened(opened), recorded_at, at, .. }) = first else {
        return Err(Problem::not_found());
    };
    let show = ShowView::opened(view.inventory_id, opened, recorded_at, at);
    Ok(show.ok_or_else(Problem::not_found)?.with(SeatsView::from(view)))
}
