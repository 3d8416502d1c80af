//! `GET /v1/shows`: the shows, the latest opened first, from the read model.

use crate::{
    extract::{FreshFrom, FromQuery, Params, Query},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded,
    view::{Cursor, JsonAnswer, Meta, Page, SeatsView, ShowView, freshness, is_not_made_yet},
};
use axum::extract::State;
use holdfast_availability::{After, InventoryRow, shows};
use holdfast_domain::InventoryId;

/// The name of this list in its cursors.
const SHOWS: &str = "shows";

/// What is asked for.
#[derive(Debug)]
pub(crate) struct ShowsQuery {
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for ShowsQuery {
    fn read(params: &mut Params) -> Self {
        Self { limit: params.limit(), cursor: params.cursor() }
    }
}

problems! {
    /// Why they are not listed.
    ListShowsProblems: InvalidCursor, ValidationFailed, StoreUnavailable,
}

/// The shows, the latest opened first.
#[utoipa::path(
    get, path = "/v1/shows", tag = "shows",
    params(
        ("limit" = Option<u32>, Query, description = "Shows of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command: the page waits up to 500 ms to include it, else says that it is stale."),
    ),
    responses((status = 200, description = "A page.", body = Page<ShowView>), ListShowsProblems)
)]
pub(crate) async fn list_shows(
    State(api): State<ApiState>,
    Query(query): Query<ShowsQuery>,
    fresh: FreshFrom,
) -> Result<JsonAnswer<Page<ShowView>>, Problem> {
    let after = query.cursor.map(|text| Cursor::read(&text, &SHOWS.to_owned())).transpose()?;
    let after = after.map(|(opened_at, id)| After { opened_at, inventory_id: InventoryId(id) });
    let freshness = freshness(&api.read_models.availability, fresh).await;
    let rows = match bounded(shows(&api.pool, after, query.limit)).await {
        Err(error) if is_not_made_yet(&error) => return Ok(JsonAnswer(Page::not_made_yet())),
        rows => rows?,
    };
    let last = rows.last().filter(|_| rows.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(SHOWS.to_owned(), last.opened_at, last.inventory_id.0));
    let show = |row: InventoryRow| {
        let seats = SeatsView::from(&row).stale(freshness.stale || row.is_parked);
        Some(ShowView::of(row)?.with(seats))
    };
    let data = rows.into_iter().filter_map(show).collect();
    Ok(JsonAnswer(Page { data, meta: Meta { next_cursor, freshness } }))
}
