//! Airplanes. Two of one model are normal, so nothing of an airplane but its id is unique.

use crate::{
    CatalogueError, Command, Expected, LIMIT_MAX, Made,
    command::{COMMAND, Table, make},
    error::of_deleting,
};
use holdfast_domain::{AirplaneId, Timestamp};
use sqlx::{FromRow, PgExecutor, PgPool, Row, postgres::PgRow};

const TABLE: Table = Table {
    name: "airplanes",
    key: "airplane_id",
    sequence: "airplane_numbers",
    id: |number| Some(AirplaneId::from_number(number)?.0),
};

/// An airplane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Airplane {
    /// Names it for ever.
    pub airplane_id: AirplaneId,
    /// Its type.
    pub model: String,
    /// Seats of a flight, unless the flight says otherwise.
    pub capacity: u32,
    /// Grows with every edit.
    pub version: i64,
    /// Since when it is here.
    pub created_at: Timestamp,
    /// When it was edited last.
    pub updated_at: Timestamp,
}

impl FromRow<'_, PgRow> for Airplane {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let capacity: i32 = row.try_get("capacity")?;
        Ok(Self {
            airplane_id: AirplaneId(row.try_get("airplane_id")?),
            model: row.try_get("model")?,
            capacity: capacity.try_into().map_err(|error| sqlx::Error::ColumnDecode {
                index: "capacity".to_owned(),
                source: Box::new(error),
            })?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// An airplane that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewAirplane<'a> {
    /// Its type.
    pub model: &'a str,
    /// Seats of a flight.
    pub capacity: u32,
}

/// A change of an airplane: what is none stays. Flights that are open keep their capacity.
#[derive(Clone, Copy, Debug, Default)]
pub struct AirplaneChange<'a> {
    /// Another type.
    pub model: Option<&'a str>,
    /// Another number of seats.
    pub capacity: Option<u32>,
}

/// Makes an airplane.
///
/// # Errors
/// `KeyReused`, or what failed.
pub async fn create(
    pool: &PgPool,
    new: NewAirplane<'_>,
    command: Option<Command>,
    now: Timestamp,
) -> Result<Made<Airplane>, CatalogueError> {
    let sql = format!(
        "{COMMAND} INSERT INTO airplanes (airplane_id, model, capacity, created_at, updated_at)
         SELECT made_id, $4, $5, $6, $6 FROM command RETURNING *"
    );
    let NewAirplane { model, capacity } = new;
    make(pool, TABLE, command, &sql, |query| query.bind(model).bind(i64::from(capacity)).bind(now)).await
}

/// One airplane.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn find(db: impl PgExecutor<'_>, airplane: AirplaneId) -> Result<Airplane, CatalogueError> {
    let sql = "SELECT * FROM airplanes WHERE airplane_id = $1";
    let found = sqlx::query_as(sql).bind(airplane.0).fetch_optional(db);
    found.await?.ok_or(CatalogueError::Unknown)
}

/// Airplanes after one, in the order in which they were made; at most `limit`, and never more than [`LIMIT_MAX`].
///
/// # Errors
/// What failed.
pub async fn list(
    db: impl PgExecutor<'_>,
    after: Option<AirplaneId>,
    limit: u32,
) -> Result<Vec<Airplane>, CatalogueError> {
    let sql = "SELECT * FROM airplanes WHERE airplane_id > $1 ORDER BY airplane_id LIMIT $2";
    let page = sqlx::query_as(sql).bind(after.unwrap_or_default().0).bind(i64::from(limit.min(LIMIT_MAX)));
    Ok(page.fetch_all(db).await?)
}

/// Changes an airplane.
///
/// # Errors
/// `Unknown`, `Changed`, or what failed.
pub async fn edit(
    pool: &PgPool,
    airplane: AirplaneId,
    change: AirplaneChange<'_>,
    expected: &Expected,
    now: Timestamp,
) -> Result<Airplane, CatalogueError> {
    let sql = "UPDATE airplanes SET model = coalesce($2, model), capacity = coalesce($3, capacity),
                   version = version + 1, updated_at = $4
               WHERE airplane_id = $1 AND ($5::bigint[] IS NULL OR version = ANY($5)) RETURNING *";
    let edited = sqlx::query_as(sql)
        .bind(airplane.0)
        .bind(change.model)
        .bind(change.capacity.map(i64::from))
        .bind(now)
        .bind(expected.versions())
        .fetch_optional(pool)
        .await?;
    match edited {
        Some(airplane) => Ok(airplane),
        None => find(pool, airplane).await.and(Err(CatalogueError::Changed)),
    }
}

/// Deletes an airplane.
///
/// # Errors
/// `Unknown`, `Changed`, `InUse` while it has flights, or what failed.
pub async fn delete(pool: &PgPool, airplane: AirplaneId, expected: &Expected) -> Result<(), CatalogueError> {
    let sql = "DELETE FROM airplanes WHERE airplane_id = $1 AND ($2::bigint[] IS NULL OR version = ANY($2))";
    let deleted = sqlx::query(sql).bind(airplane.0).bind(expected.versions()).execute(pool).await;
    match deleted.map_err(of_deleting)?.rows_affected() {
        0 => find(pool, airplane).await.and(Err(CatalogueError::Changed)),
        _ => Ok(()),
    }
}
