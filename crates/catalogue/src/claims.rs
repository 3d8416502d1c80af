//! Claims: which flight has a number on a day.
//!
//! A claim is taken before the event that opens or moves a flight, and given up after the event that frees it. Whoever dies
//! in between leaves a claim that says something else than the log. The log is the truth, so such a claim is void; but
//! only once it is [`FRESH_SECONDS`] old, because the event that makes it true may be on its way.
//! Not here: what the log says of a flight (`api::flights` asks the writer).

use crate::CatalogueError;
use chrono::{NaiveDate, TimeDelta};
use holdfast_domain::{Flight, InventoryId, Timestamp};
use sqlx::{PgExecutor, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// How long the event behind a claim may take: far longer than a command waits for its answer.
pub const FRESH_SECONDS: i64 = 60;

/// What is claimed, for whom.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The flight as it is to be: its number, its day, and what it needs of the catalogue.
    pub flight: &'a Flight,
    /// Of the flight.
    pub inventory_id: InventoryId,
    /// The request that claims.
    pub command_id: Uuid,
}

/// What came of claiming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The flight has it: that of the claim, or the one for which the same request took it before.
    Ours {
        /// The flight.
        inventory_id: InventoryId,
        /// It did not have it before.
        is_new: bool,
    },
    /// Another has it.
    Theirs(Holder),
}

/// Who has what was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The flight.
    pub inventory_id: InventoryId,
    /// The request that took it.
    command_id: Uuid,
    /// The event behind it may be on its way.
    pub is_fresh: bool,
}

impl Claim<'_> {
    fn day(&self) -> NaiveDate {
        self.flight.departure_day()
    }
}

/// Claims number and day.
///
/// # Errors
/// `NoParent` if airplane or airport are gone, or what failed.
pub async fn claim(pool: &PgPool, claim: &Claim<'_>, now: Timestamp) -> Result<Claimed, CatalogueError> {
    // xmax is 0 in a row that was inserted, and not in one that was found.
    let ours = sqlx::query(
        "INSERT INTO flight_claims AS c (number, departure_day, inventory_id, command_id, claimed_at, airplane_id,
                                         departure_airport_id, arrival_airport_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (number, departure_day) DO UPDATE SET claimed_at = excluded.claimed_at
             WHERE c.command_id = excluded.command_id OR c.inventory_id = excluded.inventory_id
         RETURNING inventory_id, xmax = 0 AS is_new",
    )
    .bind(&claim.flight.number)
    .bind(claim.day())
    .bind(claim.inventory_id.0)
    .bind(claim.command_id)
    .bind(now)
    .bind(claim.flight.airplane_id.0)
    .bind(claim.flight.departure_airport_id.0)
    .bind(claim.flight.arrival_airport_id.0)
    .fetch_optional(pool)
    .await?;
    if let Some(row) = ours {
        let inventory_id = InventoryId(row.try_get("inventory_id")?);
        return Ok(Claimed::Ours { inventory_id, is_new: row.try_get("is_new")? });
    }
    let theirs = sqlx::query(
        "SELECT inventory_id, command_id, claimed_at FROM flight_claims WHERE number = $1 AND departure_day = $2",
    )
    .bind(&claim.flight.number)
    .bind(claim.day())
    .try_map(|row: PgRow| {
        Ok(Holder {
            inventory_id: InventoryId(row.try_get("inventory_id")?),
            command_id: row.try_get("command_id")?,
            is_fresh: now - row.try_get::<Timestamp, _>("claimed_at")? < TimeDelta::seconds(FRESH_SECONDS),
        })
    })
    .fetch_optional(pool)
    .await?;
    // It was given up in this moment: whoever asks again gets it.
    let nobody = Holder { inventory_id: claim.inventory_id, command_id: claim.command_id, is_fresh: true };
    Ok(Claimed::Theirs(theirs.unwrap_or(nobody)))
}

/// Takes what `holder` has, whose claim is void. False: somebody else was faster, or it has relied on it since.
///
/// # Errors
/// `NoParent` if airplane or airport are gone, or what failed.
pub async fn take(
    db: impl PgExecutor<'_>,
    claim: &Claim<'_>,
    holder: &Holder,
    now: Timestamp,
) -> Result<bool, CatalogueError> {
    let taken = sqlx::query(
        "UPDATE flight_claims SET inventory_id = $3, command_id = $4, claimed_at = $5, airplane_id = $6,
                departure_airport_id = $7, arrival_airport_id = $8
         WHERE number = $1 AND departure_day = $2 AND inventory_id = $9 AND command_id = $10 AND claimed_at <= $11",
    )
    .bind(&claim.flight.number)
    .bind(claim.day())
    .bind(claim.inventory_id.0)
    .bind(claim.command_id)
    .bind(now)
    .bind(claim.flight.airplane_id.0)
    .bind(claim.flight.departure_airport_id.0)
    .bind(claim.flight.arrival_airport_id.0)
    .bind(holder.inventory_id.0)
    .bind(holder.command_id)
    .bind(now - TimeDelta::seconds(FRESH_SECONDS))
    .execute(db)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Gives up a flight's number on a day.
///
/// # Errors
/// What failed.
pub async fn give_up(
    db: impl PgExecutor<'_>,
    inventory_id: InventoryId,
    number: &str,
    day: NaiveDate,
) -> Result<(), CatalogueError> {
    let sql = "DELETE FROM flight_claims WHERE number = $1 AND departure_day = $2 AND inventory_id = $3";
    sqlx::query(sql).bind(number).bind(day).bind(inventory_id.0).execute(db).await?;
    Ok(())
}

/// Gives up all that a flight has.
///
/// # Errors
/// What failed.
pub async fn give_up_all(db: impl PgExecutor<'_>, inventory_id: InventoryId) -> Result<(), CatalogueError> {
    sqlx::query("DELETE FROM flight_claims WHERE inventory_id = $1").bind(inventory_id.0).execute(db).await?;
    Ok(())
}
