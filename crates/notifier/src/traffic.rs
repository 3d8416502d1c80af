//! Whether bookings come in fast, as the notifier's inlet sees the log grow: then what sends makes pauses.
//!
//! A low priority alone does not keep the processor free: Postgres works for every batch at its usual priority. So while the
//! log grows fast, each batch is small and is followed by a pause in proportion to it, which bounds how many mails and
//! webhooks go out in a second. What waits goes out at full speed afterwards.

use holdfast_projector::ProjectorStatus;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::sleep};

/// Between two looks at how far the log is.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Events between two looks from which on traffic is heavy: 200 a second.
const HEAVY_EVENTS_MIN: i64 = 100;

/// The traffic of bookings; never heavy unless it is watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traffic(Arc<AtomicBool>);

impl Traffic {
    pub(crate) fn is_heavy(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Watches how far the inlet is, for ever.
    pub(crate) async fn watch(self, inlet: watch::Receiver<ProjectorStatus>) {
        let position = || inlet.borrow().checkpoints.iter().sum::<i64>();
        let mut before = position();
        loop {
            sleep(LOOK_EVERY).await;
            let now = position();
            self.0.store(now - before >= HEAVY_EVENTS_MIN, Ordering::Relaxed);
            before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_projector::State;

    #[tokio::test(start_paused = true)]
    async fn traffic_is_heavy_while_the_log_grows_fast_and_no_longer() {
        let status = |position| ProjectorStatus {
            state: State::Running,
            checkpoints: vec![position, 7],
            lag_events: 0,
        };
        let (inlet, seen) = watch::channel(status(1_000));
        let traffic = Traffic::default();
        tokio::spawn(traffic.clone().watch(seen));
        for (position, is_heavy) in [(1_099, false), (1_199, true), (1_300, true), (1_310, false)] {
            tokio::task::yield_now().await;
            inlet.send_replace(status(position));
            sleep(LOOK_EVERY).await;
            tokio::task::yield_now().await;
            assert_eq!(traffic.is_heavy(), is_heavy, "{position}");
        }
    }
}
