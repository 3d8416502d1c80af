//! Places that people fly from and to: an airport, or all airports of a city.

use crate::{CatalogueError, cities::name_key};
use holdfast_domain::AirportId;
use sqlx::{PgExecutor, types::Uuid};

/// Most airports that a city stands for: bounds what one search looks for. The largest has about ten.
pub const AIRPORTS_OF_CITY_MAX: usize = 64;

/// How a place is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// By the id of an airport or a city.
    Id(Uuid),
    /// By the code of an airport or the name of a city, as [`name_key`] writes it; a code comes first.
    Word(String),
}

impl Place {
    /// The place that a word means, whatever its letters' case and blanks.
    #[must_use]
    pub fn word(text: &str) -> Self {
        Self::Word(name_key(text))
    }
}

/// The airports of a place, in the order of their ids; empty: a city without airports. More than
/// [`AIRPORTS_OF_CITY_MAX`] of them are more than a search may look for: one more is returned.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn airports_of(db: impl PgExecutor<'_>, place: &Place) -> Result<Vec<AirportId>, CatalogueError> {
    // One row more tells a city that has none from a place that is none.
    let sql = "WITH airport AS (SELECT airport_id FROM airports WHERE airport_id = $1 OR code = $2),
                    city AS (SELECT city_id FROM cities WHERE city_id = $1 OR name_key = $3)
               SELECT airport_id FROM airport
               UNION ALL (SELECT airport_id FROM airports JOIN city USING (city_id)
                   WHERE NOT EXISTS (SELECT FROM airport) ORDER BY airport_id LIMIT $4)
               UNION ALL SELECT NULL FROM city";
    let (id, word) = match place {
        Place::Id(id) => (Some(id), None),
        Place::Word(word) => (None, Some(word.as_str())),
    };
    let found: Vec<Option<Uuid>> = sqlx::query_scalar(sql)
        .bind(id)
        .bind(word.map(str::to_ascii_uppercase))
        .bind(word)
        .bind(i64::try_from(AIRPORTS_OF_CITY_MAX + 1).unwrap_or(i64::MAX))
        .fetch_all(db)
        .await?;
    if found.is_empty() {
        Err(CatalogueError::Unknown)
    } else {
        Ok(found.into_iter().flatten().map(AirportId).collect())
    }
}
