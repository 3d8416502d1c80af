//! What a caller may choose, and the configuration files that the choice leads to.

use std::path::PathBuf;

use crate::Security;

/// Heap of a node unless said otherwise, in MiB: enough for some 100,000 records a second, and three fit on a laptop.
const HEAP_MIB: u32 = 256;

/// How many nodes a folder has. It is decided when the folder is made and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nodes {
    /// One node keeps the only copy.
    #[default]
    One,
    /// Three nodes keep three copies; one of them may be dead.
    Three,
}

impl Nodes {
    /// The choice that means `count` nodes, if there is one.
    #[must_use]
    pub fn from_count(count: u8) -> Option<Self> {
        match count {
            1 => Some(Self::One),
            3 => Some(Self::Three),
            _ => None,
        }
    }

    /// How many they are.
    #[must_use]
    pub fn count(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }

    /// Their numbers, from 1.
    pub(crate) fn ids(self) -> impl Iterator<Item = u8> {
        1..=self.count()
    }

    /// The settings that all of them share: part of the public contract, read when this crate is built.
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Self::One => include_str!("../../../kafka/broker/one-node.properties"),
            Self::Three => include_str!("../../../kafka/broker/three-nodes.properties"),
        }
    }
}

/// What a broker is started with. A node that is adopted keeps what it was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerOptions {
    /// How many nodes.
    pub nodes: Nodes,
    /// The folder with Kafka's jars; `None`: the one that `HOLDFAST_KAFKA_LIBS` names.
    pub libs: Option<PathBuf>,
    /// The program that runs them; `None`: the one that `HOLDFAST_JAVA` names, else `java` on `PATH`.
    pub java: Option<PathBuf>,
    /// Heap of each node in MiB; with what Java needs beside it a node takes about as much again when it is small.
    pub heap_mib: u32,
    /// TLS and a user for the clients' listener; `None`: neither. A folder keeps what it was made with.
    pub security: Option<Security>,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self { nodes: Nodes::default(), libs: None, java: None, heap_mib: HEAP_MIB, security: None }
    }
}
