//! One node: its files, its formatting, its start, and whether it is ready.
//!
//! Guarantee: a data folder is formatted whole or not at all, because it is made under another name and renamed. Ready
//! means that this start of Kafka has said so and that a connection was accepted, not that some time has passed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::Ipv4Addr,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use tokio::{net::TcpStream, process::Child, time::timeout};

use crate::{
    BrokerError, Nodes, Security,
    error::Doing,
    layout::Layout,
    log,
    ports::Ports,
    process::{FORMATTER, NODE, Process},
    programs::Programs,
};

/// What Kafka writes down, and where: read when this crate is built, like the settings.
const LOG_SETTINGS: &str = include_str!("../../../kafka/broker/log4j2.properties");

/// How long a process may take to be gone after SIGKILL; the system has only memory to give back.
pub(crate) const KILL_MAX: Duration = Duration::from_secs(10);

/// How long a connection on loopback may take; one that takes longer is asked for again.
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// A node of a broker, running or not.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its number, from 1.
    pub(crate) id: u8,
    /// Its ports.
    pub(crate) ports: Ports,
    folder: PathBuf,
}

impl Node {
    /// The node `id` of a broker.
    pub(crate) fn of(layout: &Layout, id: u8, ports: Ports) -> Self {
        Self { id, ports, folder: layout.node(id) }
    }

    /// Where clients reach it.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.ports.client)
    }

    /// The process that is this node, if it runs.
    pub(crate) fn process(&self) -> Option<Process> {
        Process::find(NODE, &self.folder)
    }

    /// Whether it has finished starting.
    pub(crate) fn says_started(&self) -> bool {
        log::says_started(&self.folder.join("started.log"))
    }

    /// Whether it has finished starting and takes connections.
    pub(crate) async fn is_ready(&self) -> bool {
        let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.client));
        self.says_started() && matches!(timeout(CONNECT_MAX, connect).await, Ok(Ok(_)))
    }

    /// Writes its settings for the next start, and formats its data folder if it has none.
    pub(crate) async fn prepare(
        &self,
        programs: &Programs,
        layout: &Layout,
        all: &[Self],
        security: Option<&Security>,
    ) -> Result<(), BrokerError> {
        fs::create_dir_all(&self.folder).doing("create", &self.folder)?;
        self.write("log4j2.properties", LOG_SETTINGS)?;
        self.write("server.properties", &self.settings(layout.nodes, all, "data", security))?;
        // One that a killed starter has left would go on writing below us.
        if let Some(formatter) = Process::find(FORMATTER, &self.folder) {
            formatter.kill(KILL_MAX).await?;
        }
        let data = self.folder.join("data");
        if data.try_exists().doing("look for", &data)? {
            return self.was_made_with(security);
        }
        self.write("format.properties", &self.settings(layout.nodes, all, "data.unfinished", security))?;
        let unfinished = self.folder.join("data.unfinished");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).doing("remove", unfinished);
            }
            _ => {}
        }
        self.format(programs, layout, security).await?;
        fs::rename(&unfinished, &data).doing("rename", unfinished)
    }

    /// A user is made with the data folder; one that has another, or none, would let nobody in.
    fn was_made_with(&self, security: Option<&Security>) -> Result<(), BrokerError> {
        let path = self.folder.join("format.properties");
        let made = fs::read_to_string(&path).doing("read", path)?;
        let users = |text: &str| text.lines().find(|line| line.contains("jaas.config")).map(str::to_owned);
        if users(&made) == security.and_then(|security| users(&security.settings())) {
            return Ok(());
        }
        Err(BrokerError::OtherUser { node: self.id, folder: self.folder.clone() })
    }

    async fn format(
        &self,
        programs: &Programs,
        layout: &Layout,
        security: Option<&Security>,
    ) -> Result<(), BrokerError> {
        let mut format = programs.command(FORMATTER, &self.folder);
        format.args(["format", "-t", &layout.cluster_id, "-c", "format.properties"]);
        if layout.nodes == Nodes::One {
            // It alone is the quorum, and writes that down; three are told each other in their settings.
            format.arg("--standalone");
        }
        if let Some(security) = security {
            format.args(["--add-scram", &security.scram()]);
        }
        let done = format.kill_on_drop(true).output().await.doing("run", programs.java())?;
        if done.status.success() {
            return Ok(());
        }
        let said = [done.stdout, done.stderr].concat();
        let output = format!("{}\n{}", String::from_utf8_lossy(&said).trim(), self.log_tail());
        Err(BrokerError::FormatFailed { node: self.id, status: done.status, output })
    }

    /// Starts it; it is ready some time later.
    pub(crate) async fn launch(&self, programs: &Programs) -> Result<Child, BrokerError> {
        if let Some(port) = self.ports.taken_for_long().await {
            return Err(BrokerError::PortTaken { node: self.id, port });
        }
        // The last start's word would be taken for this one's, until Java has come so far as to open the file.
        self.write("started.log", "")?;
        let path = self.folder.join("kafka.out");
        let output = File::create(&path).doing("create", &path)?;
        let errors = output.try_clone().doing("open", &path)?;
        let mut node = programs.command(NODE, &self.folder);
        node.arg("server.properties").stdout(Stdio::from(output)).stderr(Stdio::from(errors));
        node.spawn().doing("run", programs.java())
    }

    /// It has ended while it was starting.
    pub(crate) fn died(&self) -> BrokerError {
        BrokerError::Died { node: self.id, folder: self.folder.clone(), tail: self.log_tail() }
    }

    /// It does not get ready.
    pub(crate) fn not_ready(&self, waited: Duration) -> BrokerError {
        BrokerError::NotReady {
            node: self.id,
            pid: self.process().map_or(0, |process| process.pid()),
            waited_seconds: waited.as_secs(),
            folder: self.folder.clone(),
            tail: self.log_tail(),
        }
    }

    fn log_tail(&self) -> String {
        log::tail(&[&self.folder.join("kafka.log"), &self.folder.join("kafka.out")])
    }

    /// The shared settings, and what is this node's alone.
    ///
    /// The data folder is named relative to the node's working folder: Kafka's file knows neither commas nor letters
    /// beyond Latin-1 in a path, and the whole folder can be moved.
    fn settings(&self, nodes: Nodes, all: &[Self], data: &str, security: Option<&Security>) -> String {
        let host = Ipv4Addr::LOCALHOST;
        let Ports { client, controller } = self.ports;
        let quorum = match nodes {
            Nodes::One => format!("controller.quorum.bootstrap.servers={host}:{controller}"),
            Nodes::Three => {
                let voter = |node: &Self| format!("{}@{host}:{}", node.id, node.ports.controller);
                format!("controller.quorum.voters={}", all.iter().map(voter).collect::<Vec<_>>().join(","))
            }
        };
        format!(
            "{}\n# Written at each start; changes here are lost.\nnode.id={}\n\
             listeners=BROKER://{host}:{client},CONTROLLER://{host}:{controller}\n\
             advertised.listeners=BROKER://{host}:{client}\nlog.dirs={data}\n{quorum}\n{}",
            nodes.settings(),
            self.id,
            security.map(Security::settings).unwrap_or_default()
        )
    }

    fn write(&self, name: &str, text: &str) -> Result<(), BrokerError> {
        let path = self.folder.join(name);
        // Only its owner may read it: a secured node's password stands there.
        let write = || {
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().doing("write", &path)
    }
}
