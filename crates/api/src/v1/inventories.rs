//! Inventories: the seats of a show or flight, who has booked them, and the commands of the house.

mod availability;
mod block;
mod bookings;
mod capacity;
mod close_sales;
mod reopen_sales;
mod unblock;

pub(crate) use availability::{__path_get_availability, get_availability};
pub(crate) use block::{__path_block_seats, block_seats};
pub(crate) use bookings::{__path_list_inventory_bookings, list_inventory_bookings};
pub(crate) use capacity::{__path_change_capacity, Capacity, change_capacity};
pub(crate) use close_sales::{__path_close_sales, close_sales};
pub(crate) use reopen_sales::{__path_reopen_sales, reopen_sales};
pub(crate) use unblock::{__path_unblock_seats, unblock_seats};

use crate::{
    auth::Principal,
    command::CommandName,
    extract::{Admin, FreshFrom, IdempotencyKey, PathId, Trace},
    problem::{Problem, problems},
    state::{Api, ApiState},
    store::bounded,
    view::{Done, SeatsView, freshness, is_not_made_yet},
};
use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use holdfast_availability::InventoryRow;
use holdfast_catalogue::Expected;
use holdfast_domain::{InventoryCommand, InventoryId};
use holdfast_writer::{Accepted, InventoryView};
use serde::Serialize;
use uuid::Uuid;

/// An inventory as it was found.
pub(crate) enum Found {
    /// In the read model; whether it may lack what the client has seen.
    Row(InventoryRow, bool),
    /// In the writer's memory: all that was answered is in it.
    Live(InventoryView),
}

/// Finds an inventory in the read model; where that has not got it yet, or not what the client has
/// seen already, or has set its events aside, in the writer. So there is never a 404 after a 201.
pub(crate) async fn find(api: &Api, id: InventoryId, fresh: FreshFrom) -> Result<Found, Problem> {
    let stale = freshness(&api.read_models.availability, fresh).await.stale;
    let row = match bounded(holdfast_availability::find(&api.pool, id)).await {
        Err(error) if is_not_made_yet(&error) => None,
        row => row?,
    };
    match row {
        Some(row) if !stale && !row.is_parked => Ok(Found::Row(row, false)),
        Some(row) => Ok(api.writer.inventory(id).await.map_or(Found::Row(row, true), Found::Live)),
        None => Ok(Found::Live(api.writer.inventory(id).await?)),
    }
}

/// The versions of its terms that a change may meet; none: any.
pub(crate) fn versions(expected: Expected) -> Option<Vec<u64>> {
    match expected {
        Expected::Any => None,
        Expected::OneOf(versions) => Some(versions.into_iter().filter_map(|v| v.try_into().ok()).collect()),
    }
}

problems! {
    /// Why a command of the house is not done.
    HouseProblems:
        MalformedJson, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound, FlightCancelled, ShowCancelled,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, Overloaded, StoreUnavailable,
        OutcomeUnknown,
}

/// An admin's command on an inventory: who, which, under which key, from where.
pub(crate) struct HouseCommand {
    admin: Principal,
    id: Uuid,
    key: Option<IdempotencyKey>,
    trace: Trace,
}

impl FromRequestParts<ApiState> for HouseCommand {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Problem> {
        let Admin(admin) = Admin::from_request_parts(parts, api).await?;
        let PathId(id) = PathId::from_request_parts(parts, api).await?;
        let key = Option::<IdempotencyKey>::from_request_parts(parts, api).await?;
        let Ok(trace) = Trace::from_request_parts(parts, api).await;
        Ok(Self { admin, id, key, trace })
    }
}

impl HouseCommand {
    /// Sends the command; the answer is the seats after it.
    async fn send(
        self,
        api: &Api,
        route: &'static str,
        request: &impl Serialize,
        command: InventoryCommand,
    ) -> Result<Response, Problem> {
        let Self { admin, id, key, trace } = self;
        let name = CommandName::of(api, admin.into(), route, id, key.as_ref(), request);
        let ask = name.ask(admin.into(), &trace, InventoryId(id), command);
        let answer = async |accepted: Accepted| {
            let (at, replayed, body) = (accepted.at, accepted.replayed, SeatsView::from(&accepted));
            Ok(Done { made_at: None, at, replayed, body }.into_response())
        };
        Ok(api.writer.execute(ask, answer).await?)
    }
}
