//! A private Postgres cluster in a folder: what `holdfast up` and the tests keep their log in.
//!
//! Guarantee: whatever ended last time (SIGTERM, kill -9 of us, kill -9 of Postgres, loss of power), starting on the
//! same folder gives the same committed data. A cluster that is still running is adopted; one that is not is started,
//! and Postgres recovers it. There is no TCP port and no password: the only way in is a unix socket in a folder that
//! only the server's user and root can enter.
//!
//! The folder: `postgres/` the cluster, `run/` its socket, `postgres.log`, `lock` (who uses the folder),
//! `postgres.lock` (who is starting the cluster). Linux only: processes are recognised through `/proc`.
//!
//! Not here: databases' contents, and watching Postgres while it runs; [`Cluster::is_alive`] and a new
//! [`Cluster::start`] are what a watcher needs.

mod account;
mod cluster;
mod create;
mod error;
mod folder;
mod layout;
mod log;
mod postmaster;
mod programs;
mod settings;
mod socket;
mod start;
mod unprivileged;

pub use cluster::{Cluster, Stop};
pub use error::ClusterError;
pub use folder::{DataFolder, FolderError, SecretFile};
pub use settings::Options;
pub use unprivileged::leave_root;
