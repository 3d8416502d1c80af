//! What there is of a broker in a folder, asked without starting or changing anything.

use std::path::Path;

use crate::{BrokerError, Nodes, layout::Layout, node::Node, ports};

/// One node, as it is at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its number, from 1.
    pub node: u8,
    /// Where clients reach it when it runs.
    pub address: String,
    /// Its process; `None` if it does not run.
    pub pid: Option<u32>,
    /// Whether it runs and has finished starting.
    pub started: bool,
    /// How much memory it holds, in MiB.
    pub memory_mib: Option<u64>,
}

/// Every node of the broker in `folder`.
pub fn status(folder: &Path) -> Result<Vec<NodeStatus>, BrokerError> {
    let layout =
        Layout::existing(folder)?.ok_or_else(|| BrokerError::NoBroker { folder: folder.to_owned() })?;
    Ok(nodes(&layout)?.iter().map(of).collect())
}

/// How many nodes the broker in `folder` was made with; `None` if there is no broker there.
pub fn made_for(folder: &Path) -> Result<Option<Nodes>, BrokerError> {
    Ok(Layout::existing(folder)?.map(|layout| layout.nodes))
}

/// The nodes that have ports; none before the first start has come so far.
pub(crate) fn nodes(layout: &Layout) -> Result<Vec<Node>, BrokerError> {
    let ports = ports::kept(&layout.ports())?;
    Ok(layout.nodes.ids().zip(ports).map(|(id, ports)| Node::of(layout, id, ports)).collect())
}

fn of(node: &Node) -> NodeStatus {
    let process = node.process();
    NodeStatus {
        node: node.id,
        address: node.address(),
        pid: process.as_ref().map(|process| process.pid()),
        started: process.is_some() && node.says_started(),
        memory_mib: process.and_then(|process| process.memory_mib()),
    }
}
