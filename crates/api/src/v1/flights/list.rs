//! `GET /v1/flights`: search, from the read model.

use crate::{
    extract::{FreshFrom, FromQuery, Params, Query},
    form::{Line, PRICE_MAX, line},
    places::airports,
    problem::{FieldError, Problem, problems},
    searches::find_flights,
    state::{Api, ApiState},
    view::{
        FlightView, InvalidCursor, JsonAnswer, KeyCursor, Meta, Page, freshness, instant, is_not_made_yet,
    },
};
use axum::extract::State;
use chrono::NaiveDate;
use holdfast_availability::{FlightOrder, FlightPlace, FlightSearch, InventoryRow};
use holdfast_domain::{AirportId, Currency, InventoryId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Seats that a search may ask for: as many as an inventory may have.
const SEATS_MAX: u32 = 10_000_000;

/// Which flights, and in what order: what a cursor is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flights {
    from: Option<String>,
    to: Option<String>,
    date: Option<NaiveDate>,
    seats: Option<u32>,
    min_price: Option<i64>,
    max_price: Option<i64>,
    currency: Option<String>,
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Departure,
    Price,
    Duration,
}

impl Sort {
    fn read(text: &str) -> Option<Self> {
        match text {
            "departure" => Some(Self::Departure),
            "price" => Some(Self::Price),
            "duration" => Some(Self::Duration),
            _ => None,
        }
    }

    fn order(self) -> FlightOrder {
        match self {
            Self::Departure => FlightOrder::Departure,
            Self::Price => FlightOrder::Price,
            Self::Duration => FlightOrder::Duration,
        }
    }
}

/// Where a page ended: what the flight is sorted by, its departure in microseconds since 1970, and its id.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Place(i64, i64, Uuid);

impl From<FlightPlace> for Place {
    fn from(place: FlightPlace) -> Self {
        Self(place.key, place.departs_at.timestamp_micros(), place.inventory_id.0)
    }
}

impl TryFrom<Place> for FlightPlace {
    type Error = InvalidCursor;

