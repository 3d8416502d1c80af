//! nginx answering a constant: what the load generators reach when the server does nothing.

use crate::child::Background;
use anyhow::{Context as _, ensure};
use std::{fs, net::TcpListener, path::Path, time::Duration};
use tokio::{
    net::TcpStream,
    process::Command,
    time::{Instant, sleep},
};

/// Its configuration; `@PORT@` is filled in.
const CONFIGURATION: &str = include_str!("../nginx.conf");
/// How long it may take to listen.
const READY_MAX: Duration = Duration::from_secs(5);
/// Between two attempts to connect.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    process: Background,
    /// Such as `http://127.0.0.1:41234`.
    pub(crate) url: String,
}

impl Nginx {
    /// Starts it on a free port, with everything it writes below `folder`.
    pub(crate) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.canonicalize()?.join("nginx");
        fs::create_dir_all(&folder)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, CONFIGURATION.replace("@PORT@", &address.port().to_string()))?;
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(&folder).arg("-c").arg(&configuration).args([
            "-e",
            "stderr",
            "-g",
            "daemon off;",
        ]);
        let process = Background::start("nginx", nginx, &folder.join("log"))?;
        let began = Instant::now();
        while let Err(error) = TcpStream::connect(address).await {
            let waited = began.elapsed() < READY_MAX;
            ensure!(waited, "nginx does not listen ({error}); {} says why", folder.join("log").display());
            sleep(LOOK_EVERY).await;
        }
        Ok(Self { process, url: format!("http://{address}") })
    }

    /// Its first process; the workers are its children.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await.context("nginx did not end in order")
    }
}
