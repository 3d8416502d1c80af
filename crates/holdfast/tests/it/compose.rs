//! docker-compose.yml without Docker: the processes, commands, environment and health checks of the file.

use crate::server::{Place, program};
use holdfast_testkit::{eventually, open_folder};
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// What a booking needs to show in a read model that is fed through three Kafka nodes.
const PATIENCE: Duration = Duration::from_secs(90);
const PASSWORD: &str = "correct horse battery";
/// What the image puts beside the executable, and what the image below it has.
const LIBRARIES: [&str; 8] = [
    "libz.so.1",
    "libssl.so.3",
    "libcrypto.so.3",
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "linux-vdso.so.1",
    "/lib64/ld-linux-x86-64.so.2",
];

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The system in a folder; it is brought down whatever happens.
struct Composed {
    folder: PathBuf,
}

impl Composed {
    fn ask(&self, what: &str, arguments: &[&str]) -> Output {
        let script = workspace("scripts/compose-native");
        Command::new(script).arg(what).arg("--folder").arg(&self.folder).args(arguments).output().unwrap()
    }

    /// Runs a subcommand that must end well; returns what it printed.
    fn done(&self, what: &str, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.ask(what, arguments);
        assert!(status.success(), "{what}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// Process ids of every service that is no node of Kafka.
    fn pids(&self) -> Vec<Pid> {
        let text = std::fs::read_to_string(self.folder.join("processes.json")).unwrap();
        let state: Value = serde_json::from_str(&text).unwrap();
        let processes = state["processes"].as_object().unwrap().values();
        processes.map(|p| Pid::from_raw(p["pid"].as_i64().unwrap().try_into().unwrap()).unwrap()).collect()
    }
}

impl Drop for Composed {
    fn drop(&mut self) {
        self.ask("down", &[]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_compose_file_starts_natively_takes_a_booking_and_leaves_nothing_running() {
    let folder = open_folder();
    let system = Composed { folder: folder.path().join("composed") };
    let said = system.done("up", &["--program", program()]);
    let api =
        said.lines().find_map(|line| line.strip_prefix("api: http://")).expect("the address of the API");
    let mut place = Place::new();
    place.address = api.to_owned();

    let account = json!({"email": "admin@example.org", "password": PASSWORD});
    place.ask(Method::POST, "/v1/users", "", account, StatusCode::CREATED).await;
    system.done("run", &["migrate", "user", "grant", "admin@example.org", "admin"]);
    let admin = place.sign_in("admin@example.org", PASSWORD).await;
    let show = place.open_show(&admin, 100, 600).await;
    let asked = json!({"inventory_id": show, "quantity": 2});
    let booking = place.ask(Method::POST, "/v1/bookings", &admin, asked, StatusCode::CREATED).await;
    let path = format!("/v1/bookings/{}/confirm", booking["id"].as_str().unwrap());
    place.ask(Method::POST, &path, &admin, json!({}), StatusCode::OK).await;
    let path = format!("/v1/inventories/{show}/availability");
    eventually(PATIENCE, "availability and history have it, through Kafka", async || {
        let answer = place.http.get(place.url(&path)).send().await.unwrap();
        let seats = answer.json::<Value>().await.unwrap_or_default();
        let history = place.ask(Method::GET, "/v1/bookings", &admin, Value::Null, StatusCode::OK).await;
        seats["confirmed"] == 2 && history["data"][0]["status"] == "confirmed"
    })
    .await;
    let status = system.done("status", &[]);
    assert!(!status.contains("not "), "{status}");

    let pids = system.pids();
    assert!(pids.len() >= 7, "Postgres and every role: {status}");
    let twice = system.ask("up", &["--program", program()]);
    let said = String::from_utf8_lossy(&twice.stderr);
    assert!(!twice.status.success() && said.contains("runs already"), "{said}");
    assert_eq!((system.pids(), system.done("status", &[])), (pids.clone(), status), "the first one lives");
    system.done("down", &[]);
    let left: Vec<_> = pids.into_iter().filter(|pid| test_kill_process(*pid).is_ok()).collect();
    assert!(left.is_empty(), "still running: {left:?}");
    let nodes = holdfast_broker::status(&system.folder.join("kafka")).unwrap();
    assert!(nodes.len() == 3 && nodes.iter().all(|node| node.pid.is_none()), "{nodes:?}");
}

#[test]
fn the_image_holds_every_library_that_the_executable_needs() {
    let linked = Command::new("ldd").arg(program()).output().unwrap();
    let text = String::from_utf8(linked.stdout).unwrap();
    let needed: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(needed.contains(&"libssl.so.3"), "{text}");
    let missing: Vec<_> = needed.iter().filter(|name| !LIBRARIES.contains(name)).collect();
    assert!(missing.is_empty(), "the Dockerfile brings no {missing:?}");
    let dockerfile = std::fs::read_to_string(workspace("Dockerfile")).unwrap();
    for copied in &LIBRARIES[..3] {
        assert!(dockerfile.contains(copied), "{copied}");
    }
    assert!(
        dockerfile.contains("ENTRYPOINT [\"/usr/local/bin/holdfast\"]")
            && dockerfile.contains("\nUSER 65532")
    );
}
