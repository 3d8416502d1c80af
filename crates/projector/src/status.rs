//! What a projector is doing, for those who ask.

/// A projector's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything that was in the log is in the rows.
    Running,
    /// More events wait than one batch takes.
    CatchingUp,
    /// The database or the source does not answer; it is tried again. Why, in words.
    Retrying(String),
    /// Nothing is applied any more until somebody looks.
    Stopped {
        /// Why, for everybody's eyes: positions, but nothing that the database said.
        reason: String,
        /// Why, with everything behind it; for the operator.
        why: String,
    },
}

/// What a projector is doing and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectorStatus {
    /// What it is doing.
    pub state: State,
    /// The last event applied of each log partition.
    pub checkpoints: Vec<i64>,
    /// Events that wait, as far as it knows: while catching up it asks once a second. What does not
    /// depend on the projector's own view is [`crate::Positions::lag`].
    pub lag_events: i64,
}

/// An error with everything behind it, in one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        words = format!("{words}: {source}");
        next = source.source();
    }
    words
}
