//! The topics, as `kafka/topics.toml` lists them.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The topic that is the log.
pub const EVENTS: &str = "holdfast.events.v1";

const TOPICS: &str = include_str!("../../../kafka/topics.toml");

/// A topic: what is in it, who writes it, who reads it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Its name; a change that its consumers would not survive gets another.
    pub name: String,
    /// What is in it, in a sentence.
    pub about: String,
    /// How many partitions it has.
    pub partitions: Partitions,
    /// What the key of every record is.
    pub key: String,
    /// What the value of every record is.
    pub value: String,
    /// Copies of each partition.
    pub replication: u16,
    /// Topic settings, as Kafka names them.
    pub settings: BTreeMap<String, String>,
    /// The role that writes it.
    pub producer: String,
    /// Those who read it.
    pub consumers: Vec<String>,
}

/// How many partitions a topic has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partitions {
    /// As many as the log; partition p is log partition p.
    Log,
}

/// `kafka/topics.toml`, which is compiled in, does not say what it must.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// It has another shape.
    #[error("kafka/topics.toml cannot be read")]
    Shape(#[from] toml::de::Error),
    /// A topic that the code uses is not in it.
    #[error("kafka/topics.toml lacks the topic {0}")]
    Missing(&'static str),
}

/// Every topic.
///
/// # Errors
/// If the file has another shape, or the topic of the events is not in it.
pub fn topics() -> Result<Vec<Topic>, TopicsError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        topic: Vec<Topic>,
    }
    let File { topic: topics } = toml::from_str(TOPICS)?;
    if topics.iter().all(|topic| topic.name != EVENTS) {
        return Err(TopicsError::Missing(EVENTS));
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_kept_for_ever_and_never_thinned_out() {
        let topics = topics().unwrap();
        let events = topics.iter().find(|topic| topic.name == EVENTS).unwrap();
        assert_eq!(events.partitions, Partitions::Log);
        for (name, value) in [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")]
        {
            assert_eq!(events.settings[name], value, "{name}");
        }
    }
}
