//! `/api/v1/airports`: airports. Airbourne's know no time zone: their clocks are UTC's, until somebody says otherwise natively.

use super::{
    answer::Envelope,
    lists::{PAGE, Whole},
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
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use holdfast_catalogue::{
    Airport, AirportChange, Expected, NewAirport,
    airports::{self, Which},
};
use holdfast_domain::{AirportId, CityId};
use serde::Serialize;

/// Characters of an airport's name.
const NAME_CHARS_MAX: usize = 200;
/// Characters of its address.
const ADDRESS_CHARS_MAX: usize = 500;
/// The zone of an airport that nobody said the zone of.
const ZONE: &str = "UTC";

const fn says(status: StatusCode, done: &'static str, failed: &'static str) -> Says {
    Says { envelope: Envelope::AIRPORTS, wrong: Wrong::Object, status, done, failed }
}

const CREATE: Says =
    says(StatusCode::CREATED, "Successfully created an airport", "Couldn't create an airport");
const GET: Says = says(StatusCode::OK, "Successfully fetched an airport", "Couldn't get an airport");
const LIST: Says = says(StatusCode::OK, "Successfully fetched all airports", "Couldn't get the airports");
const UPDATE: Says = says(StatusCode::OK, "Successfully updated an airport", "Couldn't update an airport");
const DELETE: Says = says(StatusCode::OK, "Successfully deleted an airport", "Couldn't delete an airport");

/// An airport.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AirportView {
    id: Option<i64>,
    name: String,
    address: Option<String>,
    city_id: Option<i64>,
    updated_at: String,
    created_at: String,
}

impl From<Airport> for AirportView {
    fn from(airport: Airport) -> Self {
        let Airport { airport_id, name, address, city_id, created_at, updated_at, .. } = airport;
        let (updated_at, created_at) = (written(updated_at), written(created_at));
        Self { id: airport_id.number(), name, address, city_id: city_id.number(), updated_at, created_at }
    }
}

/// The city of that number. One that no id can carry is none.
fn city(number: i64) -> Result<CityId, Refusal> {
    CityId::from_number(number).ok_or_else(|| Refusal::field("cityId", "must be the id of a city"))
}

/// Make an airport: `{name, address, cityId}`.
#[utoipa::path(
    post, path = "/api/v1/airports", tag = "airbourne", request_body(content = Object, example = json!({"name": "Berlin Brandenburg", "address": "Melli-Beese-Ring 1", "cityId": 1})),
    responses((status = 201, description = "The airport."),
        (status = "4XX", description = "422: something is missing, or there is no such city."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn create_airport(
    State(api): State<ApiState>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let made = async {
        may?;
        let sent = sent?;
        let new = NewAirport {
            code: None,
            name: sent.required_line::<NAME_CHARS_MAX>("name")?,
            city_id: city(sent.required_whole("cityId")?)?,
            zone: ZONE,
            address: sent.line::<ADDRESS_CHARS_MAX>("address")?,
        };
        let made = bounded_write(airports::create(&api.pool, new, None, api.ambient.now())).await?;
        Ok(AirportView::from(made.thing))
    };
    CREATE.answer(made.await)
}

/// One airport, or `null`.
#[utoipa::path(
    get, path = "/api/v1/airports/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The airport.")),
    responses((status = 200, description = "The airport, or null."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn get_airport(State(api): State<ApiState>, Path(id): Path<String>) -> Response {
    let Some(id) = number(&id).and_then(AirportId::from_number) else { return GET.answer(Ok(())) };
    let found = if_known(bounded_work(airports::find(&api.pool, id)).await);
    GET.answer(found.map(|airport| airport.map(AirportView::from)).map_err(Refusal::from))
}

/// The airports.
#[utoipa::path(
    get, path = "/api/v1/airports", tag = "airbourne",
    responses((status = 200, description = "The airports."),
        (status = "4XX", description = "422: there are more than are told at once."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn list_airports(State(api): State<ApiState>) -> Response {
    LIST.answer(list(&api).await)
}

async fn list(api: &Api) -> Result<Vec<AirportView>, Refusal> {
    let mut whole = Whole::<Airport>::begin();
    loop {
        let after = whole.last().map(|last| last.airport_id);
        let page = bounded_work(airports::list(&api.pool, Which::default(), after, PAGE)).await?;
        if !whole.take(page)? {
            return Ok(whole.shown());
        }
    }
}

/// Change an airport.
#[utoipa::path(
    patch, path = "/api/v1/airports/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The airport.")),
    request_body(content = Object, example = json!({"name": "Berlin Brandenburg", "address": "Melli-Beese-Ring 1", "cityId": 1})),
    responses((status = 200, description = "How many were changed."),
        (status = "4XX", description = "422: a value that is none, or no such city."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn update_airport(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let updated = async { update(&api, may?, &id, &sent?).await };
    UPDATE.answer(updated.await)
}

async fn update(api: &Api, writer: Writer, id: &str, sent: &Sent) -> Result<[u32; 1], Refusal> {
    let change = AirportChange {
        name: sent.line::<NAME_CHARS_MAX>("name")?,
        city_id: sent.whole("cityId")?.map(city).transpose()?,
        address: sent.line::<ADDRESS_CHARS_MAX>("address")?.map(Some),
        ..AirportChange::default()
    };
    let Some(id) = number(id).and_then(AirportId::from_number) else { return Ok([0]) };
    writer.may_change(api, id.0).await?;
    let edit = airports::edit(&api.pool, id, change, &Expected::Any, api.ambient.now());
    Ok([if_known(bounded_write(edit).await)?.is_some().into()])
}

/// Delete an airport.
#[utoipa::path(
    delete, path = "/api/v1/airports/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The airport.")),
    responses((status = 200, description = "How many were deleted."),
        (status = "4XX", description = "409: something depends on it."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn delete_airport(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
) -> Response {
    let deleted = async {
        let writer = may?;
        let Some(id) = number(&id).and_then(AirportId::from_number) else { return Ok(0_u32) };
        writer.may_change(&api, id.0).await?;
        let deleted = bounded_write(airports::delete(&api.pool, id, &Expected::Any)).await;
        Ok(if_known(deleted)?.is_some().into())
    };
    DELETE.answer(deleted.await)
}
