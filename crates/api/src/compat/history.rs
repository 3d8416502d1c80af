//! `GET /api/v1/history`: the orders of all users that are known by a number, the latest first.
//!
//! Pages by number and a total cost more the more orders there are, and no token is needed. So they have bounds of their own:
//! one request reads at a time, each total (of all, and of each status) is counted at most twice a second, and pages end at a depth.

use super::{
    answer::{Answer, ErrorBody},
    request::correlation_id,
};
use crate::{
    state::ApiState,
    store::{STORE_MILLISECONDS_MAX, bounded},
    view::is_not_made_yet,
};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, Utc};
use holdfast_booking_history::{Booking, numbered_count, numbered_page};
use holdfast_domain::BookingStatus;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};
use tracing::warn;
use utoipa::ToSchema;

/// Orders of a page where none are asked for.
const SIZE_DEFAULT: i64 = 10;
/// Most orders of a page. The original had no limit.
const SIZE_MAX: i64 = 200;
/// Orders up to the end of a page. Postgres reads all of them for it; the original had no limit.
const ORDERS_MAX: i64 = 10_000;
/// How long a total is good: a load script that looks once a second sees a new one each time.
const TOTAL_GOOD_FOR: Duration = Duration::from_millis(500);
/// Requests that read at a time, so that they leave the other reads their connections.
const AT_ONCE: usize = 1;
/// How long a request waits for its turn. What comes later would have no time left for its statements.
const TURN_MAX: Duration = Duration::from_millis(STORE_MILLISECONDS_MAX / 2);
/// The statuses that orders have.
const STATUSES: [BookingStatus; 4] =
    [BookingStatus::Held, BookingStatus::Confirmed, BookingStatus::Cancelled, BookingStatus::Expired];
/// An order's number is its booking's position, then its partition: this many partitions at most.
const PARTITIONS_MAX: i64 = 1024;

/// What is asked for, as text: what is no number is told in the contract's own way.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct HistoryQuery {
    page: Option<String>,
    size: Option<String>,
    status: Option<String>,
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingMonitorHistory)]
struct History {
    /// Null when there are none.
    data: Option<Vec<Order>>,
    meta: HistoryMeta,
}

impl History {
    fn of(bookings: &[Booking], total: i64, page: i64, size: i64) -> Self {
        let orders: Vec<_> = bookings.iter().map(Order::from).collect();
        Self { data: (!orders.is_empty()).then_some(orders), meta: HistoryMeta { total, page, size } }
    }
}

/// About the page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingMonitorHistoryMeta)]
struct HistoryMeta {
    total: i64,
    page: i64,
    size: i64,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingMonitorOrder)]
struct Order {
    id: i64,
    event_id: Option<i64>,
    user_id: Option<i64>,
    quantity: u32,
    status: &'static str,
    created_at: DateTime<Utc>,
}

impl From<&Booking> for Order {
    fn from(booking: &Booking) -> Self {
        Self {
            id: booking.made_at.position * PARTITIONS_MAX + i64::from(booking.made_at.log_partition),
            event_id: booking.inventory_id.number(),
            user_id: booking.user_id.number(),
            quantity: booking.quantity,
            status: booking.status.as_str(),
            created_at: booking.reserved_at,
        }
    }
}

/// What bounds the reading of all requests together.
pub(crate) struct HistoryReads {
    turns: Arc<Semaphore>,
    totals: Cache<Option<&'static str>, i64>,
}

impl HistoryReads {
    pub(crate) fn new() -> Self {
        let totals = Cache::builder().max_capacity(STATUSES.len() as u64 + 1).time_to_live(TOTAL_GOOD_FOR);
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), totals: totals.build() }
    }

    /// How many orders there are, or were a moment ago.
    async fn total(&self, db: &mut PgConnection, status: Option<&'static str>) -> Result<i64, sqlx::Error> {
        if let Some(total) = self.totals.get(&status) {
            return Ok(total);
        }
        let total = numbered_count(db, status).await?;
        self.totals.insert(status, total);
        Ok(total)
    }
}

/// The page, checked: numbers below 1 mean the usual ones.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    page: i64,
    size: i64,
    status: Option<String>,
}

