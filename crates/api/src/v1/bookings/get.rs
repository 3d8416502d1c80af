//! `GET /v1/bookings/{id}`: the booking, from the log.

use crate::{
    extract::{Caller, PathId},
    problem::{Problem, problems},
    state::ApiState,
    view::{BookingView, JsonAnswer},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use holdfast_domain::BookingId;

problems! {
    /// Why the booking is not shown.
    GetBookingProblems: Unauthenticated, NotFound, Overloaded, StoreUnavailable,
}

/// The booking as it is, everything that was answered included.
#[utoipa::path(
    get, path = "/v1/bookings/{id}", tag = "bookings",
    params(("id" = uuid::Uuid, Path, description = "The booking.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The booking.", body = BookingView), GetBookingProblems)
)]
pub(crate) async fn get_booking(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let events = super::find(&api, &caller, BookingId(id)).await?;
    Ok(JsonAnswer(super::view(&events)?).into_response())
}
