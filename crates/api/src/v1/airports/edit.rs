//! `PATCH /v1/airports/{id}`: change an airport. Flights that are open keep what they were opened with.

use super::{Address, AirportView, Name};
use crate::{
    extract::{Admin, Body, IfMatch, PathId},
    form::{AirportCode, Fields, Form, Id, Zone, given},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::{AirportChange, airports};
use holdfast_domain::{AirportId, CityId};
use serde::Deserialize;
use utoipa::ToSchema;

/// Changes an airport; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Berlin Brandenburg", "address": null}))]
pub(crate) struct EditAirport {
    /// IATA code from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    code: Option<AirportCode>,
    /// What it is called from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    name: Option<Name>,
    /// Where it is from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    city_id: Option<Id>,
    /// IANA time zone of flights that are opened from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    zone: Option<Zone>,
    /// Where in the city; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline)]
    address: Option<Option<Address>>,
}

impl Form for EditAirport {
    fn fields(fields: &mut Fields<'_>) {
        fields.change::<AirportCode>("code");
        fields.change::<Name>("name");
        fields.change::<Id>("city_id");
        fields.change::<Zone>("zone");
        fields.optional::<Address>("address");
    }
}

impl<'a> From<&'a EditAirport> for AirportChange<'a> {
    fn from(request: &'a EditAirport) -> Self {
        let EditAirport { code, name, city_id, zone, address } = request;
        Self {
            code: code.as_ref().map(|code| code.0.as_str()),
            name: name.as_ref().map(|name| name.0.as_str()),
            city_id: city_id.as_ref().map(|city| CityId(city.0)),
            zone: zone.as_ref().map(|zone| zone.0.as_str()),
            address: address.as_ref().map(|address| address.as_ref().map(|address| address.0.as_str())),
        }
    }
}

problems! {
    /// Why it is not changed.
    EditAirportProblems:
        MalformedJson, Unauthenticated, Forbidden, NotFound, AirportCodeTaken, VersionMismatch,
        PreconditionRequired, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, RequestTimeout,
        StoreUnavailable, OutcomeUnknown,
}

/// Change an airport. Flights that are open keep the zone they were opened with.
#[utoipa::path(
    patch, path = "/v1/airports/{id}", tag = "catalogue", request_body = EditAirport,
    params(("id" = uuid::Uuid, Path, description = "The airport."),
        ("If-Match" = String, Header, description = "The `ETag` of what you have read; `*`: whatever it is.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The airport as it is now.", body = AirportView), EditAirportProblems)
)]
pub(crate) async fn edit_airport(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
    IfMatch(expected): IfMatch,
    Body(request): Body<EditAirport>,
) -> Result<Versioned<AirportView>, Problem> {
    let edited = airports::edit(&api.pool, AirportId(id), (&request).into(), &expected, api.ambient.now());
    Ok(bounded_write(edited).await?.into())
}
