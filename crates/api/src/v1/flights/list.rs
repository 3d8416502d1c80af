//! `GET /v1/flights`: search, from the read model.

use crate::{
    extract::{FreshFrom, FromQuery, Params, Query},
    form::{CurrencyCode, Field as _, Line, PRICE_MAX, line},
    places::airports,
    problem::{FieldError, Problem, problems},
    searches::{SearchError, answer, find_flights},
    state::{Api, ApiState},
    view::{
        FlightView, Freshness, InvalidCursor, JsonAnswer, KeyCursor, Meta, Page, freshness, instant,
        is_not_made_yet,
    },
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use chrono::{Datelike as _, NaiveDate};
use holdfast_availability::{FlightOrder, FlightPlace, FlightSearch, InventoryRow};
use holdfast_domain::{AirportId, InventoryId, SEATS_PER_BOOKING_MAX};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

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
    currency: Option<CurrencyCode>,
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
struct Ended(i64, i64, Uuid);

impl From<FlightPlace> for Ended {
    fn from(place: FlightPlace) -> Self {
        Self(place.key, place.departs_at.timestamp_micros(), place.inventory_id.0)
    }
}

impl TryFrom<Ended> for FlightPlace {
    type Error = InvalidCursor;

    fn try_from(Ended(key, departs_at, id): Ended) -> Result<Self, InvalidCursor> {
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
        let a_day = "must be a day that exists, such as 2027-06-01";
        let some_seats =
            format!("must be a whole number from 1 to {SEATS_PER_BOOKING_MAX}: what one booking may have");
        let a_sort = "must be departure, price or duration";
        let flights = Flights {
            from,
            to,
            date: params.take("date", a_day, day),
            seats: params.take("seats", &some_seats, seats),
            min_price: price(params, "min_price"),
            max_price: price(params, "max_price"),
            currency: params.take("currency", &CurrencyCode::must_be(), CurrencyCode::read),
            sort: params.take("sort", a_sort, Sort::read).unwrap_or(Sort::Departure),
        };
        if flights.min_price.zip(flights.max_price).is_some_and(|(min, max)| min > max) {
            params.wrong("max_price", "must not be less than min_price");
        }
        let compares_prices =
            flights.sort == Sort::Price || flights.min_price.is_some() || flights.max_price.is_some();
        if compares_prices && flights.currency.is_none() && !params.is_wrong("currency") {
            params.wrong(
                "currency",
                "must be given with sort=price, min_price and max_price, such as currency=EUR: amounts of different currencies do not compare",
            );
        }
        Self { flights, limit: params.limit(), cursor: params.cursor() }
    }
}

/// A day as RFC 3339 writes it, in the years 1 to 9999.
fn day(text: &str) -> Option<NaiveDate> {
    let day: NaiveDate = text.parse().ok()?;
    (day.to_string() == text && (1..=9999).contains(&day.year())).then_some(day)
}

fn seats(text: &str) -> Option<u32> {
    text.parse().ok().filter(|seats| (1..=SEATS_PER_BOOKING_MAX).contains(seats))
}

fn price(params: &mut Params, name: &str) -> Option<i64> {
    let must_be = format!("must be a whole number of minor units from 0 to {PRICE_MAX}");
    params.take(name, &must_be, |text| text.parse().ok().filter(|amount| (0..=PRICE_MAX).contains(amount)))
}

problems! {
    /// Why they are not listed.
    ListFlightsProblems: InvalidCursor, ValidationFailed, Overloaded, StoreUnavailable,
}

/// Flights that have not left yet and are not cancelled: by route, day, price and seats left; the first to leave first.
///
/// Those that are sold out or closed for sale are listed with the others unless `seats` is given: `availability` says so.
#[utoipa::path(
    get, path = "/v1/flights", tag = "flights",
    params(
        ("from" = Option<String>, Query, description = "Only those that leave there: an airport's code, a city's name, or the id of either. Letters' case makes no difference; what is a code and a name, too, is the code; a city means all of its airports.",
            min_length = 1, max_length = 200, example = "BER"),
        ("to" = Option<String>, Query, description = "Only those that land there; named in the same ways.",
            min_length = 1, max_length = 200, example = "New York"),
        ("date" = Option<chrono::NaiveDate>, Query, description = "Only those that leave on this day, by the clocks of the departure airport."),
        ("seats" = Option<u32>, Query, description = "Only those of which one booking can have so many seats now: sales are open, so many are left, and the flight's policy allows so many in one booking.",
            minimum = 1, maximum = 100),
        ("min_price" = Option<i64>, Query, description = "Only those whose seat costs at least so much, in minor units of `currency`, which is required with it.",
            minimum = 0, maximum = 1_000_000_000_000_i64),
        ("max_price" = Option<i64>, Query, description = "Only those whose seat costs at most so much, in minor units of `currency`, which is required with it.",
            minimum = 0, maximum = 1_000_000_000_000_i64),
        ("currency" = Option<String>, Query, description = "Only those sold in this currency (ISO 4217). Required with `sort=price`, `min_price` and `max_price`, because amounts of different currencies do not compare.",
            pattern = "^[A-Z]{3}$"),
        ("sort" = inline(Option<Sort>), Query, description = "What the least of comes first; `departure` if left out. `price` requires `currency`. What is equal by it follows by departure."),
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
) -> Result<Response, Problem> {
    let FlightsQuery { flights, limit, cursor } = query;
    let after = cursor.map(|text| KeyCursor::<_, Ended>::read(&text, &flights)?.try_into()).transpose()?;
    let search = search(&api, &flights, after, limit).await?;
    let freshness = freshness(&api.read_models.availability, fresh).await;
    let page = page(api.clone(), flights, search.clone(), freshness);
    answer(&api, &search, async { Ok(JsonAnswer(page.await?).into_response()) }).await
}

async fn page(
    api: ApiState,
    flights: Flights,
    search: FlightSearch,
    freshness: Freshness,
) -> Result<Page<FlightView>, Problem> {
    let rows = match find_flights(&api, &search).await {
        Err(SearchError::Store(error)) if is_not_made_yet(&error) => return Ok(Page::not_made_yet()),
        rows => rows?,
    };
    let last = rows.last().filter(|_| rows.len() == search.limit as usize);
    let place = last.and_then(|last| search.order.place(last));
    let next_cursor = place.map(|place| KeyCursor::write(flights, Ended::from(place)));
    let flight = |row: InventoryRow| {
        let stale = freshness.stale || row.is_parked;
        FlightView::of(row).map(|flight| flight.stale(stale))
    };
    let data = rows.into_iter().filter_map(flight).collect();
    Ok(Page { data, meta: Meta { next_cursor, freshness } })
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
        currency: flights.currency.as_ref().map(|currency| currency.0),
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
