//! A handle on a running broker: start, kill, bring back and stop its nodes.
//!
//! Guarantee: at most one caller at a time starts or stops nodes of a folder, over all processes, so two starts of one
//! folder end in one broker that both use. The order of a start: ports, settings and formatting of the nodes that do
//! not run; launch; wait until all are ready together, since three nodes can only start as a quorum.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use holdfast_ambient::{Ambient, Wait};
use rustix::process::Signal;
use tokio::{process::Child, task::JoinSet};
use tracing::{info, warn};

use crate::{
    BrokerError, BrokerOptions, Security,
    layout::{self, Layout},
    node::{KILL_MAX, Node},
    ports::{self, Ports},
    process::Process,
    programs::Programs,
    status,
};

/// How long nodes may take until they are ready: 3 s for one, 7 s for three, and many times that on a busy machine or
/// when a long log is recovered.
const READY_MAX: Duration = Duration::from_secs(120);

/// How long nodes may take to end in order; three that end at once lose their quorum on the way and need 8 s.
const STOP_MAX: Duration = Duration::from_secs(20);

/// How often a start is tried when somebody takes a chosen port before the node listens on it: rare once, and twice
/// in a row only on a machine that has no ports left.
const STARTS_MAX: u8 = 3;

/// A running broker.
///
/// Dropping it kills (SIGKILL) the nodes that this handle has started, so that a test that fails leaves none behind;
/// nodes that it has adopted go on. [`Broker::stop`] ends them in order, [`Broker::leave_running`] leaves them to the
/// next start.
#[derive(Debug)]
pub struct Broker {
    layout: Layout,
    programs: Programs,
    security: Option<Security>,
    nodes: Vec<Node>,
    started_here: Mutex<BTreeSet<u8>>,
}

/// How a broker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// No node was running.
    Already,
    /// Every node in order: the next start has nothing to recover.
    InOrder,
    /// At least one took too long and was killed: the next start recovers its log.
    Killed,
}

impl Broker {
    /// Adopts the nodes that run in `folder` and starts the others, making the folder if it is missing. `chance` gives
    /// it a cluster id and ports.
    pub async fn start(
        folder: &Path,
        options: &BrokerOptions,
        chance: &dyn Ambient,
    ) -> Result<Self, BrokerError> {
        let programs = Programs::find(options).await?;
        options.security.as_ref().map_or(Ok(()), Security::check)?;
        let _until_the_end = layout::lock(folder).await?;
        let layout = Layout::made(folder, options.nodes, chance)?;
        let mut starts = 1;
        loop {
            let broker = Self {
                nodes: with_ports(&layout, chance).await?,
                layout: layout.clone(),
                programs: programs.clone(),
                security: options.security.clone(),
                started_here: Mutex::default(),
            };
            match broker.start_nodes().await {
                Ok(()) => return Ok(broker),
                Err(error) if starts < STARTS_MAX && broker.has_lost_a_port(&error) => {
                    warn!("a chosen port was taken meanwhile; starting again with another");
                    stop(&broker.nodes).await?;
                    starts += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What a client is given: the address of every node, between commas.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.nodes.iter().map(Node::address).collect::<Vec<_>>().join(",")
    }

    /// Process ids of the nodes that run.
    #[must_use]
    pub fn node_pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::process).map(|process| process.pid()).collect()
    }

    /// Process id of one node; `None` if it does not run.
    pub fn node_pid(&self, node: u8) -> Result<Option<u32>, BrokerError> {
        Ok(self.node(node)?.process().map(|process| process.pid()))
    }

    /// Whether every node's process lives; it may still be starting or ending.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.node_pids().len() == self.nodes.len()
    }

    /// Kills one node as a crash would (SIGKILL), and waits until it is gone.
    pub async fn kill_node(&self, node: u8) -> Result<(), BrokerError> {
        match self.node(node)?.process() {
            Some(process) => process.kill(KILL_MAX).await,
            None => Ok(()),
        }
    }

    /// Starts one node again and waits until it is ready; one that runs is only waited for.
    pub async fn start_node(&self, node: u8) -> Result<(), BrokerError> {
        let node = self.node(node)?;
        let _until_the_end = layout::lock(&self.layout.folder).await?;
        let child = if node.process().is_some() { None } else { Some(self.launch(node).await?) };
        ready(vec![(node, child)]).await
    }

    /// Ends every node: in order within 20 s, else at once.
    pub async fn stop(&self) -> Result<Stop, BrokerError> {
        let _until_the_end = layout::lock(&self.layout.folder).await?;
        stop(&self.nodes).await
    }

    /// Ends whatever runs of the broker in `folder`, like [`Broker::stop`]; for who has no handle on it.
    pub async fn stop_whatever_runs(folder: &Path) -> Result<Stop, BrokerError> {
        if Layout::existing(folder)?.is_none() {
            return Err(BrokerError::NoBroker { folder: folder.to_owned() });
        }
        let _until_the_end = layout::lock(folder).await?;
        match Layout::existing(folder)? {
            Some(layout) => stop(&status::nodes(&layout)?).await,
            None => Ok(Stop::Already),
        }
    }

    /// Gives the nodes up without ending them: the next start on the folder adopts them.
    pub fn leave_running(self) {
        self.lock_started_here().clear();
    }

