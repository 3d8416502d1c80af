//! `POST /v1/airports`: make an airport.

use super::{Address, AirportView, Name};
use crate::{
    command::CommandName,
    extract::{Admin, Body, IdempotencyKey},
    form::{AirportCode, Fields, Form, Id, Zone},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::{NewAirport, airports};
use holdfast_domain::CityId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/airports";

/// Asks for an airport.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"code": "BER", "name": "Berlin Brandenburg",
    "city_id": "00000000-0000-8006-8000-000000000001", "zone": "Europe/Berlin"}))]
pub(crate) struct CreateAirport {
    /// IATA code; no other airport may have it.
    #[schema(inline)]
    code: AirportCode,
    /// What it is called.
    #[schema(inline)]
    name: Name,
    /// Where it is.
    #[schema(inline)]
    city_id: Id,
    /// IANA time zone: the clocks its flights go by.
    #[schema(inline)]
    zone: Zone,
    /// Where in the city.
    #[schema(inline)]
    address: Option<Address>,
}

impl Form for CreateAirport {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<AirportCode>("code");
        fields.required::<Name>("name");
        fields.required::<Id>("city_id");
        fields.required::<Zone>("zone");
        fields.optional::<Address>("address");
    }
}

impl<'a> From<&'a CreateAirport> for NewAirport<'a> {
    fn from(request: &'a CreateAirport) -> Self {
        Self {
            code: Some(&request.code.0),
            name: &request.name.0,
            city_id: CityId(request.city_id.0),
            zone: &request.zone.0,
            address: request.address.as_ref().map(|address| address.0.as_str()),
        }
    }
}

problems! {
    /// Why there is no airport.
    CreateAirportProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, AirportCodeTaken,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout,
        StoreUnavailable, OutcomeUnknown,
}

/// Make an airport.
#[utoipa::path(
    post, path = "/v1/airports", tag = "catalogue", request_body = CreateAirport,
    params(("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it makes no second airport.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The airport; asked again, as it is now.", body = AirportView), CreateAirportProblems)
)]
pub(crate) async fn create_airport(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    key: IdempotencyKey,
    Body(request): Body<CreateAirport>,
) -> Result<Versioned<AirportView>, Problem> {
    let name = CommandName::keyed(admin.into(), ROUTE, Uuid::nil(), &key, &request);
    let command = Some(name.for_catalogue());
    let made =
        bounded_write(airports::create(&api.pool, (&request).into(), command, api.ambient.now())).await?;
    let made_at = Some(format!("/v1/airports/{}", made.thing.airport_id));
    Ok(Versioned { made_at, replayed: made.replayed, ..made.thing.into() })
}
