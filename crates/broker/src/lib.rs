//! A private Kafka broker, or three, in a folder: what the tests, the drills and `scripts/kafka` publish to.
//!
//! Guarantee: whatever ended last time (SIGTERM, kill -9 of us, kill -9 of a node), starting on the same folder gives
//! the same cluster with the same topics. A node that is still running is adopted; one that is not is started, and
//! Kafka recovers its log. Every node listens on loopback only, and Ctrl-C at our terminal does not reach it. Kafka
//! does not flush every write to the disk: a kill loses nothing, a power cut may.
//!
//! The folder: `cluster-id` and `nodes` (what it was made for), `ports`, `lock` (who is starting or stopping it), and
//! for each node `node-N/` with `server.properties`, `format.properties` (for the formatting alone), `log4j2.properties`,
//! `data/`, `kafka.log`, `kafka.out` (what Java itself prints) and `started.log`. Linux only: processes are recognised
//! through `/proc`.
//!
//! Not here: topics and records, which are a client's work, and watching nodes while they run; [`Broker::is_alive`]
//! and [`Broker::start_node`] are what a watcher needs. The settings themselves are `kafka/broker/*.properties`.

mod broker;
mod error;
mod layout;
mod log;
mod node;
mod options;
mod ports;
mod process;
mod programs;
mod security;
mod status;

pub use broker::{Broker, Stop};
pub use error::BrokerError;
pub use options::{BrokerOptions, Nodes};
pub use security::Security;
pub use status::{NodeStatus, made_for, status};
