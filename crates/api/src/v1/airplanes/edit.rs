//! `PATCH /v1/airplanes/{id}`: change an airplane. Flights that are open keep their capacity.

use super::{AirplaneView, Capacity, Model};
use crate::{
    extract::{Admin, Body, IfMatch, PathId},
    form::{Fields, Form, Whole, given},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::{AirplaneChange, airplanes};
use holdfast_domain::AirplaneId;
use serde::Deserialize;
use utoipa::ToSchema;

/// Changes an airplane; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"capacity": 186}))]
pub(crate) struct EditAirplane {
    /// Its type from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    model: Option<Model>,
    /// Seats of flights that are opened from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    capacity: Option<Capacity>,
}

impl Form for EditAirplane {
    fn fields(fields: &mut Fields<'_>) {
        fields.change::<Model>("model");
        fields.change::<Capacity>("capacity");
    }
}

problems! {
    /// Why it is not changed.
    EditAirplaneProblems:
        MalformedJson, Unauthenticated, Forbidden, NotFound, VersionMismatch, PreconditionRequired,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Change an airplane. Flights that are open keep the capacity they were opened with.
#[utoipa::path(
    patch, path = "/v1/airplanes/{id}", tag = "catalogue", request_body = EditAirplane,
    params(("id" = uuid::Uuid, Path, description = "The airplane."),
        ("If-Match" = String, Header, description = "The `ETag` of what you have read; `*`: whatever it is.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The airplane as it is now.", body = AirplaneView), EditAirplaneProblems)
)]
pub(crate) async fn edit_airplane(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
    IfMatch(expected): IfMatch,
    Body(request): Body<EditAirplane>,
) -> Result<Versioned<AirplaneView>, Problem> {
    let model = request.model.as_ref().map(|model| model.0.as_str());
    let change = AirplaneChange { model, capacity: request.capacity.map(Whole::get) };
    let edited = airplanes::edit(&api.pool, AirplaneId(id), change, &expected, api.ambient.now());
    Ok(bounded_write(edited).await?.into())
}
