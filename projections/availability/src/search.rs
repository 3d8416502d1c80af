//! Search: flights that can still be flown with, by route, day, price and seats left, in three orders.
//!
//! Guarantees
//! - Cancelled flights and those that have left are not found.
//! - A page begins after the last flight of the page before, whatever was opened or sold meanwhile: none is shown twice
//!   or left out, unless what it is sorted or found by was changed.
//! - Each order over all flights has an index (`tests/it/search.rs` holds Postgres to it), so that a page reads about as many rows as
//!   it shows, and those that have seats left but too few. All else is compared inside the index. How many seats are left is in
//!   none: a booking would have to move it. Those of one airport or one route are few, and may be looked at one by one.
//! - By departure, flights that have left are not looked at; by price and by duration each costs its place in the index for ever
//!   (ARCHITECTURE.md says how much).

use crate::{InventoryRow, row::COLUMNS, tables::NOT_CANCELLED};
use chrono::{Days, NaiveDate, NaiveTime};
use holdfast_domain::{AirportId, Currency, InventoryId, Subject, Timestamp};
use sqlx::{PgExecutor, Postgres, QueryBuilder, postgres::PgRow};
use std::sync::Arc;

/// Most flights of one page: bounds the answer's size. It stands in the statement, because Postgres plans for a page
/// only if it knows that there is one.
pub const FLIGHTS_LIMIT_MAX: u32 = 200;

/// Which flights, and in what order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightSearch {
    /// Airports where they leave; none: anywhere.
    pub from: Option<Arc<[AirportId]>>,
    /// Airports where they land; none: anywhere.
    pub to: Option<Arc<[AirportId]>>,
    /// The day on which they leave, by the clocks of the departure airport.
    pub day: Option<NaiveDate>,
    /// Seats that one booking can have: sales are open, so many are left, and one booking may have so many.
    pub seats: Option<u32>,
    /// What a seat costs at least, in minor units.
    pub min_price: Option<i64>,
    /// What it costs at most.
    pub max_price: Option<i64>,
    /// The currency it costs that in.
    pub currency: Option<Currency>,
    /// In what order.
    pub order: FlightOrder,
    /// Where the page before ended.
    pub after: Option<FlightPlace>,
    /// Most flights of the page; never more than [`FLIGHTS_LIMIT_MAX`].
    pub limit: u32,
}

/// The order of flights; what is equal by it follows by departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlightOrder {
    /// The first to leave first.
    Departure,
    /// The cheapest first. Amounts are compared, whatever their currencies.
    Price,
    /// The shortest first.
    Duration,
}

/// Where a flight stands in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlightPlace {
    /// Its price in minor units, or its duration in seconds; by departure always 0.
    pub key: i64,
    /// When it leaves.
    pub departs_at: Timestamp,
    /// Which it is.
    pub inventory_id: InventoryId,
}

impl FlightOrder {
    /// Columns of the order, of the inventory `i`.
    fn columns(self) -> &'static str {
        match self {
            Self::Departure => "i.departs_at, i.inventory_id",
            Self::Price => "i.price_amount, i.departs_at, i.inventory_id",
            Self::Duration => "i.duration_seconds, i.departs_at, i.inventory_id",
        }
    }

    /// The place of a flight. None: it is no flight.
    #[must_use]
    pub fn place(self, row: &InventoryRow) -> Option<FlightPlace> {
        let Subject::Flight(flight) = &row.subject else { return None };
        let key = match self {
            Self::Departure => 0,
            Self::Price => row.price.amount,
            Self::Duration => (flight.arrives_at - flight.departs_at).num_seconds(),
        };
        Some(FlightPlace { key, departs_at: flight.departs_at, inventory_id: row.inventory_id })
    }
}

/// A page of the flights that leave after `now`.
///
/// # Errors
/// Whatever Postgres says.
pub async fn search_flights(
    db: impl PgExecutor<'_>,
    search: &FlightSearch,
    now: Timestamp,
) -> Result<Vec<InventoryRow>, sqlx::Error> {
    let mut sql = statement(search, now);
    sql.build().try_map(|row: PgRow| InventoryRow::from_row(&row)).fetch_all(db).await
}

