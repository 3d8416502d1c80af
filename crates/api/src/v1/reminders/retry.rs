//! `POST /v1/reminders/{id}/retry`: once more.

use super::ReminderView;
use crate::{
    extract::{Caller, PathId},
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
use holdfast_notifier::retry_reminder as again;

problems! {
    /// Why it is not sent again.
    RetryReminderProblems: Unauthenticated, NotFound, ReminderState, StoreUnavailable, OutcomeUnknown,
}

/// Send a reminder that failed once more, with the same Message-ID.
#[utoipa::path(
    post, path = "/v1/reminders/{id}/retry", tag = "reminders",
    params(("id" = uuid::Uuid, Path, description = "The reminder.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 202, description = "It is queued.", body = ReminderView), RetryReminderProblems)
)]
pub(crate) async fn retry_reminder(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let queued = bounded_write(again(&api.pool, id, caller.only_own(), api.ambient.now())).await?;
    Ok((StatusCode::ACCEPTED, JsonAnswer(ReminderView::from(queued))).into_response())
}
