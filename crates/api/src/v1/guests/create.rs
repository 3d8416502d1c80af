//! `POST /v1/guests`: a customer without an account.

use super::GuestView;
use crate::{
    command::CommandName,
    extract::{Body, IdempotencyKey, Staff},
    form::{Email, Fields, Form, Line},
    problem::{Code, Problem, problems},
    state::ApiState,
    store::{bounded_work, bounded_write},
    users::{self, Guest, kept_email},
    view::Made,
};
use axum::extract::State;
use holdfast_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/guests";
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;

type GuestName = Line<1, NAME_CHARS_MAX>;

/// Asks for a guest.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"email": "grace@example.com", "name": "Grace Hopper"}))]
pub(crate) struct CreateGuest {
    /// Where the guest is written to. It counts as confirmed; accounts and other guests may have it, too.
    #[schema(inline)]
    email: Email,
    /// The guest's name.
    #[schema(inline)]
    name: GuestName,
}

impl Form for CreateGuest {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Email>("email");
        fields.required::<GuestName>("name");
    }
}

problems! {
    /// Why there is no guest.
    CreateGuestProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Make a guest, to book for: its `id` is the `user_id` of `POST /v1/bookings`. It is written to as a customer with an account
/// is. What is known of it is kept until it is deleted.
#[utoipa::path(
    post, path = "/v1/guests", tag = "guests", request_body = CreateGuest,
    params(("Idempotency-Key" = String, Header, description = "Client-chosen key; retries with it make at most one guest.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The guest.", body = GuestView), CreateGuestProblems)
)]
pub(crate) async fn create_guest(
    State(api): State<ApiState>,
    Staff(agent): Staff,
    key: IdempotencyKey,
    Body(request): Body<CreateGuest>,
) -> Result<Made<GuestView>, Problem> {
    let name = CommandName::keyed(agent.into(), ROUTE, Uuid::nil(), &key, &request);
    let guest = Guest {
        guest_id: UserId(name.command_id),
        email: kept_email(&request.email.0),
        name: request.name.0,
        created_at: api.ambient.now(),
    };
    let at = format!("/v1/guests/{}", guest.guest_id);
    let pool = &api.pools.accounts;
    if bounded_write(users::insert_guest(pool, &guest, name.fingerprint)).await? {
        return Ok(Made { at, replayed: false, body: guest.into() });
    }
    let made_before = bounded_work(users::find_guest(pool, guest.guest_id)).await?;
    let the_same = made_before.filter(|(_, fingerprint)| *fingerprint == name.fingerprint);
    let (guest, _) = the_same.ok_or_else(|| {
        let detail = "this key was accepted with another request, or the guest it made was deleted";
        Problem::new(Code::IdempotencyKeyReused, detail)
    })?;
    Ok(Made { at, replayed: true, body: guest.into() })
}
