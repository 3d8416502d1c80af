//! `GET /v1/shows`: the shows, the first to begin first, from the read model.

use crate::{
    extract::{FreshFrom, FromQuery, Params, Query},
    form::{Field as _, Instant, Line, line},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded,
    view::{InvalidCursor, JsonAnswer, KeyCursor, Meta, Page, ShowView, freshness, instant, is_not_made_yet},
};
use axum::extract::State;
use holdfast_availability::{InventoryRow, ShowPlace, ShowSearch, search_shows};
use holdfast_domain::{InventoryId, Timestamp, words};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most words of one search: bounds its statement.
const WORDS_MAX: usize = 20;

/// Which shows: what a cursor is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shows {
    shows_from: Option<Timestamp>,
    to: Option<Timestamp>,
    q: Option<String>,
}

/// Where a page ended: the show's start in microseconds since 1970, if that is known, and its id.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Ended(Option<i64>, Uuid);

impl From<ShowPlace> for Ended {
    fn from(place: ShowPlace) -> Self {
        Self(place.starts_at.map(|at| at.timestamp_micros()), place.inventory_id.0)
    }
}

impl TryFrom<Ended> for ShowPlace {
    type Error = InvalidCursor;

    fn try_from(Ended(starts_at, id): Ended) -> Result<Self, InvalidCursor> {
        Ok(Self { starts_at: starts_at.map(instant).transpose()?, inventory_id: InventoryId(id) })
    }
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct ShowsQuery {
    shows: Shows,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for ShowsQuery {
    fn read(params: &mut Params) -> Self {
        let at = |params: &mut Params, name| params.take(name, &Instant::must_be(), Instant::read);
        let (from, to) = (at(params, "from"), at(params, "to"));
        if from.as_ref().zip(to.as_ref()).is_some_and(|(from, to)| from.0 >= to.0) {
            params.wrong("to", "must be after `from`");
        }
        let must_be = format!(
            "must be text of 1 to 200 characters on one line, with 1 to {WORDS_MAX} words of letters or digits"
        );
        let q = params.take("q", &must_be, |text| {
            let line: Line<1, 200> = line(text)?;
            (1..=WORDS_MAX).contains(&words(&line.0).len()).then_some(line.0)
        });
        let shows = Shows { shows_from: from.map(|at| at.0), to: to.map(|at| at.0), q };
        Self { shows, limit: params.limit(), cursor: params.cursor() }
    }
}

problems! {
    /// Why they are not listed.
    ListShowsProblems: InvalidCursor, ValidationFailed, StoreUnavailable,
}

/// Shows that have not begun and are not cancelled, the first to begin first; past ones where `from` says so.
///
/// Those whose start is not known are last. What is sold out or closed for sale is listed with the others: `availability` says
/// so.
#[utoipa::path(
    get, path = "/v1/shows", tag = "shows",
    params(
        ("from" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Only those that begin at this instant or later; one in the past lists past shows. Left out: those that have not begun.",
            example = "2027-06-01T00:00:00Z"),
        ("to" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Only those that begin before this instant; those whose start is not known do not.",
            example = "2027-07-01T00:00:00Z"),
        ("q" = Option<String>, Query, description = "Only those whose name has all of these words, or words that begin with them. Spelling, width and letters' case make no difference; of a script without blanks each letter is a word.",
            min_length = 1, max_length = 200, example = "tempest"),
        ("limit" = Option<u32>, Query, description = "Shows of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same filters."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command: the page waits up to 500 ms to include it, else says that it is stale."),
    ),
    responses((status = 200, description = "A page.", body = Page<ShowView>), ListShowsProblems)
)]
pub(crate) async fn list_shows(
    State(api): State<ApiState>,
    Query(query): Query<ShowsQuery>,
    fresh: FreshFrom,
) -> Result<JsonAnswer<Page<ShowView>>, Problem> {
    let ShowsQuery { shows, limit, cursor } = query;
    let after = cursor.map(|text| KeyCursor::<_, Ended>::read(&text, &shows)?.try_into()).transpose()?;
    let search = ShowSearch {
        from: shows.shows_from,
        to: shows.to,
        words: shows.q.as_deref().map(words).unwrap_or_default(),
        after,
        limit,
    };
    let freshness = freshness(&api.read_models.availability, fresh).await;
    let rows = match bounded(search_shows(&api.pool, &search, api.ambient.now())).await {
        Err(error) if is_not_made_yet(&error) => return Ok(JsonAnswer(Page::not_made_yet())),
        rows => rows?,
    };
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let place = last.and_then(ShowPlace::of);
    let next_cursor = place.map(|place| KeyCursor::write(shows, Ended::from(place)));
    let show = |row: InventoryRow| {
        let stale = freshness.stale || row.is_parked;
        ShowView::of(row).map(|show| show.stale(stale))
    };
    let data = rows.into_iter().filter_map(show).collect();
    Ok(JsonAnswer(Page { data, meta: Meta { next_cursor, freshness } }))
}
