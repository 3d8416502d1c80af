//! Cities: anybody reads them, admins write them.

mod create;
mod delete;
mod edit;
mod get;
mod list;

pub(crate) use create::{__path_create_city, create_city};
pub(crate) use delete::{__path_delete_city, delete_city};
pub(crate) use edit::{__path_edit_city, edit_city};
pub(crate) use get::{__path_get_city, get_city};
pub(crate) use list::{__path_list_cities, list_cities};

use crate::{form::Line, view::Versioned};
use chrono::{DateTime, Utc};
use holdfast_catalogue::City;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// What a city is called.
type Name = Line<1, 200>;

/// A city.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = City)]
pub(crate) struct CityView {
    /// Names it for ever.
    id: Uuid,
    /// What it is called; no other city is called so, whatever its letters' case.
    #[schema(example = "Berlin")]
    name: String,
    /// Since when it is here.
    created_at: DateTime<Utc>,
    /// When it was edited last.
    updated_at: DateTime<Utc>,
}

impl From<City> for CityView {
    fn from(city: City) -> Self {
        Self { id: city.city_id.0, name: city.name, created_at: city.created_at, updated_at: city.updated_at }
    }
}

impl From<City> for Versioned<CityView> {
    fn from(city: City) -> Self {
        Self { made_at: None, replayed: false, version: city.version, body: city.into() }
    }
}
