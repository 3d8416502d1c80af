//! What an operator sees: of each process its health and metrics, of the whole the flow.

use crate::server::{Place, program};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use holdfast_cluster::Cluster;
use holdfast_testkit::{eventually, open_folder};
use reqwest::StatusCode;
use rustix::process::Pid;
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Executor as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;
use tokio::process::Command;

/// JVM, group and projectors all start here; a busy machine is given time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A free address for a worker's operator.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// `holdfast health`: its exit code, and what it said.
async fn health(url: &str) -> (Option<i32>, String) {
    let output = Command::new(program()).args(["health", url]).output().await.unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

impl Place {
    /// `/health/ready` of a worker; nothing while it does not listen.
    async fn ready_at(&self, address: &str) -> Option<(StatusCode, Value)> {
        let answer = self.http.get(format!("http://{address}/health/ready")).send().await.ok()?;
        Some((answer.status(), answer.json().await.unwrap()))
    }

    async fn becomes(&self, address: &str, status: StatusCode, reason: &str) -> Value {
        let mut last = Value::Null;
        eventually(PATIENCE, reason, async || {
            let Some((code, body)) = self.ready_at(address).await else { return false };
            let fits = code == status && body["reason"].as_str().unwrap_or_default().contains(reason);
            last = body;
            fits
        })
        .await;
        last
    }

    async fn metrics_at(&self, address: &str) -> String {
        self.http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap()
    }

    async fn flow_status(&self, flags: &[&str]) -> Value {
        let (code, text) = self.run(&[&["status", "--json"], flags].concat()).await;
        assert_eq!(code, Some(0), "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// Everything that follows the log is a process of its own here, and Kafka comes late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flow_is_seen_in_status_readiness_and_metrics_while_kafka_comes_late() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let brokers = broker.bootstrap();
    broker.kill_node(1).await.unwrap();
    let place = Place::new();
    let server = place.up_with(&["--no-projectors"]).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 100, 0).await;
    let (at_relay, at_projector) = (free(), free());
    let mut relay = place.role(&["relay", "--ops-listen", &at_relay], &brokers);
    let project = ["project", "availability", "--source", "kafka", "--ops-listen", &at_projector];
    let mut projector = place.role(&project, &brokers);

    // No broker: who needs one is not ready and says why, bookings go on, and status does with what it has.
    let waiting = place.becomes(&at_relay, StatusCode::SERVICE_UNAVAILABLE, "does not answer").await;
    assert_eq!((&waiting["role"], &waiting["state"]), (&json!("relay"), &json!("retrying")), "{waiting}");
    let waiting =
        place.becomes(&at_projector, StatusCode::SERVICE_UNAVAILABLE, "Postgres or Kafka does not do").await;
    assert_eq!(waiting["flow"][0]["lag_events"], 1, "{waiting}");
    let (code, said) = health(&format!("http://{at_relay}/health/ready")).await;
    assert!(code == Some(1) && said.contains("503") && said.contains(&brokers), "{said}");
    assert_eq!(health(&format!("http://{at_relay}/health/live")).await.0, Some(0));
    assert_eq!(place.ready_at(server.ops()).await.unwrap().0, StatusCode::OK);
    let (code, said) = place.run(&["status", "--kafka-brokers", &brokers]).await;
    assert!(code == Some(0) && said.contains("does not answer") && said.contains("not there"), "{said}");
    let taken = place.command(&["relay", "--kafka-brokers", &brokers, "--ops-listen", &at_relay]).output();
    let taken = taken.await.unwrap();
    let said = String::from_utf8(taken.stderr).unwrap();
    assert!(taken.status.code() == Some(1) && said.contains("--ops-listen"), "{said}");

    // It comes, and everything flows.
    broker.start_node(1).await.unwrap();
    place.sell_one(&admin, &show).await;
    place.becomes(&at_relay, StatusCode::OK, "").await;
    place.becomes(&at_projector, StatusCode::OK, "").await;
    assert_eq!(health(&format!("http://{at_projector}/health/ready")).await.0, Some(0));
    eventually(PATIENCE, "topic and read model are as far as the log", async || {
        let flow = place.ready_at(server.ops()).await.unwrap().1["flow"].clone();
        flow[0]["lag_events"] == 0 && flow[1]["lag_events"] == 0
    })
    .await;
    for (flags, from) in [(&["--kafka-brokers", &brokers][..], "kafka"), (&[], "told")] {
        let status = place.flow_status(flags).await;
        assert_eq!((&status["topic_from"], &status["events"]), (&json!(from), &json!(2)), "{status}");
        for follower in [0, 1] {
            assert_eq!(status["followers"][follower]["positions"], status["positions"], "{status}");
        }
    }
    eventually(PATIENCE, "the workers measure themselves", async || {
        place.metrics_at(&at_relay).await.contains("holdfast_follower_lag_events{follower=\"topic\"} 0")
            && place
                .metrics_at(&at_projector)
                .await
                .contains("holdfast_follower_lag_seconds{follower=\"availability\"} 0")
    })
    .await;
    assert!(place.metrics_at(&at_relay).await.contains("holdfast_relayed_events_total 2"));

    // Both are killed: what they do not have is counted, by whoever looks.
    relay.kill().await.unwrap();
    projector.kill().await.unwrap();
    for _ in 0..3 {
        place.sell_one(&admin, &show).await;
    }
    let status = place.flow_status(&["--kafka-brokers", &brokers]).await;
    let lags: Vec<_> = (0..2).map(|nth| status["followers"][nth]["lag_events"].clone()).collect();
    assert_eq!(lags, [3, 3], "{status}");
    assert!(status["followers"][0]["lag_seconds"].as_f64().unwrap() > 0.0, "{status}");
    let (_, said) = place.run(&["status"]).await;
    assert!(said.contains("2 (-3)  2 (-3)") || said.contains("2 (-3)        2 (-3)"), "{said}");
    eventually(PATIENCE, "the server measures it", async || {
        place.metrics_at(server.ops()).await.contains("holdfast_follower_lag_events{follower=\"topic\"} 3")
    })
    .await;
    let ready = place.ready_at(server.ops()).await.unwrap();
    assert_eq!((ready.0, &ready.1["flow"][0]["lag_events"]), (StatusCode::OK, &json!(3)));

    // A topic of another log says nothing about this one.
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let mut conn = cluster.connect_options("holdfast").connect().await.unwrap();
    conn.execute("UPDATE log_identity SET log_id = gen_random_uuid()").await.unwrap();
    let status = place.flow_status(&["--kafka-brokers", &brokers]).await;
    assert!(status["kafka_problem"].as_str().unwrap().contains("holds log"), "{status}");
    assert_eq!((&status["topic_from"], &status["followers"][0]["lag_events"]), (&json!("told"), &json!(3)));
    assert_eq!(server.terminate().await, Some(0));
    broker.stop().await.unwrap();
}

/// Users of a process, from `/proc`: real, effective, saved, and of file accesses.
fn users_of(process: Pid) -> [u32; 4] {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap();
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    let users: Vec<u32> = users.split_whitespace().map(|user| user.parse().unwrap()).collect();
    users.try_into().unwrap()
}

/// Started by root, a server becomes the user that its Postgres runs as; every file that it makes is that user's.
#[tokio::test]
async fn a_server_keeps_none_of_roots_rights() {
    let place = Place::new();
    for _ in 0..2 {
        let server = place.up().await;
        let users = users_of(server.pid());
        assert_eq!(users, users_of(place.postmaster()));
        assert!(!users.contains(&0));
        place.admin().await;
        for made in ["lock", "token-secret", "admin-password", "postgres.log"] {
            assert_eq!(std::fs::metadata(place.data().join(made)).unwrap().uid(), users[0], "{made}");
        }
        assert_eq!(server.terminate().await, Some(0));
    }
    if rustix::process::geteuid().is_root() {
        let other = Place::new();
        std::fs::create_dir(other.data()).unwrap();
        std::fs::write(other.data().join("letter"), "of another").unwrap();
        let (code, said) = other.run(&["up", "--listen", "127.0.0.1:0"]).await;
        assert!(code == Some(1) && said.contains("is no data folder"), "{said}");
        assert_eq!(std::fs::metadata(other.data()).unwrap().uid(), 0);
    }
}

/// What an operator sees is on no address that clients reach.
#[tokio::test]
async fn operators_have_an_address_of_their_own() {
    let (place, other) = (Place::new(), Place::new());
    let server = place.up().await;
    let beside = other.up_with(&["--ops-listen", "off"]).await;
    assert!(place.metrics_at(server.ops()).await.contains("holdfast_http_requests_total"));
    assert_eq!(server.readiness().await["writer"]["ready"], true);
    let ready = place.http.get(place.url("/health/ready")).send().await.unwrap();
    assert_eq!(ready.json::<Value>().await.unwrap(), json!({"ready": true}));
    assert_eq!(place.http.get(place.url("/metrics")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert!(!beside.ready_line.contains("health and metrics"), "{}", beside.ready_line);
    let (code, said) = other.run(&["up", "--listen", "127.0.0.1:0", "--ops-listen", "public"]).await;
    assert!(code == Some(2) && said.contains("--ops-listen"), "{said}");
    assert_eq!(beside.terminate().await, Some(0));
    // An address that was asked for and is taken is an error; the usual one is not.
    let (code, said) = other.run(&["up", "--listen", "127.0.0.1:0", "--ops-listen", server.ops()]).await;
    assert!(code == Some(1) && said.contains("--ops-listen"), "{said}");
    let beside = other.up().await;
    assert_ne!(beside.ops(), server.ops());
    assert_eq!(beside.terminate().await, Some(0));
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn health_is_an_exit_code() {
    let place = Place::new();
    let server = place.up().await;
    assert_eq!(health(&place.url("/health/ready")).await.0, Some(0));
    let (code, said) = health(&place.url("/nothing")).await;
    assert!(code == Some(1) && said.contains("404") && said.lines().count() == 1, "{said}");
    let (code, said) = health("127.0.0.1:8080").await;
    assert!(code == Some(1) && said.contains("is not the URL"), "{said}");
    // One that accepts and says nothing: without a bound, the check would hang as the process does.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) = health(&format!("http://{}/", silent.local_addr().unwrap())).await;
    assert!(code == Some(1) && said.contains("does not answer"), "{said}");
    assert_eq!(server.terminate().await, Some(0));
    assert_eq!(health(&place.url("/health/ready")).await.0, Some(1));
    let (code, said) = place.run(&["status"]).await;
    assert!(
        code == Some(0) && said.contains("no relay is running"),
        "a stopped system can be looked at: {said}"
    );
}
