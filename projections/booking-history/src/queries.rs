//! What is asked of the read model. Every query names its schema, so it goes on working when a rebuilt
//! read model takes the place of this one.

use crate::{Booking, row::COLUMNS, tables::USER_HAS_NUMBER};
use holdfast_domain::{BookingId, BookingStatus, InventoryId, Timestamp, UserId};
use sqlx::{PgExecutor, postgres::PgRow};

/// Most bookings of one page: bounds the answer's size.
pub const HISTORY_LIMIT_MAX: u32 = 200;

/// Where a page ended: the next begins after this booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// When the last booking of the page was made.
    pub reserved_at: Timestamp,
    /// The last booking of the page.
    pub booking_id: BookingId,
}

impl Booking {
    /// The place after this booking.
    #[must_use]
    pub fn after(&self) -> After {
        After { reserved_at: self.reserved_at, booking_id: self.booking_id }
    }
}

/// A user's bookings, the latest first, at most `limit` (and never more than [`HISTORY_LIMIT_MAX`]).
///
/// # Errors
/// Whatever Postgres says.
pub async fn page(
    db: impl PgExecutor<'_>,
    user_id: UserId,
    status: Option<BookingStatus>,
    after: Option<After>,
    limit: u32,
) -> Result<Vec<Booking>, sqlx::Error> {
    // Two statements, not one with `OR $3 IS NULL`: the index serves the comparison only if it is there.
    let after_place = match after {
        Some(_) => "AND (b.reserved_at, b.booking_id) < ($4, $5)",
        None => "",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM booking_history.bookings b
         JOIN booking_history.checkpoints c USING (log_partition)
         WHERE b.user_id = $1 AND ($2::text IS NULL OR b.status = $2) {after_place}
         ORDER BY b.reserved_at DESC, b.booking_id DESC LIMIT $3"
    );
    let mut query = sqlx::query(&sql)
        .bind(user_id.0)
        .bind(status.map(BookingStatus::as_str))
        .bind(i64::from(limit.min(HISTORY_LIMIT_MAX)));
    if let Some(After { reserved_at, booking_id }) = after {
        query = query.bind(reserved_at).bind(booking_id.0);
    }
    query.try_map(|row: PgRow| Booking::from_row(&row)).fetch_all(db).await
}

/// All statuses: a page over all of them is merged from a page of each, so that one index serves both.
const STATUSES: [BookingStatus; 4] =
    [BookingStatus::Held, BookingStatus::Confirmed, BookingStatus::Cancelled, BookingStatus::Expired];

/// An inventory's bookings, the latest first, at most `limit` (and never more than [`HISTORY_LIMIT_MAX`]).
///
/// # Errors
/// Whatever Postgres says.
pub async fn page_of_inventory(
    db: impl PgExecutor<'_>,
    inventory_id: InventoryId,
    status: Option<BookingStatus>,
    after: Option<After>,
    limit: u32,
) -> Result<Vec<Booking>, sqlx::Error> {
    let after_place = match after {
        Some(_) => "AND (b.reserved_at, b.booking_id) < ($4, $5)",
        None => "",
    };
    // The longest page stands in the statement: Postgres plans for a page only if it knows that there is one.
    let order = "ORDER BY b.reserved_at DESC, b.booking_id DESC";
    let sql = format!(
        "SELECT {COLUMNS} FROM (
             SELECT b.* FROM unnest($2::text[]) AS wanted (status), LATERAL (SELECT * FROM (
                 SELECT * FROM booking_history.bookings b
                 WHERE b.inventory_id = $1 AND b.status = wanted.status {after_place}
                 {order} LIMIT {HISTORY_LIMIT_MAX}) b LIMIT $3) b
             {order} LIMIT $3) b
         JOIN booking_history.checkpoints c USING (log_partition) {order}"
    );
    let statuses = status.map_or_else(|| STATUSES.to_vec(), |status| vec![status]);
    let mut query = sqlx::query(&sql)
        .bind(inventory_id.0)
        .bind(statuses.into_iter().map(BookingStatus::as_str).collect::<Vec<_>>())
        .bind(i64::from(limit.min(HISTORY_LIMIT_MAX)));
    if let Some(After { reserved_at, booking_id }) = after {
        query = query.bind(reserved_at).bind(booking_id.0);
    }
    query.try_map(|row: PgRow| Booking::from_row(&row)).fetch_all(db).await
}

/// A page of the bookings of all users that are known by a number, the latest first.
/// The status is free text: one that does not exist has no bookings.
///
/// # Errors
/// Whatever Postgres says.
pub async fn numbered_page(
    db: impl PgExecutor<'_>,
    status: Option<&str>,
    limit: i64,
    offset: i64,
) -> Result<Vec<Booking>, sqlx::Error> {
    sqlx::query(&format!(
        "SELECT {COLUMNS} FROM booking_history.bookings b
         JOIN booking_history.checkpoints c USING (log_partition)
         WHERE {USER_HAS_NUMBER} AND ($1::text IS NULL OR b.status = $1)
         ORDER BY b.reserved_at DESC, b.booking_id DESC LIMIT $2 OFFSET $3"
    ))
    .bind(status)
    .bind(limit)
    .bind(offset)
    .try_map(|row: PgRow| Booking::from_row(&row))
    .fetch_all(db)
    .await
}

/// How many bookings [`numbered_page`] has on all its pages.
///
/// # Errors
/// Whatever Postgres says.
pub async fn numbered_count(db: impl PgExecutor<'_>, status: Option<&str>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(&format!(
        "SELECT count(*) FROM booking_history.bookings
         WHERE {USER_HAS_NUMBER} AND ($1::text IS NULL OR status = $1)"
    ))
    .bind(status)
    .fetch_one(db)
    .await
}

/// Inventories with holds that have ended by `now` but are not recorded as expired, the longest overdue
/// first: a hint for whoever records it, which decides on its own knowledge.
///
/// # Errors
/// Whatever Postgres says.
pub async fn overdue_inventories(
    db: impl PgExecutor<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<InventoryId>, sqlx::Error> {
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
        "SELECT inventory_id FROM booking_history.bookings
         WHERE status = 'held' AND expires_at <= $1
         GROUP BY inventory_id
         -- Those whose events are set aside stay overdue here, and must not keep the others from their turn.
         ORDER BY EXISTS (SELECT FROM booking_history.parked p WHERE p.stream = inventory_id::text),
                  min(expires_at)
         LIMIT $2",
    )
    .bind(now)
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(InventoryId).collect())
}
