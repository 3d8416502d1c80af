//! `DELETE /v1/reminders/{id}`: it is not sent.

use crate::{
    extract::{Caller, PathId},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
};
use axum::{extract::State, http::StatusCode};
use holdfast_notifier::delete_reminder as take_back;

problems! {
    /// Why it is not deleted.
    DeleteReminderProblems: Unauthenticated, NotFound, ReminderState, StoreUnavailable, OutcomeUnknown,
}

/// Take a reminder back that waits. One that is being sent, or was, stays.
#[utoipa::path(
    delete, path = "/v1/reminders/{id}", tag = "reminders",
    params(("id" = uuid::Uuid, Path, description = "The reminder.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It is gone."), DeleteReminderProblems)
)]
pub(crate) async fn delete_reminder(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    PathId(id): PathId,
) -> Result<StatusCode, Problem> {
    bounded_write(take_back(&api.pool, id, caller.only_own())).await?;
    Ok(StatusCode::NO_CONTENT)
}
