//! Why something was not done, on its way into an envelope: a status that says it, and a sentence for people.
//!
//! Airbourne answered 500 to nearly everything, with SQL, hashes and stack traces. Here the status is the one that is right,
//! and the sentence is that of the native API, with Airbourne's names of fields: nothing of it comes from inside.

use crate::{extract::Nobody, problem::Problem};
use axum::http::StatusCode;
use holdfast_writer::ExecuteError;

/// Fields by our names, and by Airbourne's.
const FIELDS: [(&str, &str); 13] = [
    ("airplane_id", "airplaneId"),
    ("arrival_airport_id", "arrivalAirportId"),
    ("arrives_at", "arrivalTime"),
    ("city_id", "cityId"),
    ("departs_at", "departureTime"),
    ("departure_airport_id", "departureAirportID"),
    ("gate", "boardingGate"),
    ("model", "modelNumber"),
    ("number", "flightNumber"),
    ("price/amount", "price"),
    ("price/currency", "price"),
    ("quantity", "NoOfSeats"),
    ("remind_at", "notificationTime"),
];

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// When to come again, where that is known.
    pub(crate) retry_after_seconds: Option<u32>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after_seconds: None }
    }

    /// A field that is not what it must be.
    pub(crate) fn field(name: &str, must_be: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{name} {must_be}"))
    }

    /// There is no such thing.
    pub(crate) fn unknown(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }
}

/// Airbourne's name of a field.
pub(super) fn theirs(ours: &str) -> &str {
    FIELDS.iter().find(|(name, _)| *name == ours).map_or(ours, |(_, theirs)| theirs)
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let retry_after_seconds = problem.retry_after_seconds();
        Self { status: problem.code().status(), text: problem.sentence(theirs), retry_after_seconds }
    }
}

impl From<Nobody> for Refusal {
    fn from(nobody: Nobody) -> Self {
        Problem::from(nobody).into()
    }
}

impl From<ExecuteError> for Refusal {
    fn from(error: ExecuteError) -> Self {
        Problem::from(error).into()
    }
}
