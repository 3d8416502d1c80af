//! `POST /v1/webhook-endpoints/{id}/replay`: history, with the ids it always had.

use crate::{
    extract::{Admin, OptionalBody, PathId},
    form::{EventTypes, Fields, Form, FromPositions},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::JsonAnswer,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use holdfast_notifier::replay;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for history.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({"event_types": ["booking.confirmed.v1"]}))]
pub(crate) struct ReplayEvents {
    /// The first event of each log partition that is wanted; those that are not named are not replayed. Left out: all, from
    /// the first event on.
    #[schema(inline)]
    from_positions: Option<FromPositions>,
    /// Which events; left out: the endpoint's own types.
    #[schema(inline)]
    event_types: Option<EventTypes>,
}

impl Form for ReplayEvents {
    fn fields(fields: &mut Fields<'_>) {
        fields.optional::<FromPositions>("from_positions");
        fields.optional::<EventTypes>("event_types");
    }
}

/// A replay that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replay {
    /// Events of the log that will be looked at, page by page; those of the types asked for are sent.
    #[schema(example = 1234)]
    events: i64,
}

problems! {
    /// Why nothing is replayed.
    ReplayProblems:
        MalformedJson, Unauthenticated, Forbidden, NotFound, ReplayRunning, PayloadTooLarge, UnsupportedMediaType,
        ValidationFailed, RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Send events again, or for the first time, from a position of the log up to its end as it is now. They have the ids and
/// the bodies they always had, so a receiver drops what it has had. They are queued page by page; an endpoint has one
/// replay at a time.
#[utoipa::path(
    post, path = "/v1/webhook-endpoints/{id}/replay", tag = "webhooks", request_body = Option<ReplayEvents>,
    params(("id" = uuid::Uuid, Path, description = "The endpoint.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 202, description = "It has begun.", body = Replay), ReplayProblems)
)]
pub(crate) async fn replay_events(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
    OptionalBody(request): OptionalBody<ReplayEvents>,
) -> Result<Response, Problem> {
    let from = request.from_positions.map_or_else(Vec::new, |from| from.0);
    let event_types = request.event_types.as_ref().map(|types| types.0.as_slice());
    let events = bounded_write(replay(&api.pool, id, &from, event_types)).await?;
    Ok((StatusCode::ACCEPTED, JsonAnswer(Replay { events })).into_response())
}
