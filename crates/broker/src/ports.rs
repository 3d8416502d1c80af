//! The ports of the nodes: chosen once, kept in the folder, changed only when somebody else has taken one.
//!
//! Guarantee: a chosen port lies below those that the system gives to outgoing connections. Otherwise a client that
//! tries to reach a dead node could be given the node's own port to call from, connect to itself, and keep the node
//! from coming back.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::Duration,
};

use holdfast_ambient::Ambient;

use crate::{BrokerError, layout};
use holdfast_ambient::Wait;

/// The first port that we choose; well-known services lie below.
const FIRST: u16 = 20_000;

/// The first port of outgoing connections unless Linux is told otherwise.
const OUTGOING_FIRST: u16 = 32_768;

/// How many ports are tried: even when nine of ten are taken, one is found.
const TRIES_MAX: u16 = 200;

/// How long a port may stay taken before it counts as somebody else's: a node that was killed a moment ago, by
/// whomever, is no longer recognised as ours while the system still closes its files.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// The two ports of a node, on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    /// Clients and other brokers.
    pub(crate) client: u16,
    /// Other controllers.
    pub(crate) controller: u16,
}

impl Ports {
    /// Two free ports that are not among `others`. They can be taken before the node listens; then it is started anew.
    pub(crate) fn choose(others: &[Self], chance: &dyn Ambient) -> Result<Self, BrokerError> {
        let client = one(others, None, chance)?;
        Ok(Self { client, controller: one(others, Some(client), chance)? })
    }

    /// The one of the two that somebody goes on listening on.
    pub(crate) async fn taken_for_long(self) -> Option<u16> {
        let mut wait = Wait::at_most(RELEASE_MAX);
        while self.taken().is_some() && wait.again().await {}
        self.taken()
    }

    /// The one of the two that somebody listens on.
    pub(crate) fn taken(self) -> Option<u16> {
        [self.client, self.controller].into_iter().find(|port| !is_free(*port))
    }
}

/// The kept ports, node by node; empty if there are none that make sense, and new ones are needed.
pub(crate) fn kept(file: &Path) -> Result<Vec<Ports>, BrokerError> {
    let text = layout::read(file)?.unwrap_or_default();
    Ok(text.lines().map(parse).collect::<Option<_>>().unwrap_or_default())
}

/// Keeps them: a line for each node.
pub(crate) fn keep(file: &Path, ports: &[Ports]) -> Result<(), BrokerError> {
    let lines: Vec<String> =
        ports.iter().map(|ports| format!("{} {}", ports.client, ports.controller)).collect();
    layout::write_whole(file, &lines.join("\n"))
}

fn parse(line: &str) -> Option<Ports> {
    let (client, controller) = line.split_once(' ')?;
    Some(Ports { client: client.parse().ok()?, controller: controller.parse().ok()? })
}

fn one(others: &[Ports], other: Option<u16>, chance: &dyn Ambient) -> Result<u16, BrokerError> {
    let span = end() - FIRST;
    for _ in 0..TRIES_MAX {
        let mut bytes = [0; 2];
        chance.random(&mut bytes);
        let port = FIRST + u16::from_le_bytes(bytes) % span;
        let ours = others.iter().any(|ports| ports.client == port || ports.controller == port);
        if !ours && other != Some(port) && is_free(port) {
            return Ok(port);
        }
    }
    Err(BrokerError::NoFreePort { tried: TRIES_MAX })
}

/// Where our ports end: at the first port of outgoing connections, unless that leaves too few to choose from.
fn end() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = text.split_whitespace().next().and_then(|word| word.parse().ok());
    first.filter(|first| *first >= FIRST + 10 * TRIES_MAX).unwrap_or(OUTGOING_FIRST)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use holdfast_ambient::Machine;

    use super::*;

    #[test]
    fn chosen_ports_are_free_distinct_and_no_outgoing_ones() -> Result<(), BrokerError> {
        let first = Ports::choose(&[], &Machine)?;
        let second = Ports::choose(&[first], &Machine)?;
        let mut all = vec![first.client, first.controller, second.client, second.controller];
        assert!(all.iter().all(|port| (FIRST..end()).contains(port)), "{all:?}");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
        Ok(())
    }

    #[test]
    fn a_file_that_makes_no_sense_means_new_ports() {
        assert_eq!(parse("20001 20002"), Some(Ports { client: 20_001, controller: 20_002 }));
        assert_eq!(parse("20001"), None);
        assert_eq!(parse("20001 x"), None);
    }
}
