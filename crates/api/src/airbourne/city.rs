//! `/api/v1/city`: cities. What is not there is `null`, as its clients expect; deleting one that has airports is refused.

use super::{
    answer::Envelope,
    lists::{Names, PAGE, Whole},
    refusal::Refusal,
    request::{Lenient, Sent, number},
    says::{Says, Wrong},
    time::written,
    writer::{CatalogueWriter, Writer},
};
use crate::{
    problem::if_known,
    state::{Api, ApiState},
    store::{bounded_work, bounded_write},
};
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::Response,
};
use holdfast_catalogue::{City, Expected, cities};
use holdfast_domain::CityId;
use serde::Serialize;

/// Characters of a city's name.
const NAME_CHARS_MAX: usize = 200;

const fn says(status: StatusCode, done: &'static str, failed: &'static str) -> Says {
    Says { envelope: Envelope::CATALOGUE, wrong: Wrong::Object, status, done, failed }
}

const CREATE: Says = says(StatusCode::CREATED, "Successfully created a city", "couldnt create a city");
const GET: Says = says(StatusCode::OK, "Successfully fetched a city", "couldnt get a city");
const LIST: Says = says(StatusCode::OK, "Successfully fetched all cities", "couldnt get the cities");
const UPDATE: Says = says(StatusCode::OK, "Successfully updated a city", "couldnt update a city");
const DELETE: Says = says(StatusCode::OK, "Successfully deleted a city", "couldnt delete a city");

/// A city.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CityView {
    id: Option<i64>,
    name: String,
    updated_at: String,
    created_at: String,
}

impl From<City> for CityView {
    fn from(city: City) -> Self {
        let City { city_id, name, created_at, updated_at, .. } = city;
        Self { id: city_id.number(), name, updated_at: written(updated_at), created_at: written(created_at) }
    }
}

/// Make a city: `{name}`.
#[utoipa::path(
    post, path = "/api/v1/city", tag = "airbourne", request_body(content = Object, example = json!({"name": "Berlin"})),
    responses((status = 201, description = "The city."),
        (status = "4XX", description = "409: there is one of that name; 422: no name."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn create_city(
    State(api): State<ApiState>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let made = async {
        may?;
        let sent = sent?;
        let name = sent.required_line::<NAME_CHARS_MAX>("name")?;
        let made = bounded_write(cities::create(&api.pool, name, None, api.ambient.now())).await?;
        Ok(CityView::from(made.thing))
    };
    CREATE.answer(made.await)
}

/// One city, or `null`.
#[utoipa::path(
    get, path = "/api/v1/city/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The city.")),
    responses((status = 200, description = "The city, or null."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn get_city(State(api): State<ApiState>, Path(id): Path<String>) -> Response {
    GET.answer(find(&api, &id).await.map(|city| city.map(CityView::from)))
}

async fn find(api: &Api, id: &str) -> Result<Option<City>, Refusal> {
    let Some(id) = number(id).and_then(CityId::from_number) else { return Ok(None) };
    Ok(if_known(bounded_work(cities::find(&api.pool, id)).await)?)
}

/// The cities whose name begins with `name`.
#[utoipa::path(
    get, path = "/api/v1/city", tag = "airbourne",
    params(("name" = Option<String>, Query, description = "How the name begins.")),
    responses((status = 200, description = "The cities."),
        (status = "4XX", description = "422: there are more than are told at once."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn list_cities(State(api): State<ApiState>, Query(names): Query<Names>) -> Response {
    let prefix = names.name.unwrap_or_default();
    LIST.answer(list(&api, &prefix).await)
}

async fn list(api: &Api, prefix: &str) -> Result<Vec<CityView>, Refusal> {
    if prefix.contains('\0') {
        return Ok(vec![]); // no name has a null character, and Postgres takes none
    }
    let mut whole = Whole::<City>::begin();
    loop {
        let after = whole.last().map(City::place);
        let page = bounded_work(cities::list(&api.pool, prefix, after.as_deref(), PAGE)).await?;
        if !whole.take(page)? {
            return Ok(whole.shown());
        }
    }
}

/// Give a city another name.
#[utoipa::path(
    patch, path = "/api/v1/city/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The city.")),
    request_body(content = Object, example = json!({"name": "Berlin"})),
    responses((status = 200, description = "The city."),
        (status = "4XX", description = "404: there is no such city; 409: there is one of that name."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn update_city(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let updated = async { update(&api, may?, &id, &sent?).await.map(CityView::from) };
    UPDATE.answer(updated.await)
}

async fn update(api: &Api, writer: Writer, id: &str, sent: &Sent) -> Result<City, Refusal> {
    let id = number(id).and_then(CityId::from_number).ok_or_else(|| Refusal::unknown("city"))?;
    let name = sent.line::<NAME_CHARS_MAX>("name")?;
    writer.may_change(api, id.0).await?;
    let edit = cities::edit(&api.pool, id, name, &Expected::Any, api.ambient.now());
    if_known(bounded_write(edit).await)?.ok_or_else(|| Refusal::unknown("city"))
}

/// Delete a city.
#[utoipa::path(
    delete, path = "/api/v1/city/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The city.")),
    responses((status = 200, description = "It is not there (any more)."),
        (status = "4XX", description = "409: it has airports."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn delete_city(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
) -> Response {
    let deleted = async {
        let writer = may?;
        let Some(id) = number(&id).and_then(CityId::from_number) else { return Ok(true) };
        writer.may_change(&api, id.0).await?;
        if_known(bounded_write(cities::delete(&api.pool, id, &Expected::Any)).await)?;
        Ok(true)
    };
    DELETE.answer(deleted.await)
}
