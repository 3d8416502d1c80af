//! `POST /v1/bookings`: reserve seats.
//!
//! The hot path: no question to the database, one serialisation. The answer is made from the event
//! that made the booking, so the same request again has the same answer, whatever became of it since.

use crate::{
    auth::Principal,
    command::CommandName,
    commands::AnswerLost,
    extract::{Body, Caller, FormRefused, IdempotencyKey, Trace},
    form::{Fields, Form, Id, Whole},
    problem::{FieldError, Problem, problems},
    state::{Api, ApiState},
    store::bounded,
    users,
    view::{BookingView, Done},
};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use holdfast_domain::{BookingId, InventoryCommand, InventoryEvent, InventoryId, ReserveSeats, UserId};
use holdfast_event_log::{Recorded, find_booking};
use holdfast_writer::Accepted;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/bookings";

/// Seats of one booking: the most that any policy may allow.
type Quantity = Whole<1, 100>;

/// Asks for seats.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"inventory_id": "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11", "quantity": 2}))]
pub(crate) struct Reserve {
    /// Whose seats: a show's id.
    #[schema(inline)]
    inventory_id: Id,
    /// How many. The inventory's policy may allow fewer.
    #[schema(inline)]
    quantity: Quantity,
    /// For whom; left out: for the caller. Only an agent or admin may name another: an account or a
    /// guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    user_id: Option<Id>,
}

impl Form for Reserve {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Id>("inventory_id");
        fields.required::<Quantity>("quantity");
        fields.optional::<Id>("user_id");
    }

    fn acts_for(body: &Value) -> Option<UserId> {
        Id::deserialize(body.get("user_id")?).ok().map(|id| UserId(id.0))
    }
}

impl Reserve {
    /// Who will hold the booking.
    fn user(&self, caller: &Principal) -> Result<UserId, Problem> {
        let user = self.user_id.as_ref().map_or(caller.user_id, |id| UserId(id.0));
        if caller.may_act_for(user) { Ok(user) } else { Err(Problem::forbidden_for_another()) }
    }
}

problems! {
    /// Why no seats are reserved.
    ReserveProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NotFound,
        SoldOut, DuplicateBooking, BookingLimitReached, SalesClosed, Departed, FlightCancelled, ShowCancelled, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
        IdempotencyKeyReused, RequestTimeout, Overloaded, StoreUnavailable, OutcomeUnknown,
}

/// Reserve seats.
///
/// They are held until `expires_at`, or confirmed at once where the policy has no hold. Seats of a flight are sold until it
/// departs, those of a show until its `sales_end_at`.
#[utoipa::path(
    post, path = "/v1/bookings", tag = "bookings", request_body = Reserve,
    params(
        ("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it has one effect.",
            min_length = 1, max_length = 255),
    ),
    security(("bearer" = []), ("x_access_token" = [])),
    responses(
        (status = 201, description = "The booking. It can be read, confirmed and cancelled at once.",
            body = BookingView),
        ReserveProblems,
    )
)]
pub(crate) async fn reserve(
    State(api): State<ApiState>,
    Caller(caller): Caller,
    key: IdempotencyKey,
    trace: Trace,
    body: Result<Body<Reserve>, FormRefused>,
) -> Result<Response, Problem> {
    let Body(request) = body.map_err(|refused| refused.for_caller(&caller))?;
    let user_id = request.user(&caller)?;
    let name = CommandName::keyed(caller.into(), ROUTE, Uuid::nil(), &key, &request);
    let (booking_id, quantity) = (BookingId(name.command_id), request.quantity.get());
    if user_id != caller.user_id && !is_known(&api, user_id).await? {
        // A user who was deleted since: the first answer is owed all the same.
        if bounded(find_booking(&api.pools.commands, booking_id)).await?.is_none() {
            return Err(Problem::invalid(vec![FieldError {
                pointer: "/user_id".to_owned(),
                detail: "must be a user's or guest's id; there is none of this id".to_owned(),
            }]));
        }
    }
    let reserve = ReserveSeats { booking_id, user_id, quantity, accept_departed: false };
    let command = InventoryCommand::ReserveSeats(reserve);
    let ask = name.ask(caller.into(), &trace, InventoryId(request.inventory_id.0), command);
    Ok(api.writer.execute(ask, async |accepted| answer(&accepted)).await?)
}

/// Whether there is such an account or guest.
async fn is_known(api: &Api, user_id: UserId) -> Result<bool, Problem> {
    let has_account = api.accounts.of(user_id, api.ambient.now()).await?.is_some();
    Ok(has_account || users::find_guest(&api.pools.commands, user_id).await?.is_some())
}

fn answer(accepted: &Accepted) -> Result<Response, AnswerLost> {
    let Some(Recorded { event: InventoryEvent::SeatsReserved(made), recorded_at, .. }) = &accepted.answer
    else {
        return Err(AnswerLost::because("a reservation without SeatsReserved"));
    };
    let body = BookingView::made(accepted.inventory_id, made, *recorded_at);
    let made_at = Some(format!("/v1/bookings/{}", made.booking_id));
    Ok(Done { made_at, at: accepted.at, replayed: accepted.replayed, body }.into_response())
}
