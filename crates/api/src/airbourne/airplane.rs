//! `/api/v1/airplane`: airplanes. Changes tell how many rows they changed, as its clients expect.

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
use holdfast_catalogue::{Airplane, AirplaneChange, Expected, NewAirplane, airplanes};
use holdfast_domain::AirplaneId;
use serde::Serialize;

/// Characters of a model's name.
const MODEL_CHARS_MAX: usize = 100;
/// Seats where none are said, as in its contract.
const CAPACITY_DEFAULT: u32 = 200;
/// Most seats, as everywhere.
pub(crate) const CAPACITY_MAX: u32 = 10_000_000;

const fn says(status: StatusCode, done: &'static str, failed: &'static str) -> Says {
    Says { envelope: Envelope::CATALOGUE, wrong: Wrong::Object, status, done, failed }
}

const CREATE: Says =
    says(StatusCode::CREATED, "Successfully created an airplane", "couldnt create an airplane");
const GET: Says = says(StatusCode::OK, "Successfully fetched an airplane", "couldnt get an airplane");
const LIST: Says = says(StatusCode::OK, "Successfully fetched all airplanes", "couldnt get the airplanes");
const UPDATE: Says = says(StatusCode::OK, "Successfully updated an airplane", "couldnt update an airplane");
const DELETE: Says = says(StatusCode::OK, "Successfully deleted an airplane", "couldnt delete an airplane");

/// An airplane.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AirplaneView {
    id: Option<i64>,
    model_number: String,
    capacity: u32,
    updated_at: String,
    created_at: String,
}

impl From<Airplane> for AirplaneView {
    fn from(airplane: Airplane) -> Self {
        let Airplane { airplane_id, model, capacity, created_at, updated_at, .. } = airplane;
        let (updated_at, created_at) = (written(updated_at), written(created_at));
        Self { id: airplane_id.number(), model_number: model, capacity, updated_at, created_at }
    }
}

/// Make an airplane: `{modelNumber, capacity}`.
#[utoipa::path(
    post, path = "/api/v1/airplane", tag = "airbourne", request_body(content = Object, example = json!({"modelNumber": "A320neo", "capacity": 180})),
    responses((status = 201, description = "The airplane."),
        (status = "4XX", description = "422: no model, or a capacity that is none."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn create_airplane(
    State(api): State<ApiState>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let made = async {
        may?;
        let sent = sent?;
        let new = NewAirplane {
            model: sent.required_line::<MODEL_CHARS_MAX>("modelNumber")?,
            capacity: sent.count("capacity", CAPACITY_MAX)?.unwrap_or(CAPACITY_DEFAULT),
        };
        let made = bounded_write(airplanes::create(&api.pool, new, None, api.ambient.now())).await?;
        Ok(AirplaneView::from(made.thing))
    };
    CREATE.answer(made.await)
}

/// One airplane, or `null`.
#[utoipa::path(
    get, path = "/api/v1/airplane/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The airplane.")),
    responses((status = 200, description = "The airplane, or null."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn get_airplane(State(api): State<ApiState>, Path(id): Path<String>) -> Response {
    let Some(id) = number(&id).and_then(AirplaneId::from_number) else { return GET.answer(Ok(())) };
    let found = if_known(bounded_work(airplanes::find(&api.pool, id)).await);
    GET.answer(found.map(|airplane| airplane.map(AirplaneView::from)).map_err(Refusal::from))
}

/// The airplanes.
#[utoipa::path(
    get, path = "/api/v1/airplane", tag = "airbourne",
    responses((status = 200, description = "The airplanes."),
        (status = "4XX", description = "422: there are more than are told at once."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn list_airplanes(State(api): State<ApiState>) -> Response {
    LIST.answer(list(&api).await)
}

async fn list(api: &Api) -> Result<Vec<AirplaneView>, Refusal> {
    let mut whole = Whole::<Airplane>::begin();
    loop {
        let after = whole.last().map(|last| last.airplane_id);
        let page = bounded_work(airplanes::list(&api.pool, after, PAGE)).await?;
        if !whole.take(page)? {
            return Ok(whole.shown());
        }
    }
}

/// Change an airplane.
#[utoipa::path(
    patch, path = "/api/v1/airplane/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The airplane.")),
    request_body(content = Object, example = json!({"modelNumber": "A320neo", "capacity": 180})),
    responses((status = 200, description = "How many were changed."),
        (status = "4XX", description = "422: a value that is none."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn update_airplane(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
    Lenient { sent, .. }: Lenient,
) -> Response {
    let updated = async { update(&api, may?, &id, &sent?).await };
    UPDATE.answer(updated.await)
}

async fn update(api: &Api, writer: Writer, id: &str, sent: &Sent) -> Result<[u32; 1], Refusal> {
    let change = AirplaneChange {
        model: sent.line::<MODEL_CHARS_MAX>("modelNumber")?,
        capacity: sent.count("capacity", CAPACITY_MAX)?,
    };
    let Some(id) = number(id).and_then(AirplaneId::from_number) else { return Ok([0]) };
    writer.may_change(api, id.0).await?;
    let edit = airplanes::edit(&api.pool, id, change, &Expected::Any, api.ambient.now());
    Ok([if_known(bounded_write(edit).await)?.is_some().into()])
}

/// Delete an airplane.
#[utoipa::path(
    delete, path = "/api/v1/airplane/{id}", tag = "airbourne", params(("id" = i64, Path, description = "The airplane.")),
    responses((status = 200, description = "How many were deleted."),
        (status = "4XX", description = "409: something depends on it."), (status = "5XX", description = "Come again."))
)]
pub(crate) async fn delete_airplane(
    State(api): State<ApiState>,
    Path(id): Path<String>,
    CatalogueWriter(may): CatalogueWriter,
) -> Response {
    let deleted = async {
        let writer = may?;
        let Some(id) = number(&id).and_then(AirplaneId::from_number) else { return Ok(0_u32) };
        writer.may_change(&api, id.0).await?;
        let deleted = bounded_write(airplanes::delete(&api.pool, id, &Expected::Any)).await;
        Ok(if_known(deleted)?.is_some().into())
    };
    DELETE.answer(deleted.await)
}
