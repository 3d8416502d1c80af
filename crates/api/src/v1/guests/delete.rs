//! `DELETE /v1/guests/{id}`: what is known of a guest is erased.

use crate::{
    extract::{PathId, Staff},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    users,
};
use axum::{extract::State, http::StatusCode};
use holdfast_domain::UserId;

problems! {
    /// Why it is not erased.
    DeleteGuestProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable, OutcomeUnknown,
}

/// Erase a guest's e-mail and name. Its bookings stay, under an id that names no person any more; no mail is sent for them, and
/// none is made for it again.
#[utoipa::path(
    delete, path = "/v1/guests/{id}", tag = "guests",
    params(("id" = uuid::Uuid, Path, description = "The guest.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "They are erased."), DeleteGuestProblems)
)]
pub(crate) async fn delete_guest(
    State(api): State<ApiState>,
    _staff: Staff,
    PathId(id): PathId,
) -> Result<StatusCode, Problem> {
    match bounded_write(users::erase_guest(&api.pools.accounts, UserId(id))).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}
