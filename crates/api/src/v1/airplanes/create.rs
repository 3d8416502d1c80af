//! `POST /v1/airplanes`: make an airplane.

use super::{AirplaneView, Capacity, Model};
use crate::{
    command::CommandName,
    extract::{Admin, Body, IdempotencyKey},
    form::{Fields, Form},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::{NewAirplane, airplanes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/airplanes";

/// Asks for an airplane.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"model": "A320neo", "capacity": 180}))]
pub(crate) struct CreateAirplane {
    /// Its type; a fleet may have many of one.
    #[schema(inline)]
    model: Model,
    /// Seats of a flight, unless the flight says otherwise.
    #[schema(inline)]
    capacity: Capacity,
}

impl Form for CreateAirplane {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Model>("model");
        fields.required::<Capacity>("capacity");
    }
}

problems! {
    /// Why there is no airplane.
    CreateAirplaneProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Make an airplane.
#[utoipa::path(
    post, path = "/v1/airplanes", tag = "catalogue", request_body = CreateAirplane,
    params(("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it makes no second airplane.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The airplane; asked again, as it is now.", body = AirplaneView),
        CreateAirplaneProblems)
)]
pub(crate) async fn create_airplane(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    key: IdempotencyKey,
    Body(request): Body<CreateAirplane>,
) -> Result<Versioned<AirplaneView>, Problem> {
    let name = CommandName::keyed(admin.into(), ROUTE, Uuid::nil(), &key, &request);
    let new = NewAirplane { model: &request.model.0, capacity: request.capacity.get() };
    let made = airplanes::create(&api.pool, new, Some(name.for_catalogue()), api.ambient.now());
    let made = bounded_write(made).await?;
    let made_at = Some(format!("/v1/airplanes/{}", made.thing.airplane_id));
    Ok(Versioned { made_at, replayed: made.replayed, ..made.thing.into() })
}
