//! What a look at the flow has seen, and what is to be said about it.

use super::Row;
use holdfast_domain::Timestamp;

/// A follower whose oldest waiting event is older than this is behind. More than what is usual: the topic is told once a
/// second, and a projector that dies is replaced within some six.
pub const BEHIND_SECONDS: f64 = 10.0;

/// How far everybody was, at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The last position of each partition of the log.
    pub heads: Vec<i64>,
    /// Those that were asked for, in that order.
    pub followers: Vec<Follower>,
}

/// Somebody who follows the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Follower {
    /// Its name.
    pub name: &'static str,
    /// How far it is; none: it has not begun yet, or does not exist in this installation.
    pub standing: Option<Standing>,
}

/// How far a follower is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The last position it has of each partition; 0 = none.
    pub positions: Vec<i64>,
    /// Events of the log that it does not have.
    pub lag_events: i64,
    /// How old the oldest of them is; 0 if there is none.
    pub lag_seconds: f64,
    /// It has events that the log does not have.
    pub ahead: bool,
    /// Streams that it has set aside until somebody looks ([`crate::parked`]).
    pub parked_streams: i64,
    /// When its positions last changed, if it is told of and does not say itself.
    pub told_at: Option<Timestamp>,
}

/// A follower in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerState {
    /// It has everything, or nearly.
    Current,
    /// Its oldest waiting event is older than [`BEHIND_SECONDS`].
    Behind,
    /// It has set streams aside; all others flow.
    Parked,
    /// It has events that the log does not have.
    Ahead,
    /// It has not begun yet, or does not exist in this installation.
    NotThere,
}

impl FollowerState {
    /// The word in answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Parked => "parked",
            Self::Ahead => "ahead",
            Self::NotThere => "not_there",
        }
    }
}

impl Follower {
    /// In a word.
    #[must_use]
    pub fn state(&self) -> FollowerState {
        match &self.standing {
            None => FollowerState::NotThere,
            Some(Standing { ahead: true, .. }) => FollowerState::Ahead,
            Some(standing) if standing.parked_streams > 0 => FollowerState::Parked,
            Some(standing) if standing.lag_seconds > BEHIND_SECONDS => FollowerState::Behind,
            Some(_) => FollowerState::Current,
        }
    }

    /// Why it is not current.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self.state() {
            FollowerState::Current => None,
            FollowerState::Behind => {
                Some(format!("an event that it does not have is older than {BEHIND_SECONDS} s"))
            }
            FollowerState::Parked => {
                let streams = self.standing.as_ref().map_or(0, |standing| standing.parked_streams);
                Some(format!("{streams} streams wait behind an event; see `holdfast parked list`"))
            }
            FollowerState::Ahead => {
                Some("it has events that the log does not have: the log was set back".to_owned())
            }
            FollowerState::NotThere => {
                Some("nothing has run it yet, or it is no part of this installation".to_owned())
            }
        }
    }
}

impl Seen {
    pub(super) fn nobody(names: &[&'static str]) -> Self {
        let followers = names.iter().map(|name| Follower { name, standing: None }).collect();
        Self { heads: vec![], followers }
    }

    pub(super) fn take_parked(&mut self, name: &str, streams: i64) {
        let follower = self.followers.iter_mut().find(|follower| follower.name == name);
        if let Some(standing) = follower.and_then(|follower| follower.standing.as_mut()) {
            standing.parked_streams = streams;
        }
    }

    /// Adds what is known of one follower in one partition.
    pub(super) fn take(&mut self, row: Row, now: Timestamp) {
        let partition = usize::try_from(row.log_partition).unwrap_or_default();
        set(&mut self.heads, partition, row.head);
        let follower = self.followers.iter_mut().find(|follower| follower.name == row.follower);
        let Some(standing) = follower.map(|follower| &mut follower.standing) else { return };
        if !row.there {
            return;
        }
        let standing = standing.get_or_insert_default();
        set(&mut standing.positions, partition, row.position);
        standing.lag_events += (row.head - row.position).max(0);
        standing.ahead |= row.position > row.head;
        standing.told_at = standing.told_at.max(row.told_at);
        if let Some(since) = row.waiting_since {
            #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds is a small number")]
            let age = (now - since).num_milliseconds() as f64 / 1_000.0;
            standing.lag_seconds = standing.lag_seconds.max(age);
        }
    }
}

fn set(positions: &mut Vec<i64>, partition: usize, position: i64) {
    if positions.len() <= partition {
        positions.resize(partition + 1, 0);
    }
    if let Some(place) = positions.get_mut(partition) {
        *place = position;
    }
}
