//! Airports. An airport's code is unique; one that was made by a client that knows no codes has none.

use crate::{
    CatalogueError, Command, Expected, LIMIT_MAX, Made,
    command::{COMMAND, Table, make},
    error::of_deleting,
};
use holdfast_domain::{AirportId, CityId, Timestamp};
use sqlx::{FromRow, PgExecutor, PgPool, Row, postgres::PgRow};

const TABLE: Table = Table {
    name: "airports",
    key: "airport_id",
    sequence: "airport_numbers",
    id: |number| Some(AirportId::from_number(number)?.0),
};

/// An airport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Airport {
    /// Names it for ever.
    pub airport_id: AirportId,
    /// IATA code: three capital letters.
    pub code: Option<String>,
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub city_id: CityId,
    /// IANA time zone: the clocks its flights go by.
    pub zone: String,
    /// Where in the city.
    pub address: Option<String>,
    /// Grows with every edit.
    pub version: i64,
    /// Since when it is here.
    pub created_at: Timestamp,
    /// When it was edited last.
    pub updated_at: Timestamp,
}

impl FromRow<'_, PgRow> for Airport {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            airport_id: AirportId(row.try_get("airport_id")?),
            code: row.try_get("code")?,
            name: row.try_get("name")?,
            city_id: CityId(row.try_get("city_id")?),
            zone: row.try_get("zone")?,
            address: row.try_get("address")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// An airport that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewAirport<'a> {
    /// IATA code.
    pub code: Option<&'a str>,
    /// What it is called.
    pub name: &'a str,
    /// Where it is.
    pub city_id: CityId,
    /// IANA time zone.
    pub zone: &'a str,
    /// Where in the city.
    pub address: Option<&'a str>,
}

/// A change of an airport: what is none stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct AirportChange<'a> {
    /// Another code.
    pub code: Option<&'a str>,
    /// Another name.
    pub name: Option<&'a str>,
    /// Another city.
    pub city_id: Option<CityId>,
    /// Another zone: flights that are open keep theirs.
    pub zone: Option<&'a str>,
    /// Another address, or none any more.
    pub address: Option<Option<&'a str>>,
}

/// Which airports are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which<'a> {
    /// Only those of this city.
    pub city_id: Option<CityId>,
    /// Only that with this code.
    pub code: Option<&'a str>,
}

/// Makes an airport.
///
/// # Errors
/// `CodeTaken`, `NoParent` if there is no such city, `KeyReused`, or what failed.
pub async fn create(
    pool: &PgPool,
    new: NewAirport<'_>,
    command: Option<Command>,
    now: Timestamp,
) -> Result<Made<Airport>, CatalogueError> {
    let sql = format!(
        "{COMMAND} INSERT INTO airports (airport_id, code, name, city_id, zone, address, created_at, updated_at)
         SELECT made_id, $4, $5, $6, $7, $8, $9, $9 FROM command RETURNING *"
    );
    let NewAirport { code, name, city_id, zone, address } = new;
    make(pool, TABLE, command, &sql, |query| {
        query.bind(code).bind(name).bind(city_id.0).bind(zone).bind(address).bind(now)
    })
    .await
}

/// One airport.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn find(db: impl PgExecutor<'_>, airport: AirportId) -> Result<Airport, CatalogueError> {
    let sql = "SELECT * FROM airports WHERE airport_id = $1";
    let found = sqlx::query_as(sql).bind(airport.0).fetch_optional(db);
    found.await?.ok_or(CatalogueError::Unknown)
}

/// Airports after one, in the order in which they were made; at most `limit`, and never more than [`LIMIT_MAX`].
///
/// # Errors
/// What failed.
pub async fn list(
    db: impl PgExecutor<'_>,
    which: Which<'_>,
    after: Option<AirportId>,
    limit: u32,
) -> Result<Vec<Airport>, CatalogueError> {
    // Only what is asked for stands in the statement, so that its index can serve it.
    let of_city = if which.city_id.is_some() { "AND city_id = $2" } else { "AND $2::uuid IS NULL" };
    let of_code = if which.code.is_some() { "AND code = $3" } else { "AND $3::text IS NULL" };
    let sql = format!(
        "SELECT * FROM airports WHERE airport_id > $1 {of_city} {of_code} ORDER BY airport_id LIMIT $4"
    );
    let page = sqlx::query_as(&sql)
        .bind(after.unwrap_or_default().0)
        .bind(which.city_id.map(|city| city.0))
        .bind(which.code)
        .bind(i64::from(limit.min(LIMIT_MAX)));
    Ok(page.fetch_all(db).await?)
}

/// Changes an airport.
///
/// # Errors
/// `Unknown`, `Changed`, `CodeTaken`, `NoParent` if there is no such city, or what failed.
pub async fn edit(
    pool: &PgPool,
    airport: AirportId,
    change: AirportChange<'_>,
    expected: &Expected,
    now: Timestamp,
) -> Result<Airport, CatalogueError> {
    let sql = "UPDATE airports SET code = coalesce($2, code), name = coalesce($3, name),
                   city_id = coalesce($4, city_id), zone = coalesce($5, zone),
                   address = CASE WHEN $6 THEN $7 ELSE address END, version = version + 1, updated_at = $8
               WHERE airport_id = $1 AND ($9::bigint[] IS NULL OR version = ANY($9)) RETURNING *";
    let edited = sqlx::query_as(sql)
        .bind(airport.0)
        .bind(change.code)
        .bind(change.name)
        .bind(change.city_id.map(|city| city.0))
        .bind(change.zone)
        .bind(change.address.is_some())
        .bind(change.address.flatten())
        .bind(now)
        .bind(expected.versions())
        .fetch_optional(pool)
        .await?;
    match edited {
        Some(airport) => Ok(airport),
        None => find(pool, airport).await.and(Err(CatalogueError::Changed)),
    }
}

/// Deletes an airport.
///
/// # Errors
/// `Unknown`, `Changed`, `InUse` while it has flights, or what failed.
pub async fn delete(pool: &PgPool, airport: AirportId, expected: &Expected) -> Result<(), CatalogueError> {
    let sql = "DELETE FROM airports WHERE airport_id = $1 AND ($2::bigint[] IS NULL OR version = ANY($2))";
    let deleted = sqlx::query(sql).bind(airport.0).bind(expected.versions()).execute(pool).await;
    match deleted.map_err(of_deleting)?.rows_affected() {
        0 => find(pool, airport).await.and(Err(CatalogueError::Changed)),
        _ => Ok(()),
    }
}
