//! One view of the log for all projectors of a process.
//!
//! Under load every projector wants the same events within a few milliseconds. Where the writer runs in the
//! same process, they are given the events as it committed them: nothing is read, nothing decoded. Elsewhere
//! whoever asks first reads the log, and the others are given what was read. A projector that is too far
//! behind for that reads the log for itself, as [`LogSource`] does.
//!
//! Whatever the writer hands over, the log is read too, a few times a second: what was lost on the way, or
//! written by another process, is late and not missing. Only committed events get here, and nobody trusts the
//! order they come in: every projector checks the positions of its batches.

use crate::{LogSource, Source, SourceError};
use holdfast_event_log::{LogPosition, Recorded};
use sqlx::PgPool;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::{
        Mutex,
        broadcast::{Receiver, error::TryRecvError},
    },
    time::Instant,
};

/// Events kept of each partition: what one partition gets, if all come to it under full load, while a projector gathers.
/// A log of 16 partitions keeps about 16 MB.
const RECENT_EVENTS_MAX: usize = 4_000;
/// The log is read after so long even if there are events here: how late one is that is only in the log.
const READ_EVERY: Duration = Duration::from_millis(250);

/// The log, read once for all clones of this value.
#[derive(Clone, Debug)]
pub struct SharedLog {
    recent: Arc<Mutex<Recent>>,
    /// When this clone last had an answer from the log: what another reads may be far behind it.
    read_at: Option<Instant>,
}

#[derive(Debug)]
struct Recent {
    log: LogSource,
    /// What the writer of this process commits.
    committed: Option<Receiver<Arc<Vec<Recorded>>>>,
    /// The latest events of each partition, without holes.
    partitions: Vec<VecDeque<Recorded>>,
}

impl SharedLog {
    /// The log of the database that `pool` is connected to.
    #[must_use]
    pub fn new(pool: &PgPool) -> Self {
        Self::with(pool, None)
    }

    /// The same, given the events that the writer of this process commits to that log.
    #[must_use]
    pub fn following(pool: &PgPool, committed: Receiver<Arc<Vec<Recorded>>>) -> Self {
        Self::with(pool, Some(committed))
    }

    fn with(pool: &PgPool, committed: Option<Receiver<Arc<Vec<Recorded>>>>) -> Self {
        let log = LogSource::new(pool);
        let recent = Recent { log, committed, partitions: vec![] };
        Self { recent: Arc::new(Mutex::new(recent)), read_at: None }
    }
}

impl Source for SharedLog {
    async fn read(&mut self, after: &[LogPosition], limit: usize) -> Result<Vec<Recorded>, SourceError> {
        // Held while the log is read: whoever waits here finds what it came for.
        let mut recent = self.recent.lock().await;
        recent.listen();
        // There may be events in the log that neither writer nor reader has brought here. Without a writer there are none:
        // everything here was read, and once it is used up the log is read again.
        let is_read_due =
            recent.committed.is_some() && self.read_at.is_none_or(|at| at.elapsed() >= READ_EVERY);
        if let Some(events) = recent.find(after, limit).filter(|_| !is_read_due) {
            return Ok(events);
        }
        let events = recent.log.read(after, limit).await?;
        self.read_at = Some(Instant::now());
        recent.keep(events.iter().cloned());
        Ok(events)
    }
}

impl Recent {
    /// Takes what the writer has committed since. What was lost because nobody came for it leaves a hole,
    /// which `keep` sees.
    fn listen(&mut self) {
        loop {
            match self.committed.as_mut().map(Receiver::try_recv) {
                Some(Ok(events)) => self.keep(Arc::unwrap_or_clone(events).into_iter()),
                Some(Err(TryRecvError::Lagged(_))) => {}
                None | Some(Err(TryRecvError::Empty | TryRecvError::Closed)) => return,
            }
        }
    }

    /// The events after these places, if there are any here and no event before them is missing here.
    fn find(&self, after: &[LogPosition], limit: usize) -> Option<Vec<Recorded>> {
        let mut found = vec![];
        for place in after {
            let Some(first) = self.partitions.get(usize::from(place.log_partition)).and_then(VecDeque::front)
            else {
                continue;
            };
            let known = usize::try_from(place.position + 1 - first.at.position).ok()?;
            let here = self.partitions.get(usize::from(place.log_partition))?;
            found.extend(here.iter().skip(known).take(limit - found.len()).cloned());
        }
        (!found.is_empty()).then_some(found)
    }

    /// Keeps what follows on what is here; something later replaces it, something earlier is of no use.
    fn keep(&mut self, events: impl Iterator<Item = Recorded>) {
        for event in events {
            let partition = usize::from(event.at.log_partition);
            if self.partitions.len() <= partition {
                self.partitions.resize_with(partition + 1, VecDeque::new);
            }
            let Some(here) = self.partitions.get_mut(partition) else { continue };
            let next = here.back().map_or(event.at.position, |last| last.at.position + 1);
            if event.at.position > next {
                here.clear();
            }
            if event.at.position >= next {
                here.push_back(event);
            }
            if here.len() > RECENT_EVENTS_MAX {
                here.pop_front();
            }
        }
    }
}
