//! Why a private broker could not be made, started or stopped.
//!
//! Every text says what the operator can change; what went wrong underneath stays in `source`.

use std::{io, path::PathBuf, process::ExitStatus};

use crate::programs::OLDEST_JAVA;

/// A private broker could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Nobody said where Kafka's jars are.
    #[error(
        "HOLDFAST_KAFKA_LIBS must name the folder with Apache Kafka's jars. scripts/kafka and scripts/test fetch them \
         and set it; run one of those"
    )]
    LibsUnknown,
    /// The folder has no Kafka in it.
    #[error(
        "{folder} has no jar of Apache Kafka (kafka_2.13-*.jar). Set HOLDFAST_KAFKA_LIBS to a folder that has them, \
         or leave it unset and run scripts/kafka or scripts/test, which fetch them"
    )]
    LibsMissing {
        /// The folder that was looked at.
        folder: PathBuf,
    },
    /// Java cannot be run.
    #[error(
        "Kafka needs Java {OLDEST_JAVA} or newer, and `{program}` cannot be run. On Debian or Ubuntu run `apt-get \
         install openjdk-17-jre-headless`; elsewhere install it and set HOLDFAST_JAVA to its `java`"
    )]
    JavaMissing {
        /// What was tried.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something answers to that name, and it is no Java that we can use.
    #[error(
        "Kafka needs Java {OLDEST_JAVA} or newer, and `{program} -version` says: {said}. Install a newer one, or set \
         HOLDFAST_JAVA to its `java`"
    )]
    JavaUnfit {
        /// What was run.
        program: PathBuf,
        /// What it printed.
        said: String,
    },
    /// The folder holds something that we did not make.
    #[error(
        "{folder} has files in it and is no broker's folder (it has no `cluster-id`). Choose an empty folder, or one \
         that does not exist yet"
    )]
    ForeignFolder {
        /// The folder as it was given.
        folder: PathBuf,
    },
    /// There is no broker's folder.
    #[error("there is no broker in {folder}; `start` makes one")]
    NoBroker {
        /// The folder as it was given.
        folder: PathBuf,
    },
    /// The folder was made for another number of nodes; their data cannot be turned into each other.
    #[error(
        "the broker in {folder} was made with {made_for} node(s), and {wanted} are asked for. Ask for {made_for}, or \
         choose another folder"
    )]
    OtherNodes {
        /// The folder.
        folder: PathBuf,
        /// What it was made for.
        made_for: u8,
        /// What was asked for.
        wanted: u8,
    },
    /// A file that we keep in the folder has been changed.
    #[error("{file} does not hold {expected}. Put it back as it was, or start with another folder")]
    FileBroken {
        /// The file.
        file: PathBuf,
        /// What should be in it.
        expected: &'static str,
    },
    /// A user's name or password would break the settings it is written into.
    #[error("the {what} of a secured broker may have letters, digits and - _ . alone, and not be empty")]
    SecurityUnfit {
        /// Which of them.
        what: &'static str,
    },
    /// The folder was made for another user, or for none.
    #[error(
        "the data of node {node} in {folder} were made with another user and password, or none. Give those it was made \
         with, or choose another folder"
    )]
    OtherUser {
        /// The node.
        node: u8,
        /// Its folder.
        folder: PathBuf,
    },
    /// There is no such node.
    #[error("there is no node {node}; this broker has nodes 1 to {count}")]
    NoSuchNode {
        /// The number that was asked for.
        node: u8,
        /// How many there are.
        count: u8,
    },
    /// No port is free.
    #[error("none of {tried} ports tried on 127.0.0.1 is free; end some of the programs that listen on them")]
    NoFreePort {
        /// How many were tried.
        tried: u16,
    },
    /// Somebody else listens where this node must.
    #[error(
        "port {port} of node {node} is taken by another program. End that program, or stop and start the whole \
         broker, which gives the node other ports"
    )]
    PortTaken {
        /// The node.
        node: u8,
        /// Its port.
        port: u16,
    },
    /// Somebody else is starting or stopping this broker and does not finish.
    #[error(
        "another process has been starting or stopping the broker in {folder} for {waited_seconds} s; end it and try \
         again"
    )]
    LockTaken {
        /// The folder.
        folder: PathBuf,
        /// How long we waited.
        waited_seconds: u64,
    },
    /// A node's data folder could not be formatted.
    #[error("Kafka could not format the data folder of node {node} ({status}): {output}")]
    FormatFailed {
        /// The node.
        node: u8,
        /// How it ended.
        status: ExitStatus,
        /// The end of what was printed and logged.
        output: String,
    },
    /// A node ended while it was starting.
    #[error("node {node} of Kafka ended while starting; the end of its logs in {folder}:\n{tail}")]
    Died {
        /// The node.
        node: u8,
        /// Its folder.
        folder: PathBuf,
        /// The last lines of its logs.
        tail: String,
    },
    /// A node is alive and not ready.
    #[error(
        "node {node} of Kafka (process {pid}) was not ready within {waited_seconds} s. Start again to go on waiting, \
         on a machine with more time for it. The end of its logs in {folder}:\n{tail}"
    )]
    NotReady {
        /// The node.
        node: u8,
        /// Its process.
        pid: u32,
        /// How long we waited.
        waited_seconds: u64,
        /// Its folder.
        folder: PathBuf,
        /// The last lines of its logs.
        tail: String,
    },
    /// A process outlives every signal.
    #[error(
        "process {pid} of Kafka in {folder} does not end; look at it with `ps -p {pid}` and end it by hand"
    )]
    StillRunning {
        /// The process.
        pid: u32,
        /// Its node's folder.
        folder: PathBuf,
    },
    /// A file or folder could not be read or made, or a process not be reached.
    #[error("could not {doing} {path}")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Adds to an IO error what was being done to which path.
pub(crate) trait Doing<T> {
    /// Names the action ("read", "create") and the path.
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, BrokerError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, BrokerError> {
        self.map_err(|source| BrokerError::Io { doing, path: path.into(), source })
    }
}
