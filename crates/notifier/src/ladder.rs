//! When a failed attempt is made again, and when it is given up.

use chrono::TimeDelta;

/// Pauses after the first, second … failure: about three days in all.
const PAUSES_SECONDS: [i64; 11] = [5, 30, 60, 300, 1_200, 3_600, 14_400, 21_600, 43_200, 86_400, 86_400];
/// A pause differs by up to so many per thousand either way: what failed together does not come back together.
const JITTER_PER_MILLE: i64 = 100;
/// The longest pause that a receiver may ask for (`Retry-After`).
pub(crate) const RETRY_AFTER_MAX: TimeDelta = TimeDelta::hours(24);

/// The pause after an attempt failed; none: it is given up. `failures` counts this one; `chance` is random.
pub(crate) fn pause(failures: u32, retry_after: Option<TimeDelta>, chance: u16) -> Option<TimeDelta> {
    let nth = usize::try_from(failures).ok()?.checked_sub(1)?;
    let milliseconds = PAUSES_SECONDS.get(nth)? * 1_000;
    // From -100 to +100 per thousand.
    let per_mille = i64::from(chance) * (2 * JITTER_PER_MILLE) / i64::from(u16::MAX) - JITTER_PER_MILLE;
    let pause = TimeDelta::milliseconds(milliseconds + milliseconds * per_mille / 1_000);
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Some(pause.max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_climbed_and_then_it_is_given_up() {
        let middle = u16::MAX / 2 + 1;
        let pauses: Vec<_> = (1..).map_while(|n| pause(n, None, middle)).map(|p| p.num_seconds()).collect();
        assert_eq!(pauses, PAUSES_SECONDS);
        let days = pauses.iter().sum::<i64>() as f64 / 86_400.0;
        assert!((2.9..3.1).contains(&days), "{days}");
        assert_eq!(pause(0, None, 0), None);
        assert_eq!(pause(u32::MAX, None, 0), None);
    }

    #[test]
    fn chance_moves_a_pause_by_a_tenth_at_most() {
        assert_eq!(pause(2, None, 0), Some(TimeDelta::seconds(27)));
        assert_eq!(pause(2, None, u16::MAX), Some(TimeDelta::seconds(33)));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever() {
        assert_eq!(pause(1, Some(TimeDelta::minutes(7)), 0), Some(TimeDelta::minutes(7)));
        assert_eq!(pause(1, Some(TimeDelta::days(900)), 0), Some(RETRY_AFTER_MAX));
        assert!(
            pause(5, Some(TimeDelta::seconds(1)), 0) > Some(TimeDelta::seconds(1_000)),
            "but not for less"
        );
    }
}
