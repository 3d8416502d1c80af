//! Airplanes: anybody reads them, admins write them.

mod create;
mod delete;
mod edit;
mod get;
mod list;

pub(crate) use create::{__path_create_airplane, create_airplane};
pub(crate) use delete::{__path_delete_airplane, delete_airplane};
pub(crate) use edit::{__path_edit_airplane, edit_airplane};
pub(crate) use get::{__path_get_airplane, get_airplane};
pub(crate) use list::{__path_list_airplanes, list_airplanes};

use crate::{
    form::{Line, Whole},
    view::Versioned,
};
use chrono::{DateTime, Utc};
use holdfast_catalogue::Airplane;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// An airplane's type.
type Model = Line<1, 100>;
/// Seats of an airplane: at least one, and as many as the rules let an inventory have.
type Capacity = Whole<1, 10_000_000>;

/// An airplane.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Airplane)]
pub(crate) struct AirplaneView {
    /// Names it for ever.
    id: Uuid,
    /// Its type.
    #[schema(example = "A320neo")]
    model: String,
    /// Seats of a flight, unless the flight says otherwise.
    #[schema(example = 180)]
    capacity: u32,
    /// Since when it is here.
    created_at: DateTime<Utc>,
    /// When it was edited last.
    updated_at: DateTime<Utc>,
}

impl From<Airplane> for AirplaneView {
    fn from(airplane: Airplane) -> Self {
        Self {
            id: airplane.airplane_id.0,
            model: airplane.model,
            capacity: airplane.capacity,
            created_at: airplane.created_at,
            updated_at: airplane.updated_at,
        }
    }
}

impl From<Airplane> for Versioned<AirplaneView> {
    fn from(airplane: Airplane) -> Self {
        Self { made_at: None, replayed: false, version: airplane.version, body: airplane.into() }
    }
}
