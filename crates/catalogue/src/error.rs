//! Why something of the catalogue was not made, changed or deleted.

use sqlx::error::{DatabaseError, ErrorKind};

/// What a thing of the catalogue needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The city of an airport.
    City,
    /// The airplane of a flight.
    Airplane,
    /// Where a flight leaves.
    DepartureAirport,
    /// Where it lands.
    ArrivalAirport,
}

impl Parent {
    /// The word used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::City => "city",
            Self::Airplane => "airplane",
            Self::DepartureAirport | Self::ArrivalAirport => "airport",
        }
    }
}

/// What keeps a thing of the catalogue from being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependants {
    /// Airports of a city.
    Airports,
    /// Flights of an airport or airplane.
    Flights,
}

impl Dependants {
    /// The word used in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Airports => "airports",
            Self::Flights => "flights",
        }
    }

    /// Whose rows refer to it, by their table's name. All but airports are of flights.
    fn of(table: Option<&str>) -> Self {
        if table == Some("airports") { Self::Airports } else { Self::Flights }
    }
}

/// Why something of the catalogue was not made, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// There is none.
    #[error("there is no such thing")]
    Unknown,
    /// A city has this name already.
    #[error("a city has this name already")]
    NameTaken,
    /// An airport has this code already.
    #[error("an airport has this code already")]
    CodeTaken,
    /// What it refers to is not there.
    #[error("names none: there is no such {}", .0.as_str())]
    NoParent(Parent),
    /// Something depends on it.
    #[error("there are {} that depend on it", .0.as_str())]
    InUse(Dependants),
    /// It has changed since it was read.
    #[error("it has changed since it was read")]
    Changed,
    /// Another thing was made with this key, or what was made has been deleted.
    #[error("the key was used for another request, or what it made was deleted")]
    KeyReused,
    /// All numbers have been given.
    #[error("all numbers have been given")]
    NumbersExhausted,
    /// Postgres did not do it.
    #[error("the catalogue could not be read or written")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for CatalogueError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(refusal) {
            Some(refusal) => refusal,
            None => Self::Database(error),
        }
    }
}

/// What a violated constraint means to whoever made or changed something.
fn refusal(error: &dyn DatabaseError) -> Option<CatalogueError> {
    match (error.kind(), error.constraint()?) {
        (ErrorKind::UniqueViolation, "cities_name_key") => Some(CatalogueError::NameTaken),
        (ErrorKind::UniqueViolation, "airports_code_key") => Some(CatalogueError::CodeTaken),
        (ErrorKind::ForeignKeyViolation, "airports_city_id_fkey") => {
            Some(CatalogueError::NoParent(Parent::City))
        }
        (ErrorKind::ForeignKeyViolation, "flight_claims_airplane_id_fkey") => {
            Some(CatalogueError::NoParent(Parent::Airplane))
        }
        (ErrorKind::ForeignKeyViolation, "flight_claims_departure_airport_id_fkey") => {
            Some(CatalogueError::NoParent(Parent::DepartureAirport))
        }
        (ErrorKind::ForeignKeyViolation, "flight_claims_arrival_airport_id_fkey") => {
            Some(CatalogueError::NoParent(Parent::ArrivalAirport))
        }
        _ => None,
    }
}

/// The same for whoever deleted something: there, a violated reference means that somebody has it.
pub(crate) fn of_deleting(error: sqlx::Error) -> CatalogueError {
    match error.as_database_error() {
        Some(answer) if answer.kind() == ErrorKind::ForeignKeyViolation => {
            CatalogueError::InUse(Dependants::of(answer.table()))
        }
        _ => CatalogueError::Database(error),
    }
}
