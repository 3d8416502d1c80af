//! A place in the log.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Partition and position of one event. Written `partition-position`, such as `7-1234`;
/// as a consistency token it says "what I ask for must include this".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogPosition {
    /// Which partition.
    pub log_partition: u16,
    /// Which event in it, from 1; 0 = before the first.
    pub position: i64,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.log_partition, self.position)
    }
}

/// The text is not a log position.
#[derive(Debug, thiserror::Error)]
#[error("a log position is written PARTITION-POSITION, such as 7-1234")]
pub struct NotAPosition;

impl FromStr for LogPosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (partition, position) = text.split_once('-').ok_or(NotAPosition)?;
        Ok(Self {
            log_partition: partition.parse().map_err(|_| NotAPosition)?,
            position: position.parse().ok().filter(|p| *p >= 0).ok_or(NotAPosition)?,
        })
    }
}
