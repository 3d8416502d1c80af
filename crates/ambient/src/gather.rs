//! Waiting until a batch is worth its fixed cost: the more comes, the longer, so that a batch grows with the load.
//!
//! Shape: a batch costs its requests and statements whatever is in it. Where little comes, nobody notices them and what
//! comes is wanted soon; where much comes, they are what the machine has no time for. So the time between the beginnings
//! of two batches grows with the rate, and the events of a batch with its square, until both ends are reached.
//!
//! Guarantee: never shorter than [`SHORTEST`], never longer than [`LONGEST`].

use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Under load a commit arrives every few milliseconds; a batch for each would cost more than the events in it. Far below the
/// 50 ms within which a booking is to be visible.
const SHORTEST: Duration = Duration::from_millis(20);

/// Two of them, one behind the other, are still far below the half second for which a query waits for what its caller wrote.
const LONGEST: Duration = Duration::from_millis(150);

/// One millisecond for so many events a second: up to 2,000 a second nothing is longer than it must be, at 10,000 a batch has
/// a thousand events.
const EVENTS_PER_SECOND_FOR_A_MILLISECOND: f64 = 100.0;

/// When the next batch begins.
#[derive(Debug)]
pub struct Gather {
    /// When the last batch was to begin that gathering led to, and what has come since.
    began: Instant,
    events: usize,
    /// Of the last batches, each half as important as the one after it.
    events_per_second: f64,
}

impl Default for Gather {
    fn default() -> Self {
        Self { began: Instant::now(), events: 0, events_per_second: 0.0 }
    }
}

impl Gather {
    /// Notes a batch.
    pub fn add(&mut self, events: usize) {
        self.events += events;
    }

    /// Waits until the next batch should begin, if there was anything in the last one, which `began` then.
    pub async fn more(&mut self, began: Instant) {
        if self.events == 0 {
            return;
        }
        let seconds = began.duration_since(self.began).max(SHORTEST).as_secs_f64();
        self.events_per_second = smoothed(self.events_per_second, rate(self.events, seconds));
        (self.began, self.events) = (began, 0);
        sleep_until(began + between(self.events_per_second)).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousand events")]
fn rate(events: usize, seconds: f64) -> f64 {
    events as f64 / seconds
}

/// One batch may be large by chance; several are not.
fn smoothed(before: f64, now: f64) -> f64 {
    f64::midpoint(before, now)
}

/// From the beginning of a batch to that of the next, at so many events a second.
fn between(events_per_second: f64) -> Duration {
    let milliseconds = events_per_second / EVENTS_PER_SECOND_FOR_A_MILLISECOND;
    // In milliseconds before it is a duration: no rate is too large for one.
    let (shortest, longest) = (SHORTEST.as_secs_f64() * 1e3, LONGEST.as_secs_f64() * 1e3);
    Duration::from_secs_f64(milliseconds.clamp(shortest, longest) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[test]
    fn a_moderate_rate_is_gathered_no_longer_than_none() {
        for events_per_second in [0.0, 1.0, 1_000.0, 2_000.0] {
            assert_eq!(between(events_per_second), SHORTEST, "{events_per_second}");
        }
    }

    #[test]
    fn beyond_it_the_time_grows_with_the_rate_up_to_its_end() {
        assert_eq!(between(5_000.0), Duration::from_millis(50));
        assert_eq!(between(10_000.0), Duration::from_millis(100));
        for events_per_second in [1e6, f64::MAX, f64::INFINITY] {
            assert_eq!(between(events_per_second), LONGEST, "{events_per_second}");
        }
    }

    /// Each of so many batches: some `events` are there when it begins. Returns what it waited for the next.
    async fn batches(gather: &mut Gather, count: usize, events_per_second: f64) -> Duration {
        let mut last = SHORTEST;
        for _ in 0..count {
            let began = Instant::now();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundred")]
            gather.add((events_per_second * last.as_secs_f64()) as usize);
            gather.more(began).await;
            last = began.elapsed();
        }
        last
    }

    #[tokio::test(start_paused = true)]
    async fn it_settles_at_what_the_rate_asks_for_and_comes_back() {
        let mut gather = Gather::default();
        let busy = batches(&mut gather, 20, 10_000.0).await;
        assert!(busy.abs_diff(Duration::from_millis(100)) <= Duration::from_millis(2), "{busy:?}");
        assert_eq!(batches(&mut gather, 10, 500.0).await, SHORTEST);
    }

    /// An import of thousands in one commit is no load: the booking after it is not kept waiting.
    #[tokio::test(start_paused = true)]
    async fn what_comes_after_a_pause_is_not_taken_for_a_rate() {
        let mut gather = Gather::default();
        sleep(Duration::from_secs(10)).await;
        assert_eq!(batches(&mut gather, 1, 100_000.0).await, SHORTEST);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_came_nothing_is_waited_for() {
        let (mut gather, began) = (Gather::default(), Instant::now());
        gather.more(began).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    /// Full batches follow each other at once and are counted all the same.
    #[tokio::test(start_paused = true)]
    async fn full_batches_belong_to_the_rate() {
        let (mut gather, began) = (Gather::default(), Instant::now());
        sleep(Duration::from_millis(100)).await;
        for _ in 0..2 {
            gather.add(1_000);
        }
        let now = Instant::now();
        gather.more(now).await;
        // Half of 20,000 a second, because there was nothing before.
        assert_eq!(now.elapsed().as_millis(), 100, "since {began:?}");
    }
}
