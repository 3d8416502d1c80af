//! A booking as the queries return it.

use holdfast_domain::{BookingId, BookingStatus, Currency, InventoryId, Money, Timestamp, UserId};
use holdfast_event_log::LogPosition;
use sqlx::{Row, postgres::PgRow};
use std::num::TryFromIntError;

/// One booking, true for all events up to `as_of`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The booking.
    pub booking_id: BookingId,
    /// Who holds it.
    pub user_id: UserId,
    /// Whose seats.
    pub inventory_id: InventoryId,
    /// How many.
    pub quantity: u32,
    /// What it is.
    pub status: BookingStatus,
    /// Price of all seats.
    pub total: Money,
    /// When it was made.
    pub reserved_at: Timestamp,
    /// When its hold ends, or ended; none: it was confirmed at once.
    pub expires_at: Option<Timestamp>,
    /// When it was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// When it was cancelled or expired.
    pub ended_at: Option<Timestamp>,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// The event that made it.
    pub made_at: LogPosition,
    /// The last event of its partition that the read model had seen.
    pub as_of: LogPosition,
}

/// What all queries select; `b` is the booking, `c` the checkpoint of its partition.
pub(crate) const COLUMNS: &str = "b.booking_id, b.user_id, b.inventory_id, b.quantity, b.status, b.total_amount,
    b.currency, b.reserved_at, b.expires_at, b.confirmed_at, b.ended_at, b.reason, b.log_partition, b.position,
    c.position AS as_of";

impl Booking {
    pub(crate) fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let log_partition = row.try_get::<i16, _>("log_partition")?.cast_unsigned();
        let place =
            |column| Ok::<_, sqlx::Error>(LogPosition { log_partition, position: row.try_get(column)? });
        Ok(Self {
            booking_id: BookingId(row.try_get("booking_id")?),
            user_id: UserId(row.try_get("user_id")?),
            inventory_id: InventoryId(row.try_get("inventory_id")?),
            quantity: u32::try_from(row.try_get::<i32, _>("quantity")?)
                .map_err(|e: TryFromIntError| unreadable("quantity", e))?,
            status: status(row.try_get("status")?)?,
            total: Money {
                amount: row.try_get("total_amount")?,
                currency: currency(row.try_get("currency")?)?,
            },
            reserved_at: row.try_get("reserved_at")?,
            expires_at: row.try_get("expires_at")?,
            confirmed_at: row.try_get("confirmed_at")?,
            ended_at: row.try_get("ended_at")?,
            reason: row.try_get("reason")?,
            made_at: place("position")?,
            as_of: place("as_of")?,
        })
    }
}

fn status(word: &str) -> Result<BookingStatus, sqlx::Error> {
    use BookingStatus::{Cancelled, Confirmed, Expired, Held};
    [Held, Confirmed, Cancelled, Expired]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| unreadable("status", format!("there is no status {word}")))
}

fn currency(code: &str) -> Result<Currency, sqlx::Error> {
    Currency::from_code(code).ok_or_else(|| unreadable("currency", format!("there is no currency {code}")))
}

/// A value that no fold writes.
fn unreadable(column: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() }
}