    async fn start_nodes(&self) -> Result<(), BrokerError> {
        let mut preparing = JoinSet::new();
        let mut launched = Vec::new();
        for node in &self.nodes {
            if let Some(process) = node.process() {
                info!(node = node.id, pid = process.pid(), "adopted node {} of Kafka", node.id);
                launched.push((node, None));
                continue;
            }
            // Beside each other: each formatting starts a Java of its own.
            let (node, all) = (node.clone(), self.nodes.clone());
            let (programs, layout) = (self.programs.clone(), self.layout.clone());
            let security = self.security.clone();
            preparing.spawn(async move {
                node.prepare(&programs, &layout, &all, security.as_ref()).await.map(|()| node.id)
            });
        }
        for prepared in preparing.join_all().await {
            let node = self.node(prepared?)?;
            launched.push((node, Some(self.launch(node).await?)));
        }
        ready(launched).await
    }

    async fn launch(&self, node: &Node) -> Result<Child, BrokerError> {
        let child = node.launch(&self.programs).await?;
        self.lock_started_here().insert(node.id);
        Ok(child)
    }

    fn node(&self, id: u8) -> Result<&Node, BrokerError> {
        let count = self.layout.nodes.count();
        self.nodes.iter().find(|node| node.id == id).ok_or(BrokerError::NoSuchNode { node: id, count })
    }

    fn has_lost_a_port(&self, error: &BrokerError) -> bool {
        match error {
            BrokerError::PortTaken { .. } => true,
            BrokerError::Died { node, .. } => self.node(*node).is_ok_and(|node| node.ports.taken().is_some()),
            _ => false,
        }
    }

    fn lock_started_here(&self) -> std::sync::MutexGuard<'_, BTreeSet<u8>> {
        self.started_here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let started_here = self.lock_started_here().clone();
        for node in self.nodes.iter().filter(|node| started_here.contains(&node.id)) {
            let Some(process) = node.process() else { continue };
            warn!(
                node = node.id,
                pid = process.pid(),
                "killing node {} of Kafka, which nobody has stopped",
                node.id
            );
            if let Err(error) = process.signal(Signal::KILL) {
                warn!("{error}");
            }
        }
    }
}

/// The nodes with their kept ports, or with new ones where somebody else has taken one.
///
/// The others of three were told the old address of a node that gets a new one, so they are ended and start again too.
async fn with_ports(layout: &Layout, chance: &dyn Ambient) -> Result<Vec<Node>, BrokerError> {
    let kept = ports::kept(&layout.ports())?;
    let mut chosen: Vec<Ports> = Vec::new();
    for id in layout.nodes.ids() {
        let found = kept.get(usize::from(id - 1)).copied();
        let usable = match found {
            Some(ports) if Node::of(layout, id, ports).process().is_some() => Some(ports),
            Some(ports) if ports.taken_for_long().await.is_none() => Some(ports),
            _ => None,
        };
        let others = [kept.as_slice(), &chosen].concat();
        chosen.push(usable.map_or_else(|| Ports::choose(&others, chance), Ok)?);
    }
    let nodes: Vec<Node> =
        layout.nodes.ids().zip(&chosen).map(|(id, ports)| Node::of(layout, id, *ports)).collect();
    if chosen != kept {
        stop(&nodes).await?;
        ports::keep(&layout.ports(), &chosen)?;
    }
    Ok(nodes)
}

/// Waits until all of them are ready, and says which one died or was too slow.
async fn ready(mut waited_for: Vec<(&Node, Option<Child>)>) -> Result<(), BrokerError> {
    let mut wait = Wait::at_most(READY_MAX);
    loop {
        let mut slow = None;
        for (node, child) in &mut waited_for {
            let ended = match child {
                Some(child) => !matches!(child.try_wait(), Ok(None)),
                None => node.process().is_none(),
            };
            if ended {
                return Err(node.died());
            }
            if !node.is_ready().await {
                slow = Some(*node);
            }
        }
        let Some(slow) = slow else { break };
        if !wait.again().await {
            return Err(slow.not_ready(READY_MAX));
        }
    }
    for (node, child) in waited_for {
        if let Some(child) = child {
            info!(
                node = node.id,
                pid = child.id(),
                "node {} of Kafka is ready at {}",
                node.id,
                node.address()
            );
            tokio::spawn(collect(node.id, child));
        }
    }
    Ok(())
}

/// Asks all of them to end, and after a while kills those that have not.
async fn stop(nodes: &[Node]) -> Result<Stop, BrokerError> {
    let running: Vec<Process> = nodes.iter().filter_map(Node::process).collect();
    if running.is_empty() {
        return Ok(Stop::Already);
    }
    for process in &running {
        process.signal(Signal::TERM)?;
    }
    let mut wait = Wait::at_most(STOP_MAX);
    while !running.iter().all(Process::is_gone) {
        if !wait.again().await {
            for process in &running {
                process.kill(KILL_MAX).await?;
            }
            return Ok(Stop::Killed);
        }
    }
    Ok(Stop::InOrder)
}

/// Collects a node's exit status as long as we live, so that it does not stay behind as a zombie.
async fn collect(node: u8, mut child: Child) {
    match child.wait().await {
        Ok(status) => info!(node, "node {node} of Kafka has ended: {status}"),
        Err(error) => warn!(node, "could not wait for the end of node {node} of Kafka: {error}"),
    }
}
