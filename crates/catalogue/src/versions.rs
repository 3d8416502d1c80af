//! Which version of a thing somebody wants to change.

/// What the thing must be for a change to be made. Read in the statement that makes the change, so that of
/// two changes to one version the second finds another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is, as long as it is there.
    Any,
    /// One of these versions.
    OneOf(Vec<i64>),
}

impl Expected {
    /// For `($n::bigint[] IS NULL OR version = ANY($n))`.
    pub(crate) fn versions(&self) -> Option<&[i64]> {
        match self {
            Self::Any => None,
            Self::OneOf(versions) => Some(versions),
        }
    }
}
