//! The commonest search, a route and a day in the order of departure: many of them in one statement.
//!
//! A statement costs Postgres and us more than the handful of rows it finds here, so those who ask at once share one.
//! Not here: who shares (`api`), and every other search (`search`), which could hold up all that share with it.

use crate::{
    InventoryRow,
    row::COLUMNS,
    search::{FLIGHTS_LIMIT_MAX, FlightOrder, FlightSearch},
    tables::NOT_CANCELLED,
};
use chrono::NaiveDate;
use holdfast_domain::{AirportId, Currency, Timestamp};
use sqlx::{PgExecutor, Row, postgres::PgRow};

/// A search for a route and a day, from its first page on: a [`FlightSearch`] that needs no plan of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSearch {
    from: AirportId,
    to: AirportId,
    day: NaiveDate,
    seats: Option<u32>,
    min_price: Option<i64>,
    max_price: Option<i64>,
    currency: Option<Currency>,
    limit: u32,
}

impl RouteSearch {
    /// The search, if it is one of these.
    #[must_use]
    pub fn of(search: &FlightSearch) -> Option<Self> {
        let FlightSearch { from, to, day, seats, min_price, max_price, currency, order, after, limit } =
            search;
        let (Some([from]), Some([to])) = (from.as_deref(), to.as_deref()) else { return None };
        let is_one = *order == FlightOrder::Departure && after.is_none();
        day.filter(|_| is_one).map(|day| Self {
            from: *from,
            to: *to,
            day,
            seats: *seats,
            min_price: *min_price,
            max_price: *max_price,
            currency: *currency,
            limit: *limit,
        })
    }
}

/// What each of them finds among the flights that leave after `now`, in their order.
///
/// # Errors
/// Whatever Postgres says, of all of them.
pub async fn search_routes(
    db: impl PgExecutor<'_>,
    searches: &[RouteSearch],
    now: Timestamp,
) -> Result<Vec<Vec<InventoryRow>>, sqlx::Error> {
    let rows = sqlx::query(&statement())
        .bind(now)
        .bind(column(searches, |s| s.from.0))
        .bind(column(searches, |s| s.to.0))
        .bind(column(searches, |s| s.day))
        .bind(column(searches, |s| s.seats.map(i64::from)))
        .bind(column(searches, |s| s.min_price))
        .bind(column(searches, |s| s.max_price))
        .bind(column(searches, |s| s.currency.map(Currency::code)))
        .bind(column(searches, |s| i64::from(s.limit)))
        .try_map(|row: PgRow| Ok((row.try_get::<i64, _>("nth")?, InventoryRow::from_row(&row)?)))
        .fetch_all(db)
        .await?;
    let mut found = vec![Vec::new(); searches.len()];
    for (nth, row) in rows {
        let nth = usize::try_from(nth - 1).ok();
        if let Some(found) = nth.and_then(|nth| found.get_mut(nth)) {
            found.push(row);
        }
    }
    Ok(found)
}

fn column<T>(searches: &[RouteSearch], value: impl Fn(&RouteSearch) -> T) -> Vec<T> {
    searches.iter().map(value).collect()
}

/// One plan serves whatever is asked: route and day lead into the index, and the rest is compared on a handful of rows.
fn statement() -> String {
    format!(
        "SELECT q.nth, {COLUMNS}
         FROM unnest($2::uuid[], $3::uuid[], $4::date[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[])
                  WITH ORDINALITY AS q (departs_from, lands_at, day, seats, min_price, max_price, currency, row_limit, nth)
         CROSS JOIN LATERAL (SELECT * FROM (
             SELECT * FROM availability.inventories i WHERE {NOT_CANCELLED}
                 AND i.departure_airport_id = q.departs_from AND i.arrival_airport_id = q.lands_at
                 AND i.departure_day = q.day AND i.departs_at > $1
                 AND (q.seats IS NULL OR i.is_bookable AND i.available >= q.seats AND i.seats_per_booking >= q.seats)
                 AND (q.min_price IS NULL OR i.price_amount >= q.min_price)
                 AND (q.max_price IS NULL OR i.price_amount <= q.max_price)
                 AND (q.currency IS NULL OR i.currency = q.currency)
             ORDER BY i.departs_at, i.inventory_id LIMIT {FLIGHTS_LIMIT_MAX}) f LIMIT q.row_limit) i
         JOIN availability.checkpoints c USING (log_partition)
         ORDER BY q.nth, i.departs_at, i.inventory_id"
    )
}
