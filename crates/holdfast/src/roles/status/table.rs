//! The report as a person reads it: quiet where all is well.

use super::{Report, TopicSource};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use holdfast_projector::{FollowerState, Standing};
use indicatif::{HumanCount, HumanDuration};
use std::{cmp::Reverse, time::Duration};

/// Partitions that are shown unless all are asked for: a screen. Of a log with more, those where somebody lags.
const ROWS_MAX: usize = 32;
/// Spaces before and after a cell.
const BETWEEN: (u16, u16) = (0, 2);
/// Nothing to say.
const NOTHING: &str = "·";

impl Report {
    pub(super) fn lines(&self, all: bool) -> Vec<String> {
        let mut lines = vec![
            format!(
                "log {}: {} in {}",
                self.log.log_id,
                counted(self.events(), "event"),
                counted(self.log.partitions.into(), "partition")
            ),
            String::new(),
        ];
        lines.extend(self.followers());
        lines.extend(self.notes());
        lines.push(String::new());
        lines.extend(self.partitions(all));
        lines.push(String::new());
        lines.extend(self.workers());
        if let Some(file) = &self.first_password {
            lines.push(String::new());
            lines.push(format!(
                "the first admin's password has not been changed; it is in {}",
                file.display()
            ));
        }
        lines
    }

    fn followers(&self) -> Vec<String> {
        let mut table = table(["", "state", "events behind", "oldest waits"]);
        for follower in &self.seen.followers {
            let (events, age) = match &follower.standing {
                Some(standing) => (count(standing.lag_events), age(standing.lag_seconds)),
                None => (NOTHING.to_owned(), NOTHING.to_owned()),
            };
            table.add_row([follower.name.to_owned(), follower.state().word().replace('_', " "), events, age]);
        }
        right(&mut table, 2);
        rows(&table)
    }

    fn notes(&self) -> Vec<String> {
        let ahead = self.seen.followers.iter().filter(|follower| follower.state() == FollowerState::Ahead);
        let ahead = ahead.filter_map(|follower| Some(format!("{}: {}", follower.name, follower.reason()?)));
        let told = self.told_at().map(|at| (self.now - at).to_std().unwrap_or_default());
        let told = told.map(|ago| format!("as a relay last told, {:#} ago", HumanDuration(ago)));
        let topic = match (&self.topic, told) {
            (TopicSource::Kafka(address), _) => Some(format!("topic: read from Kafka at {address}")),
            (TopicSource::Told { instead: None }, told) => told.map(|told| format!("topic: {told}")),
            (TopicSource::Told { instead: Some(why) }, None) => Some(format!("topic: {why}")),
            (TopicSource::Told { instead: Some(why) }, Some(told)) => {
                Some(format!("topic: {why}; shown {told}"))
            }
        };
        ahead.chain(topic).collect()
    }

    fn partitions(&self, all: bool) -> Vec<String> {
        let there: Vec<_> =
            self.seen.followers.iter().filter_map(|f| Some((f.name, f.standing.as_ref()?))).collect();
        // The partition, the log's position, and how far somebody is away from it, at most.
        let away = |(partition, head): (usize, &i64)| {
            let away = there.iter().map(|(_, standing)| (head - at(standing, partition)).unsigned_abs());
            (partition, *head, away.max().unwrap_or(0))
        };
        let mut shown: Vec<_> = self.seen.heads.iter().enumerate().map(away).collect();
        let partitions = shown.len();
        let few = all || partitions <= ROWS_MAX;
        if !few {
            shown.retain(|(_, _, away)| *away > 0);
        }
        let uneven = shown.len();
        if !few && uneven > ROWS_MAX {
            shown.sort_by_key(|(partition, _, away)| (Reverse(*away), *partition));
            shown.truncate(ROWS_MAX);
            shown.sort_unstable();
        }
        let mut table = table(["partition", "log"].into_iter().chain(there.iter().map(|(name, _)| *name)));
        for (partition, head, _) in &shown {
            let cells = there.iter().map(|(_, standing)| compared(at(standing, *partition), *head));
            table.add_row([partition.to_string(), count(*head)].into_iter().chain(cells));
        }
        right(&mut table, 0);
        let mut lines = if shown.is_empty() { vec![] } else { rows(&table) };
        match (few, uneven) {
            (true, _) => {}
            (false, 0) => lines.push(format!("in all {} partitions everybody has everything", many(partitions))),
            (false, 1..=ROWS_MAX) => lines
                .push(format!("in the other {} partitions everybody has everything", many(partitions - uneven))),
            (false, _) => lines.push(format!(
                "somebody is behind in {} partitions; these are the {ROWS_MAX} where it is most, --all shows all",
                many(uneven)
            )),
        }
        lines
    }

