//! A batch of events, checked to continue where the last one ended.

use crate::{
    Failure,
    parked::{Exceptions, ParkedEvent},
};
use holdfast_event_log::{LogPosition, Recorded};

/// Positions by partition: the last event that is applied, 0 = none.
pub(crate) type Checkpoints = Vec<i64>;

/// Events that follow their checkpoints without a hole, and what the checkpoints become.
#[derive(Debug)]
pub(crate) struct Batch {
    /// What is applied.
    pub(crate) events: Vec<Recorded>,
    /// What is set aside instead.
    pub(crate) parked: Vec<ParkedEvent>,
    /// All checkpoints, as they are once the batch is written.
    pub(crate) then: Checkpoints,
    /// The partitions that move, column by column as the statement takes them.
    pub(crate) moved: Vec<i16>,
    pub(crate) before: Vec<i64>,
    pub(crate) after: Vec<i64>,
    /// The source had as many events as were asked for: more are likely to wait.
    pub(crate) full: bool,
}

impl Batch {
    /// Checks every event against the one before it in its partition, and sets those aside that must wait.
    pub(crate) fn check(
        from: &[i64],
        events: Vec<Recorded>,
        full: bool,
        exceptions: &Exceptions,
    ) -> Result<Self, Failure> {
        let then = follow(from, events.iter().map(|event| event.at))?;
        let (events, parked) = exceptions.split(events);
        Ok(Self::new(from, then, events, parked, full))
    }

    /// One event that is not applied.
    pub(crate) fn without(from: &[i64], at: LogPosition, parked: Vec<ParkedEvent>) -> Result<Self, Failure> {
        Ok(Self::new(from, follow(from, std::iter::once(at))?, vec![], parked, true))
    }

    fn new(
        from: &[i64],
        then: Checkpoints,
        events: Vec<Recorded>,
        parked: Vec<ParkedEvent>,
        full: bool,
    ) -> Self {
        let (mut moved, mut before, mut after) = (vec![], vec![], vec![]);
        for (partition, (old, new)) in
            (0i16..).zip(from.iter().zip(&then)).filter(|(_, (old, new))| old != new)
        {
            moved.push(partition);
            before.push(*old);
            after.push(*new);
        }
        Self { events, parked, then, moved, before, after, full }
    }

    /// How many events of the log it takes the checkpoints past.
    pub(crate) fn len(&self) -> usize {
        let passed = self.after.iter().zip(&self.before).map(|(after, before)| after - before);
        usize::try_from(passed.sum::<i64>()).unwrap_or(0)
    }
}

/// The checkpoints after events that must follow on them without a hole.
fn follow(from: &[i64], places: impl Iterator<Item = LogPosition>) -> Result<Checkpoints, Failure> {
    let mut then = from.to_vec();
    for LogPosition { log_partition, position } in places {
        // A partition we do not know has no checkpoint: nothing can follow on it.
        let Some(last) = then.get_mut(usize::from(log_partition)) else {
            return Err(Failure::Hole { log_partition, expected: 0, found: position });
        };
        if position != *last + 1 {
            return Err(Failure::Hole { log_partition, expected: *last + 1, found: position });
        }
        *last = position;
    }
    Ok(then)
}

/// The checkpoints as places in the log, beginning with partition `turn`, without those that have
/// reached `until`.
pub(crate) fn places(from: &[i64], turn: usize, until: Option<&[i64]>) -> Vec<LogPosition> {
    let mut places: Vec<_> = (0u16..)
        .zip(from)
        .map(|(log_partition, position)| LogPosition { log_partition, position: *position })
        .collect();
    if !places.is_empty() {
        let turn = turn % places.len();
        places.rotate_left(turn);
    }
    if let Some(until) = until {
        places.retain(|at| at.position < position_in(until, at.log_partition));
    }
    places
}

/// The position of one partition; 0 for a partition that is not there.
pub(crate) fn position_in(positions: &[i64], log_partition: u16) -> i64 {
    positions.get(usize::from(log_partition)).copied().unwrap_or(0)
}

/// How many events lie between two sets of positions.
pub(crate) fn events_between(from: &[i64], until: &[i64]) -> i64 {
    until.iter().zip(from).map(|(until, from)| (until - from).max(0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_domain::{InventoryId, SalesClosed, Timestamp};

    fn event(log_partition: u16, position: i64) -> Recorded {
        Recorded {
            at: LogPosition { log_partition, position },
            inventory_id: InventoryId::default(),
            sequence: position,
            event: SalesClosed {}.into(),
            recorded_at: Timestamp::default(),
        }
    }

    #[test]
    fn only_partitions_that_move_are_written() {
        let batch = Batch::check(
            &[4, 0, 7],
            vec![event(2, 8), event(0, 5), event(2, 9)],
            false,
            &Exceptions::default(),
        )
        .unwrap();
        assert_eq!(batch.then, [5, 0, 9]);
        assert_eq!((batch.moved, batch.before, batch.after), (vec![0, 2], vec![4, 7], vec![5, 9]));
    }

    #[test]
    fn a_position_that_is_left_out_is_a_hole() {
        let hole =
            Batch::check(&[4], vec![event(0, 5), event(0, 7)], false, &Exceptions::default()).unwrap_err();
        assert!(matches!(hole, Failure::Hole { log_partition: 0, expected: 6, found: 7 }), "{hole}");
    }

    #[test]
    fn a_position_that_comes_again_is_a_hole() {
        let again = Batch::check(&[4], vec![event(0, 4)], false, &Exceptions::default()).unwrap_err();
        assert!(matches!(again, Failure::Hole { expected: 5, found: 4, .. }), "{again}");
    }

    #[test]
    fn places_rotate_and_leave_out_what_is_reached() {
        let turns: Vec<_> = places(&[1, 2, 3], 4, None).iter().map(ToString::to_string).collect();
        assert_eq!(turns, ["1-2", "2-3", "0-1"]);
        assert_eq!(places(&[1, 2, 3], 0, Some(&[1, 5, 3])).len(), 1);
    }
}
