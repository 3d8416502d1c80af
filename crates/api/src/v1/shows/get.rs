//! `GET /v1/shows/{id}`: a show with its seats.

use crate::{
    extract::{FreshFrom, PathId},
    problem::{Problem, problems},
    state::ApiState,
    v1::inventories::{self, Found},
    view::{JsonAnswer, SeatsView, ShowView, tag},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use holdfast_domain::InventoryId;

problems! {
    /// Why it is not shown.
    GetShowProblems: NotFound, Overloaded, StoreUnavailable,
}

/// A show with its seats. Its `ETag` is what a change of it needs: it names price and times, whatever is sold.
///
/// Straight after a change it may be as it was before, with the `ETag` of before, unless the request carries the
/// `Consistency-Token` that the change was answered with.
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
) -> Result<Response, Problem> {
    let (version, show) = match inventories::find(&api, InventoryId(id), fresh).await? {
        Found::Row(row, stale) => (row.terms_version, ShowView::of(row).map(|show| show.stale(stale))),
        Found::Live(view) => {
            let (seats, opened_at) =
                (SeatsView::from(&view), super::opened_at(&api.pool, view.inventory_id).await?);
            (view.terms.version, ShowView::now(view.inventory_id, view.terms, opened_at, seats))
        }
    };
    let mut response = JsonAnswer(show.ok_or_else(Problem::not_found)?).into_response();
    tag(response.headers_mut(), version);
    Ok(response)
}
