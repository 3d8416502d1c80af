//! What the writer tells the rest of its process about commits: that there was one, and what was in it.
//!
//! Both are a favour, not a promise: nobody is waited for, and whoever misses something finds it in the log.

use holdfast_event_log::Recorded;
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// Commits kept for a follower that has not come for them: about a tenth of a second under full load. One
/// that is further behind reads the log.
const COMMITS_MAX: usize = 256;

/// Events of one commit, those of a partition in order.
pub type Committed = Arc<Vec<Recorded>>;

#[derive(Clone, Debug)]
pub(crate) struct Commits {
    signal: watch::Sender<u64>,
    events: broadcast::Sender<Committed>,
}

impl Default for Commits {
    fn default() -> Self {
        Self { signal: watch::Sender::new(0), events: broadcast::Sender::new(COMMITS_MAX) }
    }
}

impl Commits {
    /// Tells what has committed: all of `events`, but for those of `fenced` partitions.
    pub(crate) fn tell(&self, mut events: Vec<Recorded>, fenced: &[u16]) {
        if self.events.receiver_count() > 0 {
            events.retain(|event| !fenced.contains(&event.at.log_partition));
            drop(self.events.send(Arc::new(events)));
        }
        self.signal.send_modify(|commits| *commits += 1);
    }

    pub(crate) fn signal(&self) -> watch::Receiver<u64> {
        self.signal.subscribe()
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<Committed> {
        self.events.subscribe()
    }
}
