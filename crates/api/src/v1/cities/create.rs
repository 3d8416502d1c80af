//! `POST /v1/cities`: make a city.

use super::{CityView, Name};
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
use holdfast_catalogue::cities;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

const ROUTE: &str = "POST /v1/cities";

/// Asks for a city.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "Berlin"}))]
pub(crate) struct CreateCity {
    /// What it is called; no other city may be called so, whatever its letters' case.
    #[schema(inline)]
    name: Name,
}

impl Form for CreateCity {
    fn fields(fields: &mut Fields<'_>) {
        fields.required::<Name>("name");
    }
}

problems! {
    /// Why there is no city.
    CreateCityProblems:
        MalformedJson, IdempotencyKeyRequired, IdempotencyKeyInvalid, Unauthenticated, Forbidden, NameTaken,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, IdempotencyKeyReused, RequestTimeout,
        StoreUnavailable, OutcomeUnknown,
}

/// Make a city.
#[utoipa::path(
    post, path = "/v1/cities", tag = "catalogue", request_body = CreateCity,
    params(("Idempotency-Key" = String, Header, description = "Yours: sending the request again with it makes no second city.",
        min_length = 1, max_length = 255)),
    security(("bearer" = []), ("x_access_token" = [])),
    responses((status = 201, description = "The city; asked again, as it is now.", body = CityView), CreateCityProblems)
)]
pub(crate) async fn create_city(
    State(api): State<ApiState>,
    Admin(admin): Admin,
    key: IdempotencyKey,
    Body(request): Body<CreateCity>,
) -> Result<Versioned<CityView>, Problem> {
    let name = CommandName::keyed(admin.into(), ROUTE, Uuid::nil(), &key, &request);
    let made = cities::create(&api.pool, &request.name.0, Some(name.for_catalogue()), api.ambient.now());
    let made = bounded_write(made).await?;
    let made_at = Some(format!("/v1/cities/{}", made.thing.city_id));
    Ok(Versioned { made_at, replayed: made.replayed, ..made.thing.into() })
}
