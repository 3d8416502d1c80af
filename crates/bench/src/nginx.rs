//! nginx answering a constant: what the load generators reach when the server does nothing.

use crate::child::Background;
use anyhow::{Context as _, ensure};
use std::{fs, net::TcpListener, path::Path, time::Duration};
use tokio::{
    net::TcpStream,
    process::Command,
    time::{Instant, sleep},
};

/// Its configuration; what stands between `@` is filled in.
const CONFIGURATION: &str = include_str!("../nginx.conf");
/// Bytes of its variable `kilobyte`: a word of a configuration has less than 4 KiB, and answers can be longer.
const KILOBYTE: usize = 1_000;
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
        Self::answering(folder, 0).await
    }

    /// The same; searches are answered with so many bytes.
    pub(crate) async fn answering(folder: &Path, search_bytes: usize) -> anyhow::Result<Self> {
        let folder = folder.canonicalize()?.join("nginx");
        fs::create_dir_all(&folder)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, configured(address.port(), search_bytes))?;
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

fn configured(port: u16, search_bytes: usize) -> String {
    let search = "${kilobyte}".repeat(search_bytes / KILOBYTE) + &"a".repeat(search_bytes % KILOBYTE);
    let text = CONFIGURATION.replace("@PORT@", &port.to_string());
    text.replace("@KILOBYTE@", &"a".repeat(KILOBYTE)).replace("@SEARCH@", &search)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_as_many_bytes_as_asked_for_and_no_word_is_too_long() {
        let configuration = configured(8_080, 52_345);
        let answer = configuration.split("location = /v1/flights").nth(1).unwrap();
        let answer = answer.split('\'').nth(1).unwrap();
        assert!(answer.len() < 4_096);
        assert_eq!(answer.replace("${kilobyte}", &"a".repeat(KILOBYTE)).len(), 52_345);
    }
}
