//! Cities. A city's name is unique, whatever its letters' case and blanks.

use crate::{
    CatalogueError, Command, Expected, LIMIT_MAX, Made,
    command::{COMMAND, Table, make},
    error::of_deleting,
};
use holdfast_domain::{CityId, Timestamp, comparison_key};
use sqlx::{FromRow, PgExecutor, PgPool, Row, postgres::PgRow};

/// Above every character that a name may begin with: ends the range of names with a common beginning.
const LAST_CHARACTER: char = char::MAX;

const TABLE: Table = Table {
    name: "cities",
    key: "city_id",
    sequence: "city_numbers",
    id: |number| Some(CityId::from_number(number)?.0),
};

/// A city.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct City {
    /// Names it for ever.
    pub city_id: CityId,
    /// What it is called.
    pub name: String,
    /// Grows with every edit.
    pub version: i64,
    /// Since when it is here.
    pub created_at: Timestamp,
    /// When it was edited last.
    pub updated_at: Timestamp,
}

impl City {
    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self) -> String {
        name_key(&self.name)
    }
}

impl FromRow<'_, PgRow> for City {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            city_id: CityId(row.try_get("city_id")?),
            name: row.try_get("name")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// What of a name is compared: "Paris" and " paris" are one city, whatever keyboard wrote them. Not Postgres's `lower`,
/// whose answer depends on how the database was made.
#[must_use]
pub fn name_key(name: &str) -> String {
    comparison_key(name).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Makes a city.
///
/// # Errors
/// `NameTaken`, `KeyReused`, or what failed.
pub async fn create(
    pool: &PgPool,
    name: &str,
    command: Option<Command>,
    now: Timestamp,
) -> Result<Made<City>, CatalogueError> {
    let sql = format!(
        "{COMMAND} INSERT INTO cities (city_id, name, name_key, created_at, updated_at)
         SELECT made_id, $4, $5, $6, $6 FROM command RETURNING *"
    );
    make(pool, TABLE, command, &sql, |query| query.bind(name).bind(name_key(name)).bind(now)).await
}

/// One city.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn find(db: impl PgExecutor<'_>, city: CityId) -> Result<City, CatalogueError> {
    let found = sqlx::query_as("SELECT * FROM cities WHERE city_id = $1").bind(city.0).fetch_optional(db);
    found.await?.ok_or(CatalogueError::Unknown)
}

/// The city of that name.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn find_by_name(db: impl PgExecutor<'_>, name: &str) -> Result<City, CatalogueError> {
    let sql = "SELECT * FROM cities WHERE name_key = $1";
    let found = sqlx::query_as(sql).bind(name_key(name)).fetch_optional(db);
    found.await?.ok_or(CatalogueError::Unknown)
}

/// Cities whose name begins with `prefix`, in the order of their names, after a place ([`City::place`]); at
/// most `limit`, and never more than [`LIMIT_MAX`].
///
/// # Errors
/// What failed.
pub async fn list(
    db: impl PgExecutor<'_>,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<City>, CatalogueError> {
    // The end of a name's beginning may be a blank: only its front is put in order.
    let first = comparison_key(prefix.trim_start());
    let sql = "SELECT * FROM cities WHERE name_key >= $1 AND name_key < $2 AND name_key > $3
               ORDER BY name_key LIMIT $4";
    let page = sqlx::query_as(sql)
        .bind(&first)
        .bind(format!("{first}{LAST_CHARACTER}"))
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit.min(LIMIT_MAX)));
    Ok(page.fetch_all(db).await?)
}

/// Gives a city another name.
///
/// # Errors
/// `Unknown`, `Changed`, `NameTaken`, or what failed.
pub async fn edit(
    pool: &PgPool,
    city: CityId,
    name: Option<&str>,
    expected: &Expected,
    now: Timestamp,
) -> Result<City, CatalogueError> {
    let sql = "UPDATE cities SET name = coalesce($2, name), name_key = coalesce($3, name_key),
                   version = version + 1, updated_at = $4
               WHERE city_id = $1 AND ($5::bigint[] IS NULL OR version = ANY($5)) RETURNING *";
    let edited = sqlx::query_as(sql)
        .bind(city.0)
        .bind(name)
        .bind(name.map(name_key))
        .bind(now)
        .bind(expected.versions())
        .fetch_optional(pool)
        .await?;
    match edited {
        Some(city) => Ok(city),
        None => find(pool, city).await.and(Err(CatalogueError::Changed)),
    }
}

/// Deletes a city.
///
/// # Errors
/// `Unknown`, `Changed`, `InUse` while it has airports, or what failed.
pub async fn delete(pool: &PgPool, city: CityId, expected: &Expected) -> Result<(), CatalogueError> {
    let sql = "DELETE FROM cities WHERE city_id = $1 AND ($2::bigint[] IS NULL OR version = ANY($2))";
    let deleted = sqlx::query(sql).bind(city.0).bind(expected.versions()).execute(pool).await;
    match deleted.map_err(of_deleting)?.rows_affected() {
        0 => find(pool, city).await.and(Err(CatalogueError::Changed)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_take_for_one_are_one() {
        let decomposed = "Sa\u{303}o Paulo";
        for name in ["São Paulo", "são paulo", "SÃO  PAULO", " São\tPaulo ", decomposed, "São\u{a0}Paulo"]
        {
            assert_eq!(name_key(name), "são paulo", "{name}");
        }
        assert_ne!(name_key("Sao Paulo"), name_key("São Paulo"));
    }
}