impl HistoryQuery {
    fn checked(self) -> Result<Wanted, Answer> {
        let refuse = || Answer::error(StatusCode::BAD_REQUEST, "page and size must be whole numbers");
        let number = |text: Option<String>| match text.filter(|text| !text.is_empty()) {
            Some(text) => text.parse::<i64>().map_err(|_| refuse()),
            None => Ok(0),
        };
        let (page, size) = (number(self.page)?, number(self.size)?);
        if self.status.as_ref().is_some_and(|status| status.contains('\0')) {
            return Err(Answer::error(StatusCode::BAD_REQUEST, "status must not contain a null character"));
        }
        let (page, size) = (page.max(1), if size < 1 { SIZE_DEFAULT } else { size.min(SIZE_MAX) });
        if page.saturating_mul(size) > ORDERS_MAX {
            return Err(Answer::error(
                StatusCode::BAD_REQUEST,
                "only the latest 10000 orders can be paged through",
            ));
        }
        Ok(Wanted { page, size, status: self.status.filter(|status| !status.is_empty()) })
    }
}

/// The orders of all users, the latest first.
#[utoipa::path(
    get, path = "/api/v1/history", tag = "booking_monitor",
    params(
        ("page" = Option<i64>, Query, description = "From 1."),
        ("size" = Option<i64>, Query, description = "Orders of a page: 10 if left out, 200 at most."),
        ("status" = Option<String>, Query, description = "Only these."),
    ),
    responses(
        (status = 200, description = "A page.", body = History),
        (status = 400, description = "Page or size is no whole number, or the page lies behind the latest 10,000 orders.", body = ErrorBody<'static>),
        (status = 503, description = "Come again after a second.", body = ErrorBody<'static>),
    )
)]
pub(crate) async fn list_history(
    State(api): State<ApiState>,
    headers: HeaderMap,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Response {
    let refused = |_| Answer::error(StatusCode::BAD_REQUEST, "the query string is not valid");
    let answer = match query.map_err(refused).and_then(|Query(query)| query.checked()) {
        Ok(wanted) => history(&api, wanted).await,
        Err(refused) => refused,
    };
    answer.to(correlation_id(&headers, &*api.ambient))
}

async fn history(api: &ApiState, wanted: Wanted) -> Answer {
    let Wanted { page, size, ref status } = wanted;
    let offset = (page - 1).saturating_mul(size);
    let status = match status {
        None => None,
        Some(asked) => match STATUSES.map(BookingStatus::as_str).into_iter().find(|status| status == asked) {
            // No order has it: there is nothing to look for.
            None => return Answer::json(StatusCode::OK, &History::of(&[], 0, page, size)),
            known => known,
        },
    };
    let found = bounded(read(api.clone(), status, size, offset));
    let (bookings, total) = match found.await {
        Err(error) if is_not_made_yet(&error) => (vec![], 0),
        Err(error) => {
            warn!(error = &error as &dyn std::error::Error, "the history cannot be read");
            return Answer::unavailable();
        }
        Ok(found) => found,
    };
    Answer::json(StatusCode::OK, &History::of(&bookings, total, page, size))
}

/// A page and the total. Once it has its turn it goes on without its client: its turn lasts as long as its statements.
async fn read(
    api: ApiState,
    status: Option<&'static str>,
    size: i64,
    offset: i64,
) -> Result<(Vec<Booking>, i64), sqlx::Error> {
    let turn = timeout(TURN_MAX, api.history.turns.clone().acquire_owned());
    let turn = turn.await.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
    let reading = tokio::spawn(async move {
        let _turn = turn;
        let mut db = api.pool.acquire().await?;
        let total = api.history.total(&mut db, status).await?;
        Ok((numbered_page(&mut *db, status, size, offset).await?, total))
    });
    reading.await.map_err(|_| sqlx::Error::WorkerCrashed)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(page: &str, size: &str) -> Option<(i64, i64)> {
        let query = HistoryQuery { page: Some(page.to_owned()), size: Some(size.to_owned()), status: None };
        query.checked().ok().map(|wanted| (wanted.page, wanted.size))
    }

    #[test]
    fn numbers_below_one_mean_the_usual_ones_and_a_page_has_its_limit() {
        assert_eq!(checked("3", "20"), Some((3, 20)));
        assert_eq!(checked("0", "0"), Some((1, 10)));
        assert_eq!(checked("-5", "-5"), Some((1, 10)));
        assert_eq!(checked("", ""), Some((1, 10)));
        assert_eq!(checked("1", "5000"), Some((1, 200)));
        assert_eq!(checked("50", "200"), Some((50, 200)));
        assert_eq!(checked("51", "200"), None, "the cost of a page has a bound");
        assert_eq!(checked("9223372036854775807", "200"), None);
        assert_eq!(checked("x", "1"), None);
        assert_eq!(checked("1", "1.5"), None);
    }
}
