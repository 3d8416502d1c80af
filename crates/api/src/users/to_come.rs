//! Live bookings of an account whose flight or show has not begun, from the read models.

use holdfast_booking_history::{Booking, HISTORY_LIMIT_MAX, page};
use holdfast_domain::{BookingStatus, InventoryId, Timestamp, UserId};
use sqlx::PgPool;
use std::collections::HashMap;

/// Bookings of one account that are found at one look: bounds what one look costs.
pub const BOOKINGS_TO_COME_MAX: usize = 1_000;

/// The live bookings of a user whose flight or show has not begun, at most [`BOOKINGS_TO_COME_MAX`].
///
/// # Errors
/// If the read models cannot be read.
pub async fn bookings_to_come(
    pool: &PgPool,
    user_id: UserId,
    now: Timestamp,
) -> Result<Vec<Booking>, sqlx::Error> {
    let (mut found, mut begun) = (vec![], HashMap::new());
    for status in [BookingStatus::Held, BookingStatus::Confirmed] {
        let mut after = None;
        loop {
            let bookings = page(pool, user_id, Some(status), after, HISTORY_LIMIT_MAX).await?;
            let Some(last) = bookings.last() else { break };
            after = Some(last.after());
            for booking in bookings {
                if !has_begun(pool, booking.inventory_id, now, &mut begun).await? {
                    found.push(booking);
                }
                if found.len() == BOOKINGS_TO_COME_MAX {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

/// Whether the flight has departed or the show has begun; an inventory that the read model does not know has not.
async fn has_begun(
    pool: &PgPool,
    id: InventoryId,
    now: Timestamp,
    known: &mut HashMap<InventoryId, bool>,
) -> Result<bool, sqlx::Error> {
    if let Some(begun) = known.get(&id) {
        return Ok(*begun);
    }
    let row = holdfast_availability::find(pool, id).await?;
    let begun = row.and_then(|row| row.subject.begins_at()).is_some_and(|at| at <= now);
    known.insert(id, begun);
    Ok(begun)
}
