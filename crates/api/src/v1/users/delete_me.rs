//! `DELETE /v1/users/me`: the account goes, and what is known of its owner with it.

use crate::{
    auth::prove,
    extract::{Body, Caller, ClientAddress, FormRefused, FromQuery, Params, Query},
    form::{Fields, Form},
    problem::{Code, Extension, Problem, problems},
    state::ApiState,
    store::{bounded, bounded_write},
    users,
    v1::sessions::GivenPassword,
    view::is_not_made_yet,
};
use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for the account's end.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"current_password": "correct horse battery"}))]
pub(crate) struct DeleteMe {
    /// The account's password.
    #[schema(inline)]
    current_password: GivenPassword,
}

impl Form for DeleteMe {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<GivenPassword>("current_password");
    }
}

/// What becomes of live bookings.
#[derive(Debug)]
pub(crate) struct DeleteMeQuery {
    cancel_bookings: bool,
}

impl FromQuery for DeleteMeQuery {
    fn read(params: &mut Params) -> Self {
        let cancel = params.take("cancel_bookings", "must be true or false", |text| text.parse().ok());
        Self { cancel_bookings: cancel.unwrap_or(false) }
    }
}

problems! {
    /// Why it is not deleted.
    DeleteMeProblems:
        MalformedJson, Unauthenticated, WrongPassword, NotFound, LastAdmin, BookingsToCome, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, RequestTimeout, RateLimited, Overloaded, StoreUnavailable, OutcomeUnknown,
}

/// Delete your account, and all personal data of it. Its bookings stay under an id that leads to no person; live ones of flights and
/// shows to come must be cancelled before, or are with `cancel_bookings=true`, within seconds. The last admin cannot.
#[utoipa::path(
    delete, path = "/v1/users/me", tag = "users", request_body = DeleteMe,
    params(("cancel_bookings" = Option<bool>, Query, description = "Whether live bookings to come are cancelled; false if left out.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 204, description = "It is deleted, and its tokens end."), DeleteMeProblems)
)]
pub(crate) async fn delete_me(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    client: ClientAddress,
    query: Result<Query<DeleteMeQuery>, FormRefused>,
    Body(request): Body<DeleteMe>,
) -> Result<StatusCode, Problem> {
    let Query(query) = query.map_err(|refused| refused.problem)?;
    let user = prove(&api, caller.user_id, request.current_password.0, client).await?.user.user_id;
    let now = api.ambient.now();
    if !query.cancel_bookings {
        let live = match bounded(users::bookings_to_come(&api.pool, user, now)).await {
            Err(error) if is_not_made_yet(&error) => 0,
            live => live?.len(),
        };
        if live > 0 {
            return Err(bookings_to_come(live));
        }
    }
    bounded_write(users::delete_own(&api.pools.accounts, user, now)).await?;
    api.accounts.changed(user);
    if let Some(first) = &api.first_admin {
        first.password_changed(user).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn bookings_to_come(live: usize) -> Problem {
    let live = u32::try_from(live).unwrap_or(u32::MAX);
    let more = if live as usize >= users::BOOKINGS_TO_COME_MAX { " or more" } else { "" };
    let detail = format!("{live}{more} live bookings are to come; cancel them, or say cancel_bookings=true");
    Problem::new(Code::BookingsToCome, detail).with(Extension::BookingsToCome { live })
}
