//! Waiting for more to do: woken where somebody can wake us, and looking anyway.
//!
//! Guarantee: a signal that is lost costs latency, never work that is left undone.

use std::time::Duration;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The next look after there was something to do.
const FIRST: Duration = Duration::from_millis(5);
/// The longest that work waits for somebody whom nobody wakes; looks get more and more seldom until then.
const LONGEST: Duration = Duration::from_millis(100);
/// The same beside a wake: only a lost signal, or another process's work, waits for it.
const BESIDE_WAKE: Duration = Duration::from_millis(500);

/// When to look again.
#[derive(Debug)]
pub struct Poll {
    /// Changes when there is more to do; none: nobody says so.
    wake: Option<watch::Receiver<u64>>,
    pause: Duration,
}

impl Poll {
    /// Woken by every change of `wake`, if there is one.
    #[must_use]
    pub fn new(wake: Option<watch::Receiver<u64>>) -> Self {
        Self { wake, pause: FIRST }
    }

    /// Waits for more. `worked`: there was something to do just now.
    pub async fn again(&mut self, worked: bool) {
        self.pause = if worked { FIRST } else { (self.pause * 2).min(LONGEST) };
        let Some(wake) = &mut self.wake else { return sleep(self.pause).await };
        if matches!(timeout(BESIDE_WAKE, wake.changed()).await, Ok(Err(_))) {
            self.wake = None; // whoever woke us is gone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    async fn waits(poll: &mut Poll, worked: bool) -> Duration {
        let began = Instant::now();
        poll.again(worked).await;
        began.elapsed()
    }

    /// The clock stands still but for what is waited for.
    #[tokio::test(start_paused = true)]
    async fn without_a_wake_it_looks_soon_after_work_and_seldom_without() {
        let mut poll = Poll::new(None);
        assert!(waits(&mut poll, true).await < Duration::from_millis(10));
        for _ in 0..10 {
            waits(&mut poll, false).await;
        }
        assert!(waits(&mut poll, false).await >= LONGEST);
        assert!(waits(&mut poll, true).await < Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_that_ends_leaves_polling() {
        let (wake, woken) = watch::channel(0);
        let mut poll = Poll::new(Some(woken));
        wake.send_replace(1);
        assert_eq!(waits(&mut poll, false).await, Duration::ZERO);
        assert_eq!(waits(&mut poll, false).await, BESIDE_WAKE);
        drop(wake);
        poll.again(true).await;
        assert!(waits(&mut poll, true).await <= FIRST + Duration::from_millis(2));
    }
}
