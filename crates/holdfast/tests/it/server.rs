//! The executable itself, as a child process on a data folder of its own, and a client of it.

use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// A cold start makes a cluster; on a machine that builds beside it this takes a while.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The promise for SIGTERM, from the signal to the exit.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);
/// How long the test waits, to tell how late it was.
const STOPPED_PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn program() -> &'static str {
    env!("CARGO_BIN_EXE_holdfast")
}

/// A data folder and an address that stay the same over restarts.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) address: String,
    pub(crate) http: Client,
}

/// A running `holdfast up`.
pub(crate) struct Server {
    child: Child,
    pub(crate) ready_line: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let http = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { folder: holdfast_testkit::open_folder(), address: free.to_string(), http }
    }

    /// The folder that somebody would be in who follows the README.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where `holdfast up` puts everything when nothing is said.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder().join(".holdfast")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn up(&self) -> Server {
        self.up_with(&[]).await
    }

    /// Books one seat, and returns the booking's id.
    pub(crate) async fn sell_one(&self, token: &str, show: &str) -> String {
        let request = self.http.post(self.url("/v1/bookings")).bearer_auth(token);
        let request = request.header("Idempotency-Key", rand_key());
        let answer = request.json(&json!({"inventory_id": show, "quantity": 1})).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let booking: Value = answer.json().await.unwrap();
        booking["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn up_with(&self, flags: &[&str]) -> Server {
        self.start(Command::new(program()).arg("up").arg("--data").arg(self.data()).args(flags)).await
    }

    /// `holdfast api` in the folder that has `.holdfast` in it, with nothing said about where the log is.
    pub(crate) async fn api_in_the_folder(&self) -> Server {
        let mut api = Command::new(program());
        let keys = ["HOLDFAST_TOKEN_SECRET", "HOLDFAST_TOKEN_SECRET_FILE", "HOLDFAST_WEBHOOK_KEY_FILE"];
        for named in ["HOLDFAST_DATA", "DATABASE_URL", "HOLDFAST_WEBHOOK_KEY"].into_iter().chain(keys) {
            api.env_remove(named);
        }
        self.start(api.arg("api").current_dir(self.folder())).await
    }

    /// A worker on the data folder that says when it begins.
    pub(crate) async fn beside(&self, worker: &[&str]) -> Server {
        self.begin(&mut self.command(worker)).await
    }

    async fn start(&self, server: &mut Command) -> Server {
        self.begin(server.args(["--listen", &self.address, "--log", "warn"])).await
    }

    async fn begin(&self, server: &mut Command) -> Server {
        let mut child = server.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready_line = timeout(READY_WITHIN, lines.next_line()).await.expect("ready in time").unwrap();
        Server { child, ready_line: ready_line.expect("a ready line, not an end") }
    }

    /// Another subcommand on the data folder.
    pub(crate) fn command(&self, command: &[&str]) -> Command {
        let mut program = Command::new(program());
        program.args(command).arg("--data").arg(self.data());
        program
    }

    /// Runs another subcommand on the data folder. Returns its exit code and all it printed.
    pub(crate) async fn run(&self, command: &[&str]) -> (Option<i32>, String) {
        let output = self.command(command).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    pub(crate) fn postmaster(&self) -> Pid {
        let file = std::fs::read_to_string(find(&self.data().join("postgres"), "postmaster.pid")).unwrap();
        Pid::from_raw(file.lines().next().unwrap().trim().parse().unwrap()).unwrap()
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> String {
        let answer = self
            .http
            .post(self.url("/v1/sessions"))
            .json(&json!({"email": email, "password": password}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn admin(&self) -> String {
        let password = std::fs::read_to_string(self.data().join("admin-password")).unwrap();
        self.sign_in("admin@holdfast.local", password.trim()).await
    }

    pub(crate) async fn open_show(&self, token: &str, capacity: u32, hold_seconds: u32) -> String {
        let body = json!({
            "name": "Night", "starts_at": "2030-01-01T20:00:00Z", "zone": "Europe/Berlin", "capacity": capacity,
            "price": {"amount": 2_000, "currency": "EUR"},
            "policy": {"seats_per_booking": 10, "live_bookings_per_user": 0, "hold_seconds": hold_seconds,
                       "overbooking_allowance": 0, "seats_per_user": 0, "holds_per_user": 0},
        });
        let key = format!("show-{capacity}-{hold_seconds}-{}", rand_key());
        let answer = self
            .http
            .post(self.url("/v1/shows"))
            .bearer_auth(token)
            .header("Idempotency-Key", key)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{:?}", answer.text().await);
        answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
    }
}

impl Server {
    /// Where its operators reach it: an address and a port.
    pub(crate) fn ops(&self) -> &str {
        let (_, address) = self.ready_line.split_once("health and metrics at http://").expect("an address");
        address
    }

    /// `/health/ready` in full.
    pub(crate) async fn readiness(&self) -> Value {
        let ready = reqwest::get(format!("http://{}/health/ready", self.ops())).await.unwrap();
        ready.json().await.unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap()
    }

    /// SIGKILL: nothing is finished, nothing is written.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; returns the exit code. It ends in the time that is promised.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        let asked_at = Instant::now();
        kill_process(self.pid(), Signal::TERM).unwrap();
        let ended = timeout(STOPPED_PATIENCE, self.child.wait()).await.expect("it ends");
        let took = asked_at.elapsed();
        assert!(took < STOPPED_WITHIN, "it ended {took:?} after SIGTERM");
        ended.unwrap().code()
    }
}

/// A key nobody used before.
pub(crate) fn rand_key() -> String {
    use holdfast_ambient::{Ambient, Machine};
    Machine.new_id().to_string()
}

/// Where the cluster's layout puts a file of this name.
fn find(folder: &Path, name: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let file = folder.join(name);
        if file.is_file() {
            return file;
        }
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(entries.filter(|path| path.is_dir()));
    }
    panic!("no {name} in {}", folder.display());
}

/// A file that its owner alone can read.
pub(crate) fn write_secret(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}
