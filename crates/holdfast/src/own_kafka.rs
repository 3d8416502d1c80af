//! A Kafka of one node for `up --kafka`, in the data folder: started, brought back when it dies, ended in the end.
//!
//! It keeps its address, so relay and projectors find it again by themselves. A start waits until it is ready, because its
//! address is chosen then; from there on bookings never wait for it.

use crate::signals::{POSTGRES_SHARE, Stop};
use anyhow::Context as _;
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use holdfast_cluster::DataFolder;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// The folder within the data folder.
pub(crate) const FOLDER: &str = "kafka";
/// The one node's number.
const NODE: u8 = 1;
/// How often it is looked at; a look reads files of /proc.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest pause between two starts: a full disk is not cured by trying faster.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A running broker, and the task that brings it back.
pub(crate) struct OwnKafka {
    broker: Arc<Broker>,
    keeper: JoinHandle<()>,
}

impl OwnKafka {
    /// Starts the broker, or adopts the one that a killed process has left running.
    pub(crate) async fn start(folder: &DataFolder, stop: &Stop) -> anyhow::Result<Self> {
        let folder = folder.path().join(FOLDER);
        let broker = Broker::start(&folder, &BrokerOptions::default(), &Machine).await;
        let broker = Arc::new(broker.context(
            "Kafka could not be started; `scripts/run --kafka` sets up what it needs, or name another with KAFKA_BROKERS",
        )?);
        let keeper = tokio::spawn(keep(broker.clone(), stop.clone()));
        Ok(Self { broker, keeper })
    }

    /// Ends the broker that a killed `up --kafka` has left running in this folder, if one has: nobody needs it now.
    pub(crate) async fn end_what_was_left(folder: &DataFolder) {
        let folder = folder.path().join(FOLDER);
        if !matches!(holdfast_broker::status(&folder), Ok(nodes) if nodes.iter().any(|node| node.pid.is_some()))
        {
            return;
        }
        match Broker::stop_whatever_runs(&folder).await {
            Ok(_) => {
                tracing::info!("ended the Kafka that an earlier process has left in {}", folder.display())
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a Kafka runs in {}",
                    folder.display()
                );
            }
        }
    }

    /// Where the broker of the data folder `data` listens; none if it does not run.
    pub(crate) fn running_in(data: &Path) -> Option<String> {
        let nodes = holdfast_broker::status(&data.join(FOLDER)).ok()?;
        let running: Vec<_> =
            nodes.into_iter().filter(|node| node.started).map(|node| node.address).collect();
        (!running.is_empty()).then(|| running.join(","))
    }

    /// Where it listens.
    pub(crate) fn brokers(&self) -> String {
        self.broker.bootstrap()
    }

    /// Ends it in order; one that takes too long is killed, and recovers at the next start.
    pub(crate) async fn end(self, stop: &Stop) {
        stop.now();
        let broker = self.broker.clone();
        let end = async {
            if let Err(error) = self.keeper.await {
                tracing::warn!(%error, "the task that keeps Kafka running failed");
            }
            self.broker.stop().await
        };
        match timeout(stop.left_but(POSTGRES_SHARE), end).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "Kafka was not stopped")
            }
            Err(_) => {
                tracing::warn!("Kafka did not end in time; it is killed, and recovers at the next start");
                if let Err(error) = broker.kill_node(NODE).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "Kafka was not killed");
                }
            }
        }
    }
}

/// Starts the node again whenever it has died, until `stop`.
async fn keep(broker: Arc<Broker>, stop: Stop) {
    let mut pause = LOOK_EVERY;
    while stop.or(sleep(pause)).await.is_some() {
        if broker.is_alive() {
            pause = LOOK_EVERY;
            continue;
        }
        tracing::warn!("Kafka has died; it is started again");
        match stop.or(broker.start_node(NODE)).await {
            Some(Ok(())) => tracing::info!("Kafka is back"),
            Some(Err(error)) => {
                tracing::error!(
                    "Kafka could not be started, it is tried again: {:#}",
                    anyhow::Error::new(error)
                );
                pause = (pause * 2).min(RETRY_MAX);
            }
            None => return,
        }
    }
}
