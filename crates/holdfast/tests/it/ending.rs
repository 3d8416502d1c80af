//! Who starts and stops Postgres: `up` alone brings its own back and ends it; what runs beside it never does.

use crate::server::{Place, rand_key};
use holdfast_cluster::Cluster;
use holdfast_testkit::eventually;
use reqwest::StatusCode;
use rustix::process::{Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Recovery after a kill takes well under a second; a busy machine is given more.
const PATIENCE: Duration = Duration::from_secs(30);

impl Place {
    /// Asks for one seat; status and booking id, or nothing if there was no answer.
    async fn book(&self, token: &str, show: &str, key: &str) -> Option<(StatusCode, Value)> {
        let request =
            self.http.post(self.url("/v1/bookings")).bearer_auth(token).header("Idempotency-Key", key);
        let answer = request.json(&json!({"inventory_id": show, "quantity": 1})).send().await.ok()?;
        Some((answer.status(), answer.json::<Value>().await.ok()?["id"].clone()))
    }
}

/// Without the keeper, every booking after the kill is refused until somebody restarts the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgres_is_brought_back_and_bookings_go_on() {
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 1_000, 0).await;
    let before = rand_key();
    let first = place.book(&admin, &show, &before).await.expect("an answer");
    assert_eq!(first.0, StatusCode::CREATED);

    let killed = place.postmaster();
    let keys: Vec<String> = (0..20).map(|_| rand_key()).collect();
    let meanwhile = futures::future::join_all(keys.iter().map(|key| place.book(&admin, &show, key)));
    kill_process(killed, Signal::KILL).unwrap();
    let meanwhile = meanwhile.await;
    for (key, answered) in keys.iter().zip(meanwhile) {
        let mut last = None;
        eventually(PATIENCE, "bookings return without a restart", async || {
            last = place.book(&admin, &show, key).await;
            last.as_ref().is_some_and(|(status, _)| *status == StatusCode::CREATED)
        })
        .await;
        if let Some((StatusCode::CREATED, id)) = answered {
            assert_eq!(last.map(|(_, id)| id), Some(id), "the same key, the same booking");
        }
    }
    assert_eq!(place.book(&admin, &show, &before).await.map(|(_, id)| id), Some(first.1));
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("21 bookings"), "one for each key: {text}");

    let back = place.postmaster();
    assert_ne!(back, killed);
    assert_eq!(server.terminate().await, Some(0));
    assert!(test_kill_process(back).is_err(), "the Postgres that ran then was stopped");
}

/// A subcommand that waits for `up`'s Postgres and finds it gone starts none, and takes none away.
#[tokio::test]
async fn a_subcommand_beside_a_server_neither_starts_nor_stops_postgres() {
    let place = Place::new();
    let server = place.up().await;
    let postmaster = place.postmaster();
    let (code, text) = place.run(&["verify"]).await;
    assert_eq!((code, place.postmaster()), (Some(0), postmaster), "{text}");

    // A server that holds the folder and whose Postgres is away: the subcommand waits for the server to bring it back.
    kill_process(server.pid(), Signal::STOP).unwrap();
    kill_process(postmaster, Signal::KILL).unwrap();
    let verify = ["verify"];
    let waiting = place.run(&verify);
    tokio::pin!(waiting);
    let looks = tokio::time::timeout(Duration::from_secs(2), waiting.as_mut()).await;
    assert!(looks.is_err(), "it waits: {looks:?}");
    assert!(Cluster::running(&place.data()).await.unwrap().is_none(), "it started none");
    kill_process(server.pid(), Signal::CONT).unwrap();
    let (code, text) = waiting.await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}

/// Without a flag it is the same as with `--data ./.holdfast`: the folder's lock and secret, and its Postgres.
#[tokio::test]
async fn api_on_the_default_folder_owns_it_and_ends_its_postgres() {
    let place = Place::new();
    let first = place.up().await;
    let token = place.admin().await;
    assert_eq!(first.terminate().await, Some(0));

    let api = place.api_in_the_folder().await;
    let show = place.open_show(&token, 10, 0).await; // the secret is the folder's
    assert_eq!(place.book(&token, &show, &rand_key()).await.expect("an answer").0, StatusCode::CREATED);
    let (code, text) = place.run(&["up", "--listen", "127.0.0.1:0"]).await;
    assert!(code == Some(1) && text.contains("in use by process"), "{text}");
    let ready = api.readiness().await;
    assert_eq!(ready["flow"][1]["lag_events"], 2, "no projector runs here: {ready}");
    let postmaster = place.postmaster();
    assert_eq!(api.terminate().await, Some(0));
    assert!(test_kill_process(postmaster).is_err(), "its Postgres was stopped");
}

/// What claims, records, queues and keeps order all wait for a database then, for longer than a process may take to end.
#[tokio::test]
async fn a_notifier_ends_in_time_with_its_postgres_gone() {
    let place = Place::new();
    let server = place.up_with(&["--no-projectors"]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let notifier = place.beside(&["notify", "--source", "log", "--ops-listen", &free]).await;
    let becomes = async |wanted: &str| {
        eventually(PATIENCE, wanted, async || {
            let Ok(answer) = place.http.get(format!("http://{free}/health/ready")).send().await else {
                return false;
            };
            answer.json::<Value>().await.is_ok_and(|ready| ready["state"] == wanted)
        })
        .await;
    };
    becomes("running").await;
    // Nobody brings it back.
    kill_process(server.pid(), Signal::STOP).unwrap();
    let postmaster = place.postmaster();
    kill_process(postmaster, Signal::KILL).unwrap();
    becomes("retrying").await;
    assert_eq!(notifier.terminate().await, Some(0));
    kill_process(server.pid(), Signal::CONT).unwrap();
    assert_eq!(server.terminate().await, Some(0));
}

/// Each part has a time of its own, and together they have 10 s (`terminate` says so): a client that sends half a
/// request takes all that HTTP has, and a postmaster that hears no signal all that Postgres has.
#[tokio::test]
async fn sigterm_ends_in_time_with_half_a_request_and_a_frozen_postgres() {
    let place = Place::new();
    let server = place.up().await;
    let mut half = TcpStream::connect(&place.address).await.unwrap();
    half.write_all(b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{")
        .await
        .unwrap();
    let postmaster = place.postmaster();
    kill_process(postmaster, Signal::STOP).unwrap();
    let code = server.terminate().await;
    // It could not be stopped in order; that is said, and not waited for.
    assert_eq!(code, Some(1));
    kill_process(postmaster, Signal::CONT).unwrap();
    eventually(PATIENCE, "it ends when it can", async || test_kill_process(postmaster).is_err()).await;
}
