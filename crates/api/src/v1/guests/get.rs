//! `GET /v1/guests/{id}`: what is known of a guest.

use super::GuestView;
use crate::{
    extract::{PathId, Staff},
    problem::{Problem, problems},
    state::ApiState,
    users,
    view::JsonAnswer,
};
use axum::extract::State;
use holdfast_domain::UserId;

problems! {
    /// Why it is not told.
    GetGuestProblems: Unauthenticated, Forbidden, NotFound, StoreUnavailable,
}

/// What is known of a guest.
#[utoipa::path(
    get, path = "/v1/guests/{id}", tag = "guests",
    params(("id" = uuid::Uuid, Path, description = "The guest.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The guest.", body = GuestView), GetGuestProblems)
)]
pub(crate) async fn get_guest(
    State(api): State<ApiState>,
    _staff: Staff,
    PathId(id): PathId,
) -> Result<JsonAnswer<GuestView>, Problem> {
    let found = users::find_guest(&api.pools.accounts, UserId(id)).await?;
    found.map(|(guest, _)| JsonAnswer(guest.into())).ok_or_else(Problem::not_found)
}