    fn workers(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .owners
            .iter()
            .map(|owner| {
                let partitions = counted(owner.partitions, "partition");
                // Behind the address stands which boot of its machine it was.
                match owner.owner_address.as_deref().and_then(|address| address.split_whitespace().next()) {
                    Some(address) => format!(
                        "writer at {address}: {partitions}, {}",
                        lease(owner.lease_seconds.unwrap_or(0.0))
                    ),
                    None => format!("nobody writes {partitions}"),
                }
            })
            .collect();
        lines.extend(self.relays.iter().map(|relay| {
            format!(
                "relay {}: {}, {}",
                relay.relay_id,
                counted(relay.partitions, "partition"),
                lease(relay.lease_seconds)
            )
        }));
        if self.relays.is_empty() {
            lines.push("no relay is running".to_owned());
        }
        lines
    }
}

fn table(header: impl IntoIterator<Item = &'static str>) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}

/// Aligns the columns from this one on to the right, and sets them apart.
fn right(table: &mut Table, from: usize) {
    for (nth, column) in table.column_iter_mut().enumerate() {
        column.set_padding(BETWEEN);
        if nth >= from {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn rows(table: &Table) -> Vec<String> {
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn at(standing: &Standing, partition: usize) -> i64 {
    standing.positions.get(partition).copied().unwrap_or(0)
}

/// A position beside the log's: the same, or how many events lie between.
fn compared(position: i64, head: i64) -> String {
    match position - head {
        0 => "=".to_owned(),
        between if between > 0 => format!("{} (+{})", count(position), count(between)),
        between => format!("{} (-{})", count(position), count(-between)),
    }
}

fn count(events: i64) -> String {
    HumanCount(events.try_into().unwrap_or(0)).to_string()
}

fn many(things: usize) -> String {
    HumanCount(things as u64).to_string()
}

fn counted(number: i64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

fn age(seconds: f64) -> String {
    if seconds > 0.0 { format!("{:#}", HumanDuration(duration(seconds))) } else { NOTHING.to_owned() }
}

fn lease(seconds: f64) -> String {
    if seconds > 0.0 {
        return "lease is good".to_owned();
    }
    format!("lease ended {:#} ago", HumanDuration(duration(-seconds)))
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_domain::Timestamp;
    use holdfast_event_log::{Identity, Owner};
    use holdfast_projector::{Follower, Seen};
    use holdfast_relay::RelayLease;
    use uuid::Uuid;

    fn follower(name: &'static str, positions: Vec<i64>, lag: (i64, f64)) -> Follower {
        let standing = Standing { positions, lag_events: lag.0, lag_seconds: lag.1, ..Standing::default() };
        Follower { name, standing: Some(standing) }
    }

    fn report(heads: Vec<i64>, followers: Vec<Follower>) -> Report {
        let partitions = u16::try_from(heads.len()).unwrap();
        Report {
            log: Identity { log_id: Uuid::nil(), partitions },
            seen: Seen { heads, followers },
            now: Timestamp::default(),
            topic: TopicSource::Kafka("127.0.0.1:9092".to_owned()),
            owners: vec![Owner {
                owner_address: Some("10.0.0.1:80 boot 7".to_owned()),
                partitions: i64::from(partitions),
                lease_seconds: Some(2.0),
            }],
            relays: vec![RelayLease { relay_id: Uuid::nil(), lease_seconds: -3.0, partitions: 2 }],
            first_password: None,
        }
    }

    #[test]
    fn it_is_read_at_a_glance() {
        let behind = follower("availability", vec![1_234, 0], (811, 75.0));
        let nobody = Follower { name: "notifier", standing: None };
        let report =
            report(vec![1_234, 811], vec![follower("topic", vec![1_234, 811], (0, 0.0)), behind, nobody]);
        let expected = "\
log 00000000-0000-0000-0000-000000000000: 2,045 events in 2 partitions

              state      events behind  oldest waits
topic         current                0             ·
availability  behind               811           75s
notifier      not there              ·             ·
topic: read from Kafka at 127.0.0.1:9092

partition    log  topic  availability
        0  1,234      =             =
        1    811      =      0 (-811)

writer at 10.0.0.1:80: 2 partitions, lease is good
relay 00000000-0000-0000-0000-000000000000: 2 partitions, lease ended 3s ago";
        assert_eq!(report.lines(false).join("\n"), expected);
    }

    /// A log may have 1,024 partitions; a person has one screen.
    #[test]
    fn of_many_partitions_those_are_shown_where_somebody_is_behind() {
        let mut positions = vec![5; 1_024];
        let rows = |report: &Report, all| {
            report.lines(all).iter().filter(|line| line.ends_with('=') || line.ends_with("(-2)")).count()
        };
        let even = report(vec![5; 1_024], vec![follower("topic", positions.clone(), (0, 0.0))]);
        assert_eq!((rows(&even, false), rows(&even, true)), (0, 1_024));
        positions.iter_mut().skip(100).take(40).for_each(|position| *position = 3);
        positions[139] = 1;
        let uneven = report(vec![5; 1_024], vec![follower("topic", positions, (82, 1.0))]);
        let lines = uneven.lines(false);
        assert_eq!((rows(&uneven, false), rows(&uneven, true)), (ROWS_MAX - 1, 1_024 - 1));
        assert!(lines.iter().any(|line| line.ends_with("1 (-4)")), "the one that is most behind: {lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("somebody is behind in 40 partitions")));
    }
}
