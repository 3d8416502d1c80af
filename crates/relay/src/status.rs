//! What a relay is doing, for those who ask.

/// A relay's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not reached the topic yet.
    Starting,
    /// It sends what is committed.
    Running,
    /// Broker or Postgres does not answer; it is tried again. Why, for everybody's eyes; the log has more.
    Retrying(String),
    /// It sends nothing any more until somebody looks. Why, for everybody's eyes.
    Stopped(String),
}

/// How far one partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which.
    pub log_partition: u16,
    /// The last position in the topic, as far as this relay knows.
    pub sent: i64,
}

/// What a relay is doing and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayStatus {
    /// What it is doing.
    pub state: State,
    /// The partitions it sends.
    pub partitions: Vec<PartitionStatus>,
}
