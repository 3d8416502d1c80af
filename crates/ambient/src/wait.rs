//! One way to wait: ask, pause a little longer each time, give up at a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// First pause: a process forks in about this long, so a quick start is not slowed by us.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Longest pause: adds at most this to whatever is waited for, and a processor does not feel it.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A wait that has begun.
#[derive(Debug)]
pub struct Wait {
    until: Instant,
    pause: Duration,
}

impl Wait {
    /// Starts the clock.
    #[must_use]
    pub fn at_most(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, pause: FIRST_PAUSE }
    }

    /// Pauses before the next question; `false` once the deadline has passed, without pausing.
    pub async fn again(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
