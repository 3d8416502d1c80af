//! One read of the log for all projectors of a process.
//!
//! Under load every projector wants the same events within a few milliseconds. Whoever asks first reads
//! them from the log and decodes them; the others are given what was read. A projector that is too far
//! behind for that reads the log for itself, as [`LogSource`] does.
//!
//! Only committed events get here, and nobody trusts the order they come in: every projector checks the
//! positions of its batches.

use crate::{LogSource, Source, SourceError};
use holdfast_event_log::{LogPosition, Recorded};
use sqlx::PgPool;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::Mutex;

/// Events kept of each partition: what a partition gets in about a tenth of a second under full load.
/// A log of 16 partitions keeps about 8 MB.
const RECENT_EVENTS_MAX: usize = 2_000;

/// The log, read once for all clones of this value.
#[derive(Clone, Debug)]
pub struct SharedLog(Arc<Mutex<Recent>>);

#[derive(Debug)]
struct Recent {
    log: LogSource,
    /// The latest events of each partition, without holes.
    partitions: Vec<VecDeque<Recorded>>,
}

impl SharedLog {
    /// The log of the database that `pool` is connected to.
    #[must_use]
    pub fn new(pool: &PgPool) -> Self {
        Self(Arc::new(Mutex::new(Recent { log: LogSource::new(pool), partitions: vec![] })))
    }
}

impl Source for SharedLog {
    async fn read(&mut self, after: &[LogPosition], limit: usize) -> Result<Vec<Recorded>, SourceError> {
        // Held while the log is read: whoever waits here finds what it came for.
        let mut recent = self.0.lock().await;
        if let Some(events) = recent.find(after, limit) {
            return Ok(events);
        }
        let events = recent.log.read(after, limit).await?;
        recent.keep(&events);
        Ok(events)
    }
}

impl Recent {
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
    fn keep(&mut self, events: &[Recorded]) {
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
                here.push_back(event.clone());
            }
            if here.len() > RECENT_EVENTS_MAX {
                here.pop_front();
            }
        }
    }
}
