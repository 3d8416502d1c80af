//! What processes cost, from `/proc`: CPU seconds and memory.
//!
//! A family is a process and its children: Postgres is one. CPU of children that have ended is in their parent's
//! account, so a family's seconds only grow.

use anyhow::Context as _;
use rustix::param::clock_ticks_per_second;
use std::fs;

/// Memory of a process or a family, in MB (millions of bytes).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Resident pages; pages shared within a family are counted once for each.
    pub(crate) resident: f64,
    /// Resident pages, shared ones divided by those who share them. Adds up over a family.
    pub(crate) proportional: f64,
}

/// CPU ticks of one process.
struct Ticks {
    parent: u32,
    own: u64,
    ended_children: u64,
}

/// CPU seconds of a process, its threads included, its children not.
pub(crate) fn cpu_of(pid: u32) -> anyhow::Result<f64> {
    Ok(seconds(ticks(pid).with_context(|| format!("process {pid} is gone"))?.own))
}

/// CPU seconds of a process and all its children, ended ones included.
pub(crate) fn cpu_of_family(pid: u32) -> anyhow::Result<f64> {
    let parent = ticks(pid).with_context(|| format!("process {pid} is gone"))?;
    let children = children(pid).into_iter().filter_map(ticks).map(|child| child.own + child.ended_children);
    Ok(seconds(parent.own + parent.ended_children + children.sum::<u64>()))
}

/// CPU seconds of everything on this machine: programs, the kernel, interrupts, and what the host took away.
pub(crate) fn cpu_of_machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    seconds(text.lines().next().and_then(not_idle).unwrap_or(0))
}

/// CPU seconds of the children of ours that have ended.
pub(crate) fn cpu_of_ended_children() -> f64 {
    ticks(std::process::id()).map_or(0.0, |me| seconds(me.ended_children))
}

/// Memory of one process.
pub(crate) fn memory_of(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    Memory { resident: megabytes(&status, "VmRSS:"), proportional: megabytes(&rollup, "Pss:") }
}

/// Memory of a process and its children.
pub(crate) fn memory_of_family(pid: u32) -> Memory {
    children(pid).into_iter().map(memory_of).fold(memory_of(pid), |sum, child| Memory {
        resident: sum.resident + child.resident,
        proportional: sum.proportional + child.proportional,
    })
}

fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|child| ticks(*child).is_some_and(|ticks| ticks.parent == pid)).collect()
}

fn ticks(pid: u32) -> Option<Ticks> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name stands in parentheses and may hold anything; fields are counted from behind it (proc(5)).
fn parse(stat: &str) -> Option<Ticks> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |nth: usize| fields.get(nth)?.parse::<u64>().ok();
    Some(Ticks {
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        ended_children: number(13)? + number(14)?,
    })
}

/// Of the line `cpu`: user nice system idle iowait irq softirq steal; guests are in user already.
fn not_idle(cpu: &str) -> Option<u64> {
    let fields: Vec<u64> =
        cpu.strip_prefix("cpu ")?.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let idle = fields.get(3)? + fields.get(4)?;
    Some(fields.iter().take(8).sum::<u64>() - idle)
}

#[expect(clippy::cast_precision_loss, reason = "ticks of minutes, a hundred a second")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

/// A line such as `VmRSS:   1234 kB` (which are KiB), in MB; 0 if it is missing.
fn megabytes(text: &str, label: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194304 1 2 3 4 110 12 13 14 20 0 1 0 99 0 0";
        let ticks = parse(stat).unwrap();
        assert_eq!((ticks.parent, ticks.own, ticks.ended_children), (3, 122, 27));
    }

    #[test]
    fn idle_and_waiting_cores_are_not_busy() {
        assert_eq!(not_idle("cpu  10 1 20 1000 100 3 4 5 7 0"), Some(43));
    }

    #[test]
    fn this_process_has_a_parent_time_and_memory() {
        let me = std::process::id();
        assert!(ticks(me).is_some_and(|ticks| ticks.parent > 0) && cpu_of_family(me).is_ok());
        assert!(memory_of(me).resident > 1.0);
    }
}