    fn try_from(Place(key, departs_at, id): Place) -> Result<Self, InvalidCursor> {
        Ok(Self { key, departs_at: instant(departs_at)?, inventory_id: InventoryId(id) })
    }
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct FlightsQuery {
    flights: Flights,
    limit: u32,
    cursor: Option<String>,
}

impl FromQuery for FlightsQuery {
    fn read(params: &mut Params) -> Self {
        let place = "must be text of 1 to 200 characters on one line, not only blanks";
        let mut place = |name| {
            let word: Option<Line<1, 200>> = params.take(name, place, line);
            word.map(|word| word.0)
        };
        let (from, to) = (place("from"), place("to"));
        let price = "must be a whole number of minor units from 0 to 1000000000000";
        let amount = |text: &str| text.parse().ok().filter(|amount| (0..=PRICE_MAX).contains(amount));
        let flights = Flights {
            from,
            to,
            date: params.take("date", "must be a day that exists, such as 2027-06-01", day),
            seats: params.take("seats", "must be a whole number from 1 to 10000000", |text| {
                text.parse().ok().filter(|seats| (1..=SEATS_MAX).contains(seats))
            }),
            min_price: params.take("min_price", price, amount),
            max_price: params.take("max_price", price, amount),
            currency: params.take(
                "currency",
                "must be an ISO 4217 currency in capitals, such as EUR",
                |text| {
                    Currency::from_code(text)
                        .filter(|currency| currency.code() == text)
                        .map(|_| text.to_owned())
                },
            ),
            sort: params
                .take("sort", "must be departure, price or duration", Sort::read)
                .unwrap_or(Sort::Departure),
        };
        Self { flights, limit: params.limit(), cursor: params.cursor() }
    }
}

/// A day as RFC 3339 writes it, in the years 1 to 9999.
fn day(text: &str) -> Option<NaiveDate> {
    let written = text.len() == "2027-06-01".len() && text.starts_with(|c: char| c.is_ascii_digit());
    written.then(|| text.parse().ok()).flatten()
}

problems! {
    /// Why they are not listed.
    ListFlightsProblems: InvalidCursor, ValidationFailed, StoreUnavailable,
}

/// Flights that are on sale and have not left yet: by route, day, price and seats left; the first to leave first.
#[utoipa::path(
    get, path = "/v1/flights", tag = "flights",
    params(
        ("from" = Option<String>, Query, description = "Only those that leave there: an airport's code or id, or a city's name.",
            min_length = 1, max_length = 200, example = "BER"),
        ("to" = Option<String>, Query, description = "Only those that land there; named in the same ways.",
            min_length = 1, max_length = 200, example = "New York"),
        ("date" = Option<chrono::NaiveDate>, Query, description = "Only those that leave on this day, by the clocks of the departure airport."),
        ("seats" = Option<u32>, Query, description = "Only those whose sales are open and that have so many seats left now.",
            minimum = 1, maximum = 10_000_000),
        ("min_price" = Option<i64>, Query, description = "Only those whose seat costs at least so much, in minor units.",
            minimum = 0, maximum = 1_000_000_000_000_i64),
        ("max_price" = Option<i64>, Query, description = "Only those whose seat costs at most so much, in minor units.",
            minimum = 0, maximum = 1_000_000_000_000_i64),
        ("currency" = Option<String>, Query, description = "Only those sold in this currency (ISO 4217). Without it amounts are compared whatever their currency.",
            pattern = "^[A-Z]{3}$"),
        ("sort" = Option<String>, Query, description = "`departure` (if left out), `price` or `duration`: the least first. What is equal by it follows by departure.",
            pattern = "^(departure|price|duration)$"),
        ("limit" = Option<u32>, Query, description = "Flights of a page; 50 if left out.", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before, with the same filters and order."),
        ("Consistency-Token" = Option<String>, Header, description = "Of a command: the page waits up to 500 ms to include it, else says that it is stale."),
    ),
    responses((status = 200, description = "A page. `position` of each flight's `availability` is what its seats are true for.",
        body = Page<FlightView>), ListFlightsProblems)
)]
pub(crate) async fn list_flights(
    State(api): State<ApiState>,
    Query(query): Query<FlightsQuery>,
    fresh: FreshFrom,
) -> Result<JsonAnswer<Page<FlightView>>, Problem> {
    let FlightsQuery { flights, limit, cursor } = query;
    let after = cursor.map(|text| KeyCursor::<_, Place>::read(&text, &flights)?.try_into()).transpose()?;
    let search = search(&api, &flights, after, limit).await?;
    let freshness = freshness(&api.read_models.availability, fresh).await;
    let rows = match find_flights(&api, &search).await {
        Err(error) if is_not_made_yet(&error) => return Ok(JsonAnswer(Page::not_made_yet())),
        rows => rows?,
    };
    let last = rows.last().filter(|_| rows.len() == limit as usize);
    let place = last.and_then(|last| search.order.place(last));
    let next_cursor = place.map(|place| KeyCursor::write(flights, Place::from(place)));
    let flight = |row: InventoryRow| {
        let stale = freshness.stale || row.is_parked;
        FlightView::of(row).map(|flight| flight.stale(stale))
    };
    let data = rows.into_iter().filter_map(flight).collect();
    Ok(JsonAnswer(Page { data, meta: Meta { next_cursor, freshness } }))
}

/// What is asked of the read model. All that is not there is named at once.
async fn search(
    api: &Api,
    flights: &Flights,
    after: Option<FlightPlace>,
    limit: u32,
) -> Result<FlightSearch, Problem> {
    let mut errors = Vec::new();
    let from = place(api, "from", flights.from.as_deref(), &mut errors).await?;
    let to = place(api, "to", flights.to.as_deref(), &mut errors).await?;
    if flights.min_price.zip(flights.max_price).is_some_and(|(min, max)| min > max) {
        let detail = "must not be less than min_price".to_owned();
        errors.push(FieldError { pointer: "/max_price".to_owned(), detail });
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    Ok(FlightSearch {
        from,
        to,
        day: flights.date,
        seats: flights.seats,
        min_price: flights.min_price,
        max_price: flights.max_price,
        currency: flights.currency.as_deref().and_then(Currency::from_code),
        order: flights.sort.order(),
        after,
        limit,
    })
}

async fn place(
    api: &Api,
    name: &str,
    text: Option<&str>,
    errors: &mut Vec<FieldError>,
) -> Result<Option<Arc<[AirportId]>>, Problem> {
    let Some(text) = text else { return Ok(None) };
    match airports(api, name, text).await? {
        Ok(airports) => Ok(Some(airports)),
        Err(error) => {
            errors.push(error);
            Ok(None)
        }
    }
}
