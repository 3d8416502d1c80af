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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_the_way_into_text_and_back() {
        for (log_partition, position) in [(0, 0), (7, 1234), (1023, i64::MAX)] {
            let at = LogPosition { log_partition, position };
            assert_eq!(at.to_string().parse::<LogPosition>().unwrap(), at);
        }
        assert_eq!(LogPosition { log_partition: 7, position: 1234 }.to_string(), "7-1234");
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in
            ["", "-", "7", "7-", "-1", "7--1", "70000-1", "7-9223372036854775808", "7-1 ", "a-b", "1-2-3"]
        {
            assert!(text.parse::<LogPosition>().is_err(), "{text}");
        }
    }
}
