//! What is asked of the read model. Every query names its schema, so it goes on working when a rebuilt
//! read model takes the place of this one.

use crate::{InventoryRow, row::COLUMNS, tables::NOT_CANCELLED};
use holdfast_domain::{AirportId, InventoryId};
use sqlx::{PgExecutor, postgres::PgRow, types::Uuid};

/// One inventory.
///
/// # Errors
/// Whatever Postgres says.
pub async fn find(db: impl PgExecutor<'_>, id: InventoryId) -> Result<Option<InventoryRow>, sqlx::Error> {
    sqlx::query(&format!(
        "SELECT {COLUMNS} FROM availability.inventories i JOIN availability.checkpoints c USING (log_partition)
         WHERE i.inventory_id = $1"
    ))
    .bind(id.0)
    .try_map(|row: PgRow| InventoryRow::from_row(&row))
    .fetch_optional(db)
    .await
}

/// Cancelled flights and shows whose bookings have not all ended: a hint for whoever ends them, who decides on their
/// own knowledge.
///
/// # Errors
/// Whatever Postgres says.
pub async fn ending_inventories(
    db: impl PgExecutor<'_>,
    limit: u32,
) -> Result<Vec<InventoryId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT inventory_id FROM availability.inventories i
         WHERE is_ending
         -- Those whose events are set aside stay here, and must not keep the others from their turn.
         ORDER BY EXISTS (SELECT FROM availability.parked p WHERE p.stream = i.inventory_id::text), inventory_id
         LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(InventoryId).collect())
}

/// Which flights: those that meet all that is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlightsFilter {
    /// Where they leave.
    pub departure_airport_id: Option<AirportId>,
    /// Where they land.
    pub arrival_airport_id: Option<AirportId>,
    /// What a seat costs at least, in minor units.
    pub min_price: Option<i64>,
    /// What it costs at most.
    pub max_price: Option<i64>,
}

/// Flights that are not cancelled, in the order of their ids, at most `limit`.
///
/// # Errors
/// Whatever Postgres says.
pub async fn flights(
    db: impl PgExecutor<'_>,
    filter: FlightsFilter,
    after: Option<InventoryId>,
    limit: u32,
) -> Result<Vec<InventoryRow>, sqlx::Error> {
    // Only what is asked for stands in the statement, so that an index can serve it.
    let condition = |is_there: bool, condition: &'static str, without: &'static str| {
        if is_there { condition } else { without }
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM availability.inventories i JOIN availability.checkpoints c USING (log_partition)
         WHERE {NOT_CANCELLED} AND i.inventory_id > $1 {} {} {} {}
         ORDER BY i.inventory_id LIMIT $2",
        condition(filter.departure_airport_id.is_some(), "AND i.departure_airport_id = $3", "AND $3::uuid IS NULL"),
        condition(filter.arrival_airport_id.is_some(), "AND i.arrival_airport_id = $4", "AND $4::uuid IS NULL"),
        condition(filter.min_price.is_some(), "AND i.price_amount >= $5", "AND $5::bigint IS NULL"),
        condition(filter.max_price.is_some(), "AND i.price_amount <= $6", "AND $6::bigint IS NULL"),
    );
    sqlx::query(&sql)
        .bind(after.unwrap_or_default().0)
        .bind(i64::from(limit))
        .bind(filter.departure_airport_id.map(|id| id.0))
        .bind(filter.arrival_airport_id.map(|id| id.0))
        .bind(filter.min_price)
        .bind(filter.max_price)
        .try_map(|row: PgRow| InventoryRow::from_row(&row))
        .fetch_all(db)
        .await
}
