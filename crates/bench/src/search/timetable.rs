//! Which flights there are: a timetable in which a search finds about as much as in a real one. The same every time.
//!
//! A thousand routes between 400 airports. Few of them are busy, and most have one flight a day; a day has 1,668 flights.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};

/// Airports, each in a city of its own.
pub(super) const AIRPORTS: usize = 400;
/// Routes of a kind, and the flights of each on a day.
const ROUTES: [(usize, usize); 3] = [(70, 7), (124, 3), (806, 1)];
/// How many airports further each 400 routes lead than the ones before: no two routes are the same, none leads back.
const FURTHER: [usize; 3] = [13, 101, 223];
/// Where airports are, in turn. None changes its clocks in the two months after the first day, so that a number that leaves
/// at the same time by UTC leaves on a day of its own.
const ZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "Europe/London",
    "Asia/Kolkata",
    "America/Los_Angeles",
    "Asia/Dubai",
    "Africa/Nairobi",
];
/// The first day, by UTC: far enough in the future for every machine's clock.
const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2040, 1, 1).expect("a day");
/// Minutes of a day.
const DAY_MINUTES: usize = 24 * 60;
/// Cents of the cheapest flight, and how many prices there are: others share theirs, as in real life.
const PRICES: (usize, usize) = (2_000, 48_000);

/// A flight to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) number: String,
    /// Which airport it leaves.
    pub(super) from: usize,
    /// Where it goes.
    pub(super) to: usize,
    pub(super) departs_at: DateTime<Utc>,
    pub(super) arrives_at: DateTime<Utc>,
    /// Of a seat.
    pub(super) cents: usize,
}

/// All flights of a day, which every day has again: the route, and which of its flights on a day it is.
pub(super) struct Timetable(Vec<(usize, usize, usize)>);

impl Timetable {
    pub(super) fn new() -> Self {
        let routes = ROUTES.iter().flat_map(|(routes, flights)| std::iter::repeat_n(*flights, *routes));
        let day = routes
            .enumerate()
            .flat_map(|(route, flights)| (0..flights).map(move |nth| (route, nth, flights)));
        Self(day.collect())
    }

    /// The nth flight, day after day.
    pub(super) fn leg(&self, nth: usize) -> Leg {
        let (day, slot) = (nth / self.0.len(), nth % self.0.len());
        let (route, of_day, flights) = self.0.get(slot).copied().unwrap_or_default();
        let minute = (of_day * DAY_MINUTES / flights.max(1) + route * 7) % DAY_MINUTES;
        let departs_at =
            (FIRST_DAY + Days::new(day as u64)).and_time(NaiveTime::MIN).and_utc() + minutes(minute);
        let from = route % AIRPORTS;
        Leg {
            number: format!("HF{}", slot + 1),
            from,
            to: (from + FURTHER.get(route / AIRPORTS).copied().unwrap_or(1)) % AIRPORTS,
            departs_at,
            arrives_at: departs_at + minutes(60 + route * 17 % 660),
            cents: PRICES.0 + nth * 7_919 % PRICES.1,
        }
    }
}

/// IATA code of an airport.
pub(super) fn code(airport: usize) -> String {
    [airport / 676, airport / 26 % 26, airport % 26].map(letter).iter().collect()
}

/// IANA zone of an airport.
pub(super) fn zone(airport: usize) -> &'static str {
    ZONES.get(airport % ZONES.len()).copied().unwrap_or_default()
}

fn letter(nth: usize) -> char {
    char::from(b'A' + u8::try_from(nth % 26).unwrap_or_default())
}

fn minutes(minutes: usize) -> TimeDelta {
    TimeDelta::minutes(i64::try_from(minutes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_thousand_routes_are_all_different_and_none_stays_where_it_is() {
        let timetable = Timetable::new();
        let day: Vec<Leg> = (0..timetable.0.len()).map(|nth| timetable.leg(nth)).collect();
        let routes: HashSet<_> = day.iter().map(|leg| (leg.from, leg.to)).collect();
        assert_eq!((day.len(), routes.len()), (1_668, 1_000));
        assert!(routes.iter().all(|(from, to)| from != to));
        assert!(routes.iter().all(|(from, to)| !routes.contains(&(*to, *from))));
    }

    #[test]
    fn a_number_leaves_once_a_day_at_the_same_time() {
        let timetable = Timetable::new();
        let (today, tomorrow) = (timetable.leg(3), timetable.leg(3 + timetable.0.len()));
        assert_eq!(today.number, tomorrow.number);
        assert_eq!(tomorrow.departs_at - today.departs_at, TimeDelta::days(1));
    }

    #[test]
    fn every_airport_has_a_code_of_its_own() {
        let codes: HashSet<_> = (0..AIRPORTS).map(code).collect();
        assert_eq!(codes.len(), AIRPORTS);
        assert!(codes.iter().all(|code| code.len() == 3));
    }
}
