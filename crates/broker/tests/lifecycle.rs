//! A broker's life on one folder: made, stopped, started again, adopted, killed. Real Java, real signals.

mod common;

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use common::{Result, options, start, until};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerError, Nodes, Stop, status};
use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process};
use tempfile::tempdir;
use tokio::net::TcpStream;

/// What Kafka has written down about a node's data folder; another one would have another `directory.id`.
fn identity(folder: &Path, node: u8) -> Result<String> {
    let text = fs::read_to_string(folder.join(format!("node-{node}/data/meta.properties")))?;
    Ok(text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn a_stopped_node_starts_again_with_its_address_and_data() -> Result {
    let folder = tempdir()?;
    let data = folder.path().join("made/here");
    let first = start(&data, Nodes::One).await?;
    TcpStream::connect(first.bootstrap()).await?;
    assert!(first.is_alive());
    let (address, identity_before) = (first.bootstrap(), identity(&data, 1)?);
    assert!(
        identity_before.contains(fs::read_to_string(data.join("cluster-id"))?.trim()),
        "{identity_before}"
    );
    assert_eq!(first.stop().await?, Stop::InOrder);
    assert_eq!(first.stop().await?, Stop::Already);
    assert!(!first.is_alive());

    let second = start(&data, Nodes::One).await?;
    assert_eq!(second.bootstrap(), address);
    assert_eq!(identity(&data, 1)?, identity_before);
    second.stop().await?;
    Ok(())
}

/// The first restart is by the same handle, as a watcher does it; the second by a new one, as after a crash of ours.
#[tokio::test]
async fn a_killed_node_comes_back() -> Result {
    let folder = tempdir()?;
    let broker = start(folder.path(), Nodes::One).await?;
    let (address, first) = (broker.bootstrap(), broker.node_pid(1)?);
    broker.kill_node(1).await?;
    assert!(!broker.is_alive());
    assert!(TcpStream::connect(&address).await.is_err(), "nobody listens for a dead node");
    broker.start_node(1).await?;
    assert!(broker.is_alive());
    assert_ne!(broker.node_pid(1)?, first);

    broker.kill_node(1).await?;
    let again = start(folder.path(), Nodes::One).await?;
    assert_eq!(again.bootstrap(), address);
    TcpStream::connect(&address).await?;
    again.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_node_whose_starter_is_gone_is_adopted_and_outlives_who_adopts_it() -> Result {
    let folder = tempdir()?;
    let first = start(folder.path(), Nodes::One).await?;
    let (pids, address) = (first.node_pids(), first.bootstrap());
    first.leave_running();

    let adopted = start(folder.path(), Nodes::One).await?;
    assert_eq!((adopted.node_pids(), adopted.bootstrap()), (pids.clone(), address));
    drop(adopted);
    let found = status(folder.path())?;
    assert_eq!(found.iter().filter_map(|node| node.pid).collect::<Vec<_>>(), pids);
    assert!(found.iter().all(|node| node.started && node.memory_mib > Some(50)), "{found:?}");
    assert_eq!(Broker::stop_whatever_runs(folder.path()).await?, Stop::InOrder);
    Ok(())
}

/// The starter is killed between launching the node and seeing it ready: nothing that it wrote down names the process.
#[tokio::test]
async fn a_start_that_is_killed_half_way_is_finished_by_the_next() -> Result {
    let folder = tempdir()?;
    options(Nodes::One)?;
    let mut starter = Command::new(env!("CARGO_BIN_EXE_holdfast-broker"))
        .args(["start", "--data"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()?;
    let launched = || status(folder.path()).ok()?.into_iter().find_map(|node| node.pid);
    let pid = until("the node runs", launched).await?;
    starter.kill()?;
    starter.wait()?;

    let broker = start(folder.path(), Nodes::One).await?;
    assert_eq!(broker.node_pids(), [pid]);
    broker.stop().await?;
    Ok(())
}

#[tokio::test]
async fn two_starts_at_once_end_in_one_broker() -> Result {
    let folder = tempdir()?;
    let (one, other) = tokio::join!(start(folder.path(), Nodes::One), start(folder.path(), Nodes::One));
    let (one, other) = (one?, other?);
    assert_eq!(one.node_pids(), other.node_pids());
    assert_eq!(one.node_pids().len(), 1);
    one.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_handle_that_is_dropped_leaves_no_node_behind() -> Result {
    let folder = tempdir()?;
    drop(start(folder.path(), Nodes::One).await?);
    let gone = || status(folder.path()).ok()?.iter().all(|node| node.pid.is_none()).then_some(());
    until("the node is gone", gone).await?;

    // The same for a start that is given up half way, wherever that is.
    let _ = tokio::time::timeout(Duration::from_secs(1), start(folder.path(), Nodes::One)).await;
    until("the node is gone", gone).await?;
    Ok(())
}

/// A data folder that is formatted half is no data folder: Kafka would refuse it, and formatting it again too.
#[tokio::test]
async fn a_folder_whose_making_was_interrupted_is_made_by_the_next_start() -> Result {
    let folder = tempdir()?;
    for milliseconds in [150, 700] {
        let interrupted = start(folder.path(), Nodes::One);
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), interrupted).await;
    }
    // What the formatter leaves when it is killed in the middle.
    fs::create_dir_all(folder.path().join("node-1/data.unfinished/__cluster_metadata-0"))?;
    let broker = start(folder.path(), Nodes::One).await?;
    assert!(broker.is_alive());
    broker.stop().await?;
    Ok(())
}

#[tokio::test]
async fn ports_that_somebody_else_has_taken_are_replaced() -> Result {
    let folder = tempdir()?;
    let first = start(folder.path(), Nodes::One).await?;
    let address = first.bootstrap();
    first.stop().await?;
    let kept = fs::read_to_string(folder.path().join("ports"))?;
    let ports: Vec<u16> = kept.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let taken: Vec<_> = ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port))).collect();
    assert!(matches!(first.start_node(1).await, Err(BrokerError::PortTaken { node: 1, .. })));

    let second = start(folder.path(), Nodes::One).await?;
    assert_ne!(second.bootstrap(), address);
    second.stop().await?;
    drop(taken);
    Ok(())
}

#[tokio::test]
async fn three_nodes_start_and_one_that_is_killed_comes_back() -> Result {
    let folder = tempdir()?;
    let broker = start(folder.path(), Nodes::Three).await?;
    assert_eq!(broker.bootstrap().split(',').count(), 3);
    for address in broker.bootstrap().split(',') {
        TcpStream::connect(address).await?;
    }
    for pid in broker.node_pids() {
        let group = getpgid(Pid::from_raw(pid.try_into()?))?;
        assert_ne!(group, getpgrp(), "Ctrl-C at our terminal would reach Kafka");
    }
    let before = (broker.bootstrap(), identity(folder.path(), 2)?);
    broker.kill_node(2).await?;
    assert_eq!(broker.node_pids().len(), 2, "the others go on");
    assert!(!broker.is_alive());
    broker.start_node(2).await?;
    assert!(broker.is_alive());
    assert_eq!((broker.bootstrap(), identity(folder.path(), 2)?), before);

    // Killed from outside, all at once, as when the machine fails; a new start brings all of them back.
    for pid in broker.node_pids() {
        kill_process(Pid::from_raw(pid.try_into()?).ok_or("a pid")?, Signal::KILL)?;
    }
    until("all nodes are gone", || broker.node_pids().is_empty().then_some(())).await?;
    let again = start(folder.path(), Nodes::Three).await?;
    assert_eq!(again.bootstrap(), before.0);
    again.stop().await?;
    Ok(())
}

/// The other two know the old address of the node, as voters of one quorum do, so they must be told the new one.
#[tokio::test]
async fn a_node_of_three_whose_port_is_taken_moves_and_the_others_learn_where_to() -> Result {
    let folder = tempdir()?;
    let first = start(folder.path(), Nodes::Three).await?;
    let addresses = first.bootstrap();
    first.kill_node(3).await?;
    let controller = fs::read_to_string(folder.path().join("ports"))?;
    let controller: u16 =
        controller.lines().last().and_then(|line| line.split(' ').nth(1)).ok_or("a port")?.parse()?;
    let taken = TcpListener::bind(("127.0.0.1", controller))?;

    let second = start(folder.path(), Nodes::Three).await?;
    assert!(second.is_alive());
    let moved = addresses
        .split(',')
        .zip(second.bootstrap().split(','))
        .map(|(old, new)| old != new)
        .collect::<Vec<_>>();
    assert_eq!(moved, [false, false, true], "{addresses}, now {}", second.bootstrap());
    second.stop().await?;
    drop(taken);
    Ok(())
}

/// Java ends within a second, long before the deadline; the reason stands in its log, and so in the error.
#[tokio::test]
async fn a_node_that_dies_while_starting_says_why() -> Result {
    let folder = tempdir()?;
    let broker = start(folder.path(), Nodes::One).await?;
    broker.stop().await?;
    fs::remove_file(folder.path().join("node-1/data/meta.properties"))?;
    match Broker::start(folder.path(), &options(Nodes::One)?, &Machine).await {
        Err(error @ BrokerError::Died { node: 1, .. }) => {
            assert!(error.to_string().contains("meta.properties"), "{error}");
            Ok(())
        }
        other => Err(format!("{other:?}").into()),
    }
}
