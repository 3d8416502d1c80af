//! `POST /v1/mails/{id}/retry`: once more.

use super::MailView;
use crate::{
    extract::{Admin, PathId},
    problem::{Problem, StoreError, problems},
    state::ApiState,
    store::bounded_write,
    view::JsonAnswer,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::TryFutureExt as _;
use holdfast_notifier::retry_mail as again;

problems! {
    /// Why it is not sent again.
    RetryMailProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Send a mail that was given up once more, with the same Message-ID, to the address that the account has by then.
#[utoipa::path(
    post, path = "/v1/mails/{id}/retry", tag = "reminders",
    params(("id" = uuid::Uuid, Path, description = "The mail.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 202, description = "It is queued.", body = MailView), RetryMailProblems)
)]
pub(crate) async fn retry_mail(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let now = api.ambient.now();
    let queued = bounded_write(again(&api.pool, id, now).map_err(StoreError::from)).await?;
    let queued = queued.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::ACCEPTED, JsonAnswer(MailView::from(queued))).into_response())
}
