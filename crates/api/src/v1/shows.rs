//! Shows: open one, list them, find one, sell it for another price or move it, cancel it. Its seats are an inventory's.

mod cancel;
mod change;
mod get;
mod list;
mod open;

pub(crate) use cancel::{__path_cancel_show, cancel_show};
pub(crate) use change::{__path_change_show, change_show};
pub(crate) use get::{__path_get_show, get_show};
pub(crate) use list::{__path_list_shows, list_shows};
pub(crate) use open::{__path_open_show, PolicyOfSale, Price, open_show};

use crate::{
    commands::AnswerLost,
    problem::Problem,
    store::bounded,
    view::{Done, SeatsView, ShowView, tag},
};
use axum::response::{IntoResponse, Response};
use holdfast_domain::{InventoryEvent, InventoryId, SubjectKind, Timestamp};
use holdfast_event_log::{Recorded, read_sequences};
use holdfast_writer::Accepted;
use sqlx::PgPool;

/// A stream begins with the event that opened it.
const OPENED: i64 = 1;

/// When a show was opened. Not found: there is no such show.
async fn opened_at(pool: &PgPool, id: InventoryId) -> Result<Timestamp, Problem> {
    let first = bounded(read_sequences(pool, id, &[OPENED])).await?.into_iter().next();
    match first {
        Some(Recorded { event: InventoryEvent::InventoryOpened(opened), recorded_at, .. })
            if opened.subject.kind() == SubjectKind::Show =>
        {
            Ok(recorded_at)
        }
        _ => Err(Problem::not_found()),
    }
}

/// The answer to an accepted command about a show: the show as it is now.
fn answer(accepted: Accepted, opened_at: Timestamp) -> Result<Response, AnswerLost> {
    let seats = SeatsView::from(&accepted);
    let Accepted { inventory_id, at, terms, replayed, .. } = accepted;
    let terms = terms.ok_or_else(|| AnswerLost::because("a change of a show without its terms"))?;
    let version = terms.version;
    let body = ShowView::now(inventory_id, *terms, opened_at, seats)
        .ok_or_else(|| AnswerLost::because("a show that is none"))?;
    let mut response = Done { made_at: None, at, replayed, body }.into_response();
    tag(response.headers_mut(), version);
    Ok(response)
}
