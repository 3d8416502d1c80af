//! Real Postgres and Kafka for tests, and faults on the way to it.
//!
//! - [`database`]: a fresh, migrated database on a server that all tests of this machine share.
//! - [`cluster`]: a server of one's own, for tests that kill or stop it.
//! - [`kafka`]: a real Kafka broker that all tests of this machine share.
//! - [`SmtpServer`]: a real SMTP server with a mailbox, and with faults.
//! - [`certificates`]: for servers that speak TLS.
//! - [`Proxy`]: stands between a client and Postgres and loses what the test says, for example the answer to a COMMIT.
//! - [`eventually`]: waits for a condition with a deadline, instead of sleeping.
//!
//! Guarantee: nothing is simulated. The server is durable as in production, and a lost answer is the answer of a
//! statement that the server has finished.
//!
//! A failing set-up panics: the test has nothing else to do.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test's set-up fails by panicking"
)]

mod certificates;
mod database;
mod eventually;
mod kafka;
mod own_cluster;
mod place;
mod proxy;
mod server;
mod smtp;
mod sync;

pub use certificates::{Certificates, certificates};
pub use database::{TestDatabase, database, empty_database};
pub use eventually::eventually;
pub use kafka::kafka;
pub use own_cluster::{TestCluster, cluster};
pub use place::open_folder;
pub use proxy::Proxy;
pub use smtp::{SMTP_PASSWORD, SMTP_USER, SmtpServer};
