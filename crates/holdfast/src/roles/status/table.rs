//! The report as a person reads it: quiet where all is well.

use super::{Report, TopicSource};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use holdfast_projector::{FollowerState, Standing};
use indicatif::{HumanCount, HumanDuration};
use std::time::Duration;

/// Partitions that are shown unless all are asked for: a screen. Of a log with more, those where somebody lags.
const ROWS_MAX: usize = 32;
/// Nothing to say.
const NOTHING: &str = "·";

impl Report {
    pub(super) fn lines(&self, all: bool) -> Vec<String> {
        let mut lines = vec![
            format!(
                "log {}: {} in {} partitions",
                self.log.log_id,
                counted(self.events(), "event"),
                self.log.partitions
            ),
            String::new(),
        ];
        lines.extend(self.followers());
        lines.extend(self.notes());
        lines.push(String::new());
        lines.extend(self.partitions(all));
        lines.push(String::new());
        lines.extend(self.workers());
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
        let told = told.map(|ago| format!("its last change that a relay told, {:#} ago", HumanDuration(ago)));
        let topic = match (&self.topic, told) {
            (TopicSource::Kafka(address), _) => Some(format!("topic: read from Kafka at {address}")),
            (TopicSource::Told { instead: None }, told) => told.map(|told| format!("topic: {told}")),
            (TopicSource::Told { instead: Some(why) }, None) => Some(format!("topic: {why}")),
            (TopicSource::Told { instead: Some(why) }, Some(told)) => {
                Some(format!("topic: {why}; this is {told}"))
            }
        };
        ahead.chain(topic).collect()
    }

    fn partitions(&self, all: bool) -> Vec<String> {
        let there: Vec<_> =
            self.seen.followers.iter().filter_map(|f| Some((f.name, f.standing.as_ref()?))).collect();
        let mut table = table(["partition", "log"].into_iter().chain(there.iter().map(|(name, _)| *name)));
        let is_even =
            |(partition, head): &(usize, &i64)| there.iter().all(|(_, s)| at(s, *partition) == **head);
        let few = all || self.seen.heads.len() <= ROWS_MAX;
        let heads = || self.seen.heads.iter().enumerate();
        let uneven = heads().filter(|row| !is_even(row)).count();
        let shown: Vec<_> = heads()
            .filter(|row| few || !is_even(row))
            .take(if few { usize::MAX } else { ROWS_MAX })
            .collect();
        for (partition, head) in &shown {
            let cells = there.iter().map(|(_, standing)| compared(at(standing, *partition), **head));
            table.add_row([partition.to_string(), count(**head)].into_iter().chain(cells));
        }
        right(&mut table, 0);
        let mut lines = if shown.is_empty() { vec![] } else { rows(&table) };
        if !few {
            lines.push(format!(
                "{} shown of {uneven} partitions where somebody is behind; in the other {} everybody has everything (--all shows all)",
                shown.len(),
                self.seen.heads.len() - uneven
            ));
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
                    None => format!("no writer has {partitions}"),
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

/// Aligns the columns from this one on to the right.
fn right(table: &mut Table, from: usize) {
    table.column_iter_mut().skip(from).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
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
