//! Times as Airbourne's clients write them.
//!
//! Its load scripts make them by pasting numbers together: hours of one digit (`T9:00:00Z`), and hours beyond 23
//! (`T25:00:00Z`), which are meant as those of the next day. Its own server refused about half of these and its clients went on
//! without a flight. Here alone they are taken; the native API wants RFC 3339.

use chrono::{NaiveDate, SecondsFormat, TimeDelta};
use holdfast_domain::{Timestamp, is_writable};

/// What is answered to a text that is no time.
pub(crate) const MUST_BE: &str =
    "must be a date and time, such as 2027-06-01T19:30:00Z, in the years 1 to 9999 by all clocks";

/// Hours are of two digits at most: four days beyond the date.
const HOUR_MAX: u32 = 99;
/// Seconds of an offset, less than a day.
const OFFSET_SECONDS_MAX: i64 = 24 * 60 * 60;

/// Reads `YEAR-MONTH-DAY`, `T` or a blank, `HOUR:MINUTE[:SECOND[.FRACTION]]`, and `Z`, an offset or nothing, which is UTC; or a
/// day alone, which is its beginning.
pub(crate) fn lenient(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.trim().split_once(['T', 't', ' ']).unwrap_or((text.trim(), "0:00"));
    let mut parts = day.split('-');
    let (year, month, of_month) = (parts.next()?, parts.next()?, parts.next()?);
    let whole_day = parts.next().is_none() && year.len() == 4;
    let day = NaiveDate::from_ymd_opt(digits(year)?.cast_signed(), digits(month)?, digits(of_month)?)?;
    let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
    let (clock, offset) = split_offset(clock.trim())?;
    let at = midnight.checked_add_signed(since_midnight(clock)?)?.checked_sub_signed(offset)?;
    let at = Timestamp::from_timestamp_micros(at.timestamp_micros())?;
    (whole_day && is_writable(at)).then_some(at)
}

/// Writes a time as its clients read it, in milliseconds.
pub(crate) fn written(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn since_midnight(clock: &str) -> Option<TimeDelta> {
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    if parts.next().is_some() || hour > HOUR_MAX || minute > 59 || second > 59 {
        return None;
    }
    let nanoseconds = format!("{:0<9.9}", fraction).parse::<u32>().ok()?;
    let whole = TimeDelta::seconds(i64::from(hour * 3600 + minute * 60 + second));
    whole.checked_add(&TimeDelta::nanoseconds(i64::from(nanoseconds)))
}

/// The clock, and by how much it is ahead of UTC.
fn split_offset(text: &str) -> Option<(&str, TimeDelta)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, TimeDelta::zero()));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, TimeDelta::zero())) };
    let (clock, offset) = text.split_at(at);
    let ahead = if offset.starts_with('+') { 1 } else { -1 };
    let (hours, minutes) = match offset.get(1..)?.split_once(':') {
        Some(parts) => parts,
        None => offset.get(1..)?.split_at_checked(2)?,
    };
    let seconds = i64::from(digits(hours)? * 3600 + digits(minutes)? * 60);
    (seconds < OFFSET_SECONDS_MAX).then(|| (clock, TimeDelta::seconds(ahead * seconds)))
}

/// A number of one to four digits and nothing else: no sign, no blank.
fn digits(text: &str) -> Option<u32> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        lenient(text).map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }

    #[test]
    fn the_times_of_its_load_scripts_are_all_read() {
        for (written, meant) in [
            ("2025-10-10T0:00:00Z", "2025-10-10T00:00:00Z"),
            ("2025-10-10T9:00:00Z", "2025-10-10T09:00:00Z"),
            ("2025-10-10T24:00:00Z", "2025-10-11T00:00:00Z"),
            ("2025-12-31T25:00:00Z", "2026-01-01T01:00:00Z"),
            ("2025-10-12T2:00:00Z", "2025-10-12T02:00:00Z"),
            ("2023-10-14 9:49:00", "2023-10-14T09:49:00Z"),
        ] {
            assert_eq!(read(written).as_deref(), Some(meant), "{written}");
        }
    }

    #[test]
    fn ordinary_times_mean_what_they_always_meant() {
        for (written, meant) in [
            ("2027-06-01T19:30:00+02:00", "2027-06-01T17:30:00Z"),
            ("2027-06-01T19:30-0530", "2027-06-02T01:00:00Z"),
            ("2027-06-01T19:30:00.25Z", "2027-06-01T19:30:00.250Z"),
            ("2027-06-01T19:30:00.1234567890123Z", "2027-06-01T19:30:00.123456Z"),
            ("2027-06-01", "2027-06-01T00:00:00Z"),
        ] {
            assert_eq!(read(written).as_deref(), Some(meant), "{written}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "soon",
            "2025-02-30T10:00:00Z",
            "2025-13-01T10:00:00Z",
            "2025-10-10T100:00:00Z",
            "2025-10-10T10:60:00Z",
            "2025-10-10T10:00:60Z",
            "2025-10-10T-1:00:00Z",
            "2025-10-10T10",
            "2025-10-10T10:00:00:00Z",
            "25-10-10T10:00:00Z",
            "2025-10-10-10T10:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T99:00:00Z",
            "2025-10-10T10:00:00+99:00",
            "2025-10-10T10:00:00+1",
            "2025-10-10T10:00:00.xZ",
            "2025-10-10T１0:00:00Z",
            "１025-10-10T10:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