/// Only what is asked for stands in the statement, so that its index can serve it.
fn statement(search: &FlightSearch, now: Timestamp) -> QueryBuilder<'_, Postgres> {
    let FlightSearch { seats, min_price, max_price, currency, order, limit, .. } = search;
    let mut sql = QueryBuilder::new(format!(
        "SELECT {COLUMNS} FROM (SELECT * FROM (
             SELECT * FROM availability.inventories i WHERE {NOT_CANCELLED}"
    ));
    push_route(&mut sql, search);
    sql.push(" AND i.departs_at > ").push_bind(now);
    push_day(&mut sql, search, now);
    if let Some(seats) = seats {
        sql.push(" AND i.is_bookable AND i.available >= ").push_bind(i64::from(*seats));
        sql.push(" AND i.seats_per_booking >= ").push_bind(i64::from(*seats));
    }
    for (comparison, amount) in [(">=", min_price), ("<=", max_price)] {
        if let Some(amount) = amount {
            sql.push(format!(" AND i.price_amount {comparison} ")).push_bind(amount);
        }
    }
    if let Some(currency) = currency {
        sql.push(" AND i.currency = ").push_bind(currency.code());
    }
    push_after(&mut sql, search);
    let columns = order.columns();
    sql.push(format!(" ORDER BY {columns} LIMIT {FLIGHTS_LIMIT_MAX}) i LIMIT "));
    sql.push_bind(i64::from(*limit));
    sql.push(format!(") i JOIN availability.checkpoints c USING (log_partition) ORDER BY {columns}"));
    sql
}

fn push_route(sql: &mut QueryBuilder<'_, Postgres>, FlightSearch { from, to, .. }: &FlightSearch) {
    for (column, airports) in [("departure_airport_id", from), ("arrival_airport_id", to)] {
        match airports.as_deref() {
            None => {}
            // The order of the index is that of the answer only behind a single airport.
            Some([airport]) => {
                sql.push(format!(" AND i.{column} = ")).push_bind(airport.0);
            }
            Some(airports) => {
                let ids: Vec<_> = airports.iter().map(|airport| airport.0).collect();
                sql.push(format!(" AND i.{column} = ANY(")).push_bind(ids).push(")");
            }
        }
    }
}

fn push_after(sql: &mut QueryBuilder<'_, Postgres>, FlightSearch { order, after, .. }: &FlightSearch) {
    let Some(FlightPlace { key, departs_at, inventory_id }) = *after else { return };
    sql.push(format!(" AND ({}) > (", order.columns()));
    if *order != FlightOrder::Departure {
        sql.push_bind(key).push(", ");
    }
    sql.push_bind(departs_at).push(", ").push_bind(inventory_id.0).push(")");
}

/// The days are in the index of routes only; the others are led to them by the instants, which keep the order.
fn push_day(
    sql: &mut QueryBuilder<'_, Postgres>,
    FlightSearch { from, to, day, .. }: &FlightSearch,
    now: Timestamp,
) {
    let is_of_route = from.is_some() && to.is_some();
    match day {
        Some(day) => {
            sql.push(" AND i.departure_day = ").push_bind(*day);
            if !is_of_route {
                let (begins, ends) = instants_of(*day);
                sql.push(" AND i.departs_at BETWEEN ").push_bind(begins).push(" AND ").push_bind(ends);
            }
        }
        // What has left long ago is not even looked at.
        None if is_of_route => {
            sql.push(" AND i.departure_day >= ").push_bind(instants_of(now.date_naive()).0.date_naive());
        }
        None => {}
    }
}

/// All instants that lie in a day by any clocks, and some more: no zone is a whole day from UTC.
fn instants_of(day: NaiveDate) -> (Timestamp, Timestamp) {
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let begins = day.checked_sub_days(Days::new(1)).map_or(Timestamp::MIN_UTC, midnight);
    let ends = day.checked_add_days(Days::new(2)).map_or(Timestamp::MAX_UTC, midnight);
    (begins, ends)
}
