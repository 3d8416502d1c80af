//! A flight: who flies where, and when.
//!
//! Instants are UTC; the zones of both airports are kept with the flight, because its day, and the times
//! on a ticket, are those of the clocks there.

use crate::{AirplaneId, AirportId, InvalidField, Timestamp};
use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, TimeDelta};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Longest flight number and gate, in characters. Wider than an airline's own form: the clients of the
/// systems we replace name their flights as they like.
const CODE_CHARS_MAX: usize = 20;
/// Years that RFC 3339 can write.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// Whether RFC 3339 can write an instant as any clocks show it: none are a day from UTC.
#[must_use]
pub fn is_writable(at: Timestamp) -> bool {
    let a_day = TimeDelta::days(1);
    let edges = [at.checked_sub_signed(a_day), at.checked_add_signed(a_day)];
    edges.into_iter().all(|at| at.is_some_and(|at| YEARS.contains(&at.year())))
}

/// What the seats of a flight belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flight {
    /// What it is called, such as `LH123`; 1 to 20 characters.
    pub number: String,
    /// The airplane it flies with.
    pub airplane_id: AirplaneId,
    /// Where it leaves.
    pub departure_airport_id: AirportId,
    /// Where it lands.
    pub arrival_airport_id: AirportId,
    /// IANA zone of the departure airport, such as `Europe/Berlin`.
    pub departure_zone: String,
    /// IANA zone of the arrival airport.
    pub arrival_zone: String,
    /// When it leaves.
    pub departs_at: Timestamp,
    /// When it lands.
    pub arrives_at: Timestamp,
    /// Where passengers board, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
}

/// What may move about a flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// When it leaves.
    pub departs_at: Timestamp,
    /// When it lands.
    pub arrives_at: Timestamp,
    /// Where passengers board, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
}

/// An instant as the clocks of an IANA zone show it. None: there is no such zone.
#[must_use]
pub fn local_time(at: Timestamp, zone: &str) -> Option<DateTime<FixedOffset>> {
    chrono_tz::Tz::from_str(zone).ok().map(|zone| at.with_timezone(&zone).fixed_offset())
}

/// The day on which that instant falls where the clocks are those of the zone (UTC, if there is no such zone).
#[must_use]
pub fn local_day(at: Timestamp, zone: &str) -> NaiveDate {
    local_time(at, zone).map_or_else(|| at.date_naive(), |local| local.date_naive())
}

impl Flight {
    /// When and where it leaves, and when it lands.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule { departs_at: self.departs_at, arrives_at: self.arrives_at, gate: self.gate.clone() }
    }

    /// The day on which it leaves, by the clocks of its departure airport.
    #[must_use]
    pub fn departure_day(&self) -> NaiveDate {
        local_day(self.departs_at, &self.departure_zone)
    }

    /// Takes another schedule.
    pub fn reschedule(&mut self, Schedule { departs_at, arrives_at, gate }: Schedule) {
        (self.departs_at, self.arrives_at, self.gate) = (departs_at, arrives_at, gate);
    }

    pub(crate) fn check(&self) -> Result<(), InvalidField> {
        code("/number", &self.number)?;
        if self.departure_airport_id == self.arrival_airport_id {
            return Err(InvalidField::new(
                "/arrival_airport_id",
                "must be another than the departure airport",
            ));
        }
        zone("/departure_zone", &self.departure_zone)?;
        zone("/arrival_zone", &self.arrival_zone)?;
        self.schedule().check()
    }
}

impl Schedule {
    pub(crate) fn check(&self) -> Result<(), InvalidField> {
        for (pointer, at) in [("/departs_at", self.departs_at), ("/arrives_at", self.arrives_at)] {
            if !is_writable(at) {
                return Err(InvalidField::new(pointer, "must be in the years 1 to 9999 by all clocks"));
            }
        }
        if self.arrives_at <= self.departs_at {
            return Err(InvalidField::new("/arrives_at", "must be after the departure"));
        }
        self.gate.as_deref().map_or(Ok(()), |gate| code("/gate", gate))
    }
}

fn code(pointer: &'static str, code: &str) -> Result<(), InvalidField> {
    let chars = code.chars().count();
    if code.trim().is_empty() || chars > CODE_CHARS_MAX || code.contains(char::is_control) {
        return Err(InvalidField::new(
            pointer,
            format!("must be 1 to {CODE_CHARS_MAX} printable characters"),
        ));
    }
    Ok(())
}

pub(crate) fn zone(pointer: &'static str, zone: &str) -> Result<(), InvalidField> {
    match chrono_tz::Tz::from_str(zone) {
        Ok(_) => Ok(()),
        Err(_) => Err(InvalidField::new(pointer, "must be an IANA time zone, such as Europe/Berlin")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_day_of_a_departure_is_that_of_the_clocks_at_the_airport() {
        let departs_at = at("2031-03-01T23:30:00Z");
        let days = ["Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Nowhere/Else"];
        let days = days.map(|zone| local_day(departs_at, zone).to_string());
        assert_eq!(days, ["2031-03-02", "2031-03-01", "2031-03-02", "2031-03-01"]);
    }

    #[test]
    fn an_instant_is_written_with_four_digits_of_its_year_by_all_clocks() {
        assert!(is_writable(at("0001-01-02T00:00:00Z")) && is_writable(at("9999-12-30T23:59:59Z")));
        for beyond in ["0001-01-01T23:59:59Z", "9999-12-31T00:00:00Z", "+10000-06-01T00:00:00Z"] {
            assert!(!is_writable(at(beyond)), "{beyond}");
        }
    }

    /// The clocks of Berlin go from 02:00 to 03:00 in that night.
    #[test]
    fn a_local_time_has_the_offset_of_its_day() {
        let local = |text| local_time(at(text), "Europe/Berlin").unwrap().to_rfc3339();
        assert_eq!(local("2031-03-30T00:59:00Z"), "2031-03-30T01:59:00+01:00");
        assert_eq!(local("2031-03-30T01:00:00Z"), "2031-03-30T03:00:00+02:00");
    }
}
