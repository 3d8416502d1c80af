//! `PATCH /v1/cities/{id}`: give a city another name.

use super::{CityView, Name};
use crate::{
    extract::{Admin, Body, IfMatch, PathId},
    form::{Fields, Form, given},
    problem::{Problem, problems},
    state::ApiState,
    store::bounded_write,
    view::Versioned,
};
use axum::extract::State;
use holdfast_catalogue::cities;
use holdfast_domain::CityId;
use serde::Deserialize;
use utoipa::ToSchema;

/// Changes a city; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Berlin"}))]
pub(crate) struct EditCity {
    /// What it is called from now on.
    #[serde(default, deserialize_with = "given")]
    #[schema(inline, nullable = false)]
    name: Option<Name>,
}

impl Form for EditCity {
    fn fields(fields: &mut Fields<'_>) {
        fields.change::<Name>("name");
    }
}

problems! {
    /// Why it is not changed.
    EditCityProblems:
        MalformedJson, Unauthenticated, Forbidden, NotFound, NameTaken, VersionMismatch, PreconditionRequired,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, RequestTimeout, StoreUnavailable, OutcomeUnknown,
}

/// Change a city.
#[utoipa::path(
    patch, path = "/v1/cities/{id}", tag = "catalogue", request_body = EditCity,
    params(("id" = uuid::Uuid, Path, description = "The city."),
        ("If-Match" = String, Header, description = "The `ETag` of what you have read; `*`: whatever it is.")),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 200, description = "The city as it is now.", body = CityView), EditCityProblems)
)]
pub(crate) async fn edit_city(
    State(api): State<ApiState>,
    _admin: Admin,
    PathId(id): PathId,
    IfMatch(expected): IfMatch,
    Body(request): Body<EditCity>,
) -> Result<Versioned<CityView>, Problem> {
    let name = request.name.as_ref().map(|name| name.0.as_str());
    let edited = cities::edit(&api.pool, CityId(id), name, &expected, api.ambient.now());
    Ok(bounded_write(edited).await?.into())
}
