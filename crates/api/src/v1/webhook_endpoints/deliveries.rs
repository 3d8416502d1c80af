//! `GET /v1/webhook-endpoints/{id}/deliveries`: what is owed and what became of it, the latest event first.

use super::DeliveryView;
use crate::{
    extract::{Admin, FormRefused, FromQuery, Params, PathId, Query},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_work,
    view::{Cursor, JsonAnswer, Page},
};
use axum::extract::State;
use holdfast_notifier::{DeliveryState, deliveries};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct DeliveriesQuery {
    state: Option<DeliveryState>,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for DeliveriesQuery {
    fn read(params: &mut Params) -> Self {
        let state = |text: &str| DeliveryState::ALL.into_iter().find(|state| state.as_str() == text);
        Self {
            state: params.take("state", "must be pending, delivered or dead", state),
            limit: params.limit(),
            cursor: params.cursor(),
        }
    }
}

/// Whose deliveries, and which: what a cursor is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Deliveries {
    deliveries_to: Uuid,
    state: Option<DeliveryState>,
}

problems! {
    /// Why they are not listed.
    ListDeliveriesProblems:
        InvalidCursor, Unauthenticated, Forbidden, NotFound, ValidationFailed, StoreUnavailable,
}

/// A webhook endpoint's deliveries with their attempts, the latest event first. They are kept for 30 days.
#[utoipa::path(
    get, path = "/v1/webhook-endpoints/{id}/deliveries", tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The endpoint."),
        ("state" = Option<String>, Query, description = "Only these: pending, delivered or dead."),
        ("limit" = Option<u32>, Query, description = "Deliveries of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before."),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "A page.", body = Page<DeliveryView>), ListDeliveriesProblems)
)]
pub(crate) async fn list_deliveries(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
    query: Result<Query<DeliveriesQuery>, FormRefused>,
) -> Result<JsonAnswer<Page<DeliveryView>>, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let wanted = Deliveries { deliveries_to: id, state: query.state };
    let after = query.cursor.map(|text| Cursor::read(&text, &wanted)).transpose()?;
    let page = bounded_work(deliveries(&api.pool, id, query.state, after, query.limit)).await?;
    let last = page.last().filter(|_| page.len() == query.limit as usize);
    let next_cursor = last.map(|last| Cursor::write(wanted, last.recorded_at, last.delivery_id));
    Ok(JsonAnswer(Page::of(page.into_iter().map(DeliveryView::from).collect(), next_cursor)))
}
