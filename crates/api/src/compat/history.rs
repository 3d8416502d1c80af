//! `GET /api/v1/history`: the orders of all users that are known by a number, the latest first.

use super::{
    answer::{Answer, ErrorBody},
    request::correlation_id,
};
use crate::{
    state::{Api, ApiState},
    store::bounded,
    view::is_not_made_yet,
};
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, Utc};
use holdfast_booking_history::{Booking, numbered_count, numbered_page};
use serde::{Deserialize, Serialize};
use tracing::warn;
use utoipa::ToSchema;

/// Orders of a page where none are asked for.
const SIZE_DEFAULT: i64 = 10;
/// Most orders of a page. The original had no limit.
const SIZE_MAX: i64 = 200;
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
        Ok(Wanted {
            page: page.max(1),
            size: if size < 1 { SIZE_DEFAULT } else { size.min(SIZE_MAX) },
            status: self.status.filter(|status| !status.is_empty()),
        })
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
        (status = 400, description = "Page or size is no whole number.", body = ErrorBody<'static>),
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
    answer.to(correlation_id(&headers, &api))
}

async fn history(api: &Api, wanted: Wanted) -> Answer {
    let Wanted { page, size, ref status } = wanted;
    let (status, offset) = (status.as_deref(), (page - 1).saturating_mul(size));
    let found = bounded(async {
        // Page and count are of one moment.
        let mut moment = api.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let orders = numbered_page(&mut *moment, status, size, offset).await?;
        Ok::<_, sqlx::Error>((orders, numbered_count(&mut *moment, status).await?))
    });
    let (bookings, total) = match found.await {
        Err(error) if is_not_made_yet(&error) => (vec![], 0),
        Err(error) => {
            warn!(error = &error as &dyn std::error::Error, "the history cannot be read");
            return Answer::unavailable();
        }
        Ok(found) => found,
    };
    let orders: Vec<_> = bookings.iter().map(Order::from).collect();
    let data = (!orders.is_empty()).then_some(orders);
    Answer::json(StatusCode::OK, &History { data, meta: HistoryMeta { total, page, size } })
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
        assert_eq!(checked("x", "1"), None);
        assert_eq!(checked("1", "1.5"), None);
    }
}
