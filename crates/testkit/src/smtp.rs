//! A real SMTP server in a process of its own, with a maildir, and with the faults that servers have.

use crate::{Certificates, certificates};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A mailbox that outlives its server, and the server, while there is one.
#[derive(Debug)]
pub struct SmtpServer {
    folder: TempDir,
    /// Where it listens, always the same port.
    pub port: u16,
    running: Option<Child>,
    certificates: Certificates,
}

/// Whom a server that wants to know takes mails from.
pub const SMTP_USER: &str = "holdfast";
/// With what password.
pub const SMTP_PASSWORD: &str = "correct-horse_battery.7";

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The Python that `scripts/test` has given an SMTP server to.
fn python() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace("target"), PathBuf::from);
    let python = target.join("python/bin/python");
    assert!(python.exists(), "{} is missing; `scripts/test` sets it up", python.display());
    python
}

impl SmtpServer {
    /// A server that does as `mode` says; `crates/testkit/smtp/server.py` tells the modes.
    pub async fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = certificates(folder.path());
        let mut server = Self { folder, port: 0, running: None, certificates };
        server.behave(mode).await;
        server
    }

    /// Starts it again, on the same port and with the same mailbox, to do as `mode` says.
    pub async fn behave(&mut self, mode: &str) {
        self.stop().await;
        let mut command = Command::new(python());
        command.arg(workspace("crates/testkit/smtp/server.py")).arg(self.folder.path().join("mail"));
        command.arg(self.port.to_string()).arg(mode).arg(&self.certificates.key_and_certificate);
        command.args([SMTP_USER, SMTP_PASSWORD]).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("the port that the server listens on");
        self.port = port.parse().unwrap();
        self.running = Some(child);
    }

    /// Ends it; its port refuses connections from then on.
    pub async fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().await.unwrap();
        }
    }

    /// The authority that its certificate is of, in PEM.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    /// How it is reached without TLS.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Every mail in the mailbox.
    #[must_use]
    pub fn mails(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.folder.path().join("mail/new")) else { return vec![] };
        files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok()).collect()
    }

    /// The commands it was told since it was started last, by their first words.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("mail.log")).unwrap_or_default();
        let told = log.lines().filter_map(|line| line.split_once(" >> b'"));
        told.map(|(_, told)| told.split([' ', '\'', '\\']).next().unwrap_or_default().to_uppercase())
            .collect()
    }

    /// How often each Message-ID is in the mailbox.
    #[must_use]
    pub fn message_ids(&self) -> BTreeMap<String, usize> {
        let mut ids = BTreeMap::new();
        for mail in self.mails() {
            let id = mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap();
            *ids.entry(id.to_owned()).or_default() += 1;
        }
        ids
    }
}
