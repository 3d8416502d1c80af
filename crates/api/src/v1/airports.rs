//! Airports: anybody reads them, admins write them.

mod create;
mod delete;
mod edit;
mod get;
mod list;

pub(crate) use create::{__path_create_airport, create_airport};
pub(crate) use delete::{__path_delete_airport, delete_airport};
pub(crate) use edit::{__path_edit_airport, edit_airport};
pub(crate) use get::{__path_get_airport, get_airport};
pub(crate) use list::{__path_list_airports, list_airports};

use crate::{form::Line, view::Versioned};
use chrono::{DateTime, Utc};
use holdfast_catalogue::Airport;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// What an airport is called.
type Name = Line<1, 200>;
/// Where it is in its city.
type Address = Line<1, 500>;

/// An airport.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Airport)]
pub(crate) struct AirportView {
    /// Names it for ever.
    id: Uuid,
    /// IATA code; null: it was made by a client that knows no codes.
    #[schema(example = "BER")]
    code: Option<String>,
    /// What it is called.
    #[schema(example = "Berlin Brandenburg")]
    name: String,
    /// Where it is.
    city_id: Uuid,
    /// IANA time zone: the clocks its flights go by.
    #[schema(example = "Europe/Berlin")]
    zone: String,
    /// Where in the city.
    address: Option<String>,
    /// Since when it is here.
    created_at: DateTime<Utc>,
    /// When it was edited last.
    updated_at: DateTime<Utc>,
}

impl From<Airport> for AirportView {
    fn from(airport: Airport) -> Self {
        Self {
            id: airport.airport_id.0,
            code: airport.code,
            name: airport.name,
            city_id: airport.city_id.0,
            zone: airport.zone,
            address: airport.address,
            created_at: airport.created_at,
            updated_at: airport.updated_at,
        }
    }
}

impl From<Airport> for Versioned<AirportView> {
    fn from(airport: Airport) -> Self {
        Self { made_at: None, replayed: false, version: airport.version, body: airport.into() }
    }
}
