//! `GET /api/v1/flights`: flights by their airports and prices, from the read model.
//!
//! The answer includes whatever was booked when it was asked: it waits for the read model, and says 503 if that does not come.

use super::FlightView;
use crate::{
    airbourne::{
        lists::{PAGE, Whole},
        refusal::Refusal,
        says::Says,
    },
    problem::{Code, Problem},
    state::{Api, ApiState},
    store::bounded,
};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use holdfast_availability::{FlightsFilter, InventoryRow, flights};
use holdfast_domain::AirportId;
use holdfast_event_log::{LogPosition, heads};
use holdfast_projector::Freshness;
use serde::Deserialize;
use std::time::Duration;

const SAYS: Says = super::says(StatusCode::OK, "Successfully got flights", "couldnt get the flights");
/// How long a list waits for its read model.
const FRESH_WAIT: Duration = Duration::from_secs(2);

/// What is asked for, as text: what is no number is told in the contract's own way.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct FlightsQuery {
    #[serde(rename = "arrivalAirportId")]
    to: Option<String>,
    #[serde(rename = "departureAirportID")]
    from: Option<String>,
    #[serde(rename = "minPrice")]
    min_price: Option<String>,
    #[serde(rename = "maxPrice")]
    max_price: Option<String>,
}

impl FlightsQuery {
    fn checked(self) -> Result<FlightsFilter, Refusal> {
        let whole = |name: &str, text: Option<String>| match text.filter(|text| !text.is_empty()) {
            Some(text) => {
                text.parse::<i64>().map(Some).map_err(|_| Refusal::field(name, "must be a whole number"))
            }
            None => Ok(None),
        };
        let airport = |name: &str, text: Option<String>| {
            let number = whole(name, text)?;
            // An airport that no id can carry has no flights: the nil id is none's.
            Ok::<_, Refusal>(number.map(|number| AirportId::from_number(number).unwrap_or_default()))
        };
        Ok(FlightsFilter {
            departure_airport_id: airport("departureAirportID", self.from)?,
            arrival_airport_id: airport("arrivalAirportId", self.to)?,
            min_price: whole("minPrice", self.min_price)?,
            max_price: whole("maxPrice", self.max_price)?,
        })
    }
}

/// The flights that are not cancelled.
#[utoipa::path(
    get, path = "/api/v1/flights", tag = "airbourne",
    params(
        ("departureAirportID" = Option<i64>, Query, description = "Only those that leave there."),
        ("arrivalAirportId" = Option<i64>, Query, description = "Only those that land there."),
        ("minPrice" = Option<i64>, Query, description = "Only those that cost at least so much."),
        ("maxPrice" = Option<i64>, Query, description = "Only those that cost at most so much."),
    ),
    responses((status = 200, description = "The flights."),
        (status = "4XX", description = "422: a value that is none, or more flights than are told at once."),
        (status = "5XX", description = "Come again."))
)]
pub(crate) async fn list_flights(
    State(api): State<ApiState>,
    query: Result<Query<FlightsQuery>, QueryRejection>,
) -> Response {
    let unreadable = |_| Refusal::new(StatusCode::BAD_REQUEST, "the query string is not valid");
    let listed = async {
        let Query(query) = query.map_err(unreadable)?;
        let filter = query.checked()?;
        list(&api, filter).await
    };
    SAYS.answer(listed.await)
}

async fn list(api: &Api, filter: FlightsFilter) -> Result<Vec<FlightView>, Refusal> {
    let mut whole = Whole::<InventoryRow>::begin();
    let mut there_is_more = catch_up(api).await?;
    while there_is_more {
        let after = whole.last().map(|last| last.inventory_id);
        let page = bounded(flights(&api.pool, filter, after, PAGE)).await.map_err(Problem::from)?;
        there_is_more = whole.take(page)?;
    }
    let mut found = Vec::new();
    for row in whole.all() {
        found.extend(seen(api, row).await?);
    }
    Ok(found)
}

/// A flight as the read model has it; as whoever sells it has it, where events of it were set aside.
async fn seen(api: &Api, row: InventoryRow) -> Result<Option<FlightView>, Refusal> {
    if row.is_parked {
        return Ok(FlightView::of_view(api.writer.inventory(row.inventory_id).await?));
    }
    Ok(FlightView::of_row(row))
}

/// Waits until the read model has all that was in the log when it was asked. False: there is no read model, and nothing in
/// the log that would be in it.
async fn catch_up(api: &Api) -> Result<bool, Refusal> {
    let heads = bounded(heads(&api.pool)).await.map_err(Problem::from)?;
    let written = heads.into_iter().filter(|head| head.position > 0);
    let ends: Vec<_> = written
        .map(|head| LogPosition { log_partition: head.log_partition, position: head.position })
        .collect();
    let waiting = ends.iter().map(|end| api.read_models.availability.wait_for(*end, FRESH_WAIT));
    let late = || Refusal::from(Problem::new(Code::StoreUnavailable, "the list is being written; try again"));
    let there = |waited: Result<Freshness, _>, end: &LogPosition| {
        waited.is_ok_and(|freshness| freshness.position.position >= end.position)
    };
    let waited = futures::future::join_all(waiting).await;
    let current = waited.into_iter().zip(&ends).all(|(waited, end)| there(waited, end));
    if current { Ok(!ends.is_empty()) } else { Err(late()) }
}
