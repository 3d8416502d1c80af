//! A show's times: when it begins, by whose clocks, and when its sale ends.

use crate::{InvalidField, Timestamp, flight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may move about a show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShowSchedule {
    /// When it begins, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Timestamp>,
    /// IANA zone of the venue, such as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// When its sale ends: at the start or before it; missing: it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_end_at: Option<Timestamp>,
}

impl ShowSchedule {
    /// The zone exists, and the sale ends before or at the start.
    pub(crate) fn check(&self) -> Result<(), InvalidField> {
        self.zone.as_deref().map_or(Ok(()), |zone| flight::zone("/zone", zone))?;
        for (pointer, at) in [("/starts_at", self.starts_at), ("/sales_end_at", self.sales_end_at)] {
            if at.is_some_and(|at| !flight::is_writable(at)) {
                return Err(InvalidField::new(pointer, "must be in the years 1 to 9999 by all clocks"));
            }
        }
        match (self.starts_at, self.sales_end_at) {
            (Some(start), Some(end)) if end > start => {
                Err(InvalidField::new("/sales_end_at", "must not be after the start"))
            }
            _ => Ok(()),
        }
    }
}
