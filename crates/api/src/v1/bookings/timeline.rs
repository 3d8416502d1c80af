//! `GET /v1/bookings/{id}/timeline`: what happened to the booking, in order.

use crate::{
    extract::{Caller, PathId},
    problem::{Problem, problems},
    state::ApiState,
    view::JsonAnswer,
};
use axum::extract::State;
use chrono::{DateTime, Utc};
use holdfast_domain::{BookingId, InventoryEvent};
use holdfast_event_log::Recorded;
use serde::Serialize;
use utoipa::ToSchema;

/// What happened to a booking, in order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// The booking.
    #[schema(value_type = Uuid)]
    booking_id: BookingId,
    /// Its events.
    data: Vec<TimelineEvent>,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEvent {
    /// Where it stands in the log.
    #[schema(example = "7-1234")]
    position: String,
    /// Its place among the inventory's events.
    sequence: i64,
    /// When it was decided.
    recorded_at: DateTime<Utc>,
    /// What happened: its `type` and what it carries.
    #[schema(value_type = Object, example = json!({"type": "BookingConfirmed",
        "booking_id": "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11", "quantity": 2}))]
    event: InventoryEvent,
}

impl From<Recorded> for TimelineEvent {
    fn from(recorded: Recorded) -> Self {
        let Recorded { at, sequence, event, recorded_at, .. } = recorded;
        Self { position: at.to_string(), sequence, recorded_at, event }
    }
}

problems! {
    /// Why it is not told.
    TimelineProblems: Unauthenticated, NotFound, Overloaded, StoreUnavailable,
}

/// What happened to the booking, in order.
#[utoipa::path(
    get, path = "/v1/bookings/{id}/timeline", tag = "bookings",
    params(("id" = uuid::Uuid, Path, description = "The booking.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "Its events.", body = Timeline), TimelineProblems)
)]
pub(crate) async fn get_timeline(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    PathId(id): PathId,
) -> Result<JsonAnswer<Timeline>, Problem> {
    let booking_id = BookingId(id);
    let events = super::find(&api, &caller, booking_id).await?;
    let data = events.into_iter().map(TimelineEvent::from).collect();
    Ok(JsonAnswer(Timeline { booking_id, data }))
}
