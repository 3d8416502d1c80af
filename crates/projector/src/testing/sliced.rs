//! A source that gives small batches, to show that the cut of a batch changes nothing.

use crate::{Source, SourceError};
use holdfast_event_log::{LogPosition, Recorded};

/// Reads from `source`, never more than `at_most` events at once.
#[derive(Debug)]
pub struct Sliced<S> {
    /// Where the events come from.
    pub source: S,
    /// The largest batch.
    pub at_most: usize,
}

impl<S: Source> Source for Sliced<S> {
    async fn read(&mut self, after: &[LogPosition], limit: usize) -> Result<Vec<Recorded>, SourceError> {
        self.source.read(after, limit.min(self.at_most)).await
    }
}
