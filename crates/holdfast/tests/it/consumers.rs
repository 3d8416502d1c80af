//! The contract's example consumers, from zero, as processes: what they count from the topic is what the server shows.

use crate::server::Place;
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use holdfast_cluster::Cluster;
use holdfast_event_log::{LogPosition, RawEvent, identity, read_raw_after};
use holdfast_messaging::{EVENTS, EventsProducer, EventsTopic, Kafka, topics};
use holdfast_testkit::{eventually, open_folder};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use tokio::process::Command;

/// JVM, relay and consumers all start here; a busy machine is given time.
const PATIENCE: Duration = Duration::from_secs(90);
/// The fields of availability that a consumer counts; the others are made of these.
const COUNTED: [&str; 8] = [
    "inventory_id",
    "capacity",
    "overbooking_allowance",
    "held",
    "confirmed",
    "blocked",
    "sales",
    "available",
];

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The Python that `scripts/test` has given Kafka's client to.
fn python() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace("target"), PathBuf::from);
    let python = target.join("python/bin/python");
    assert!(python.exists(), "{} is missing; `scripts/test` sets it up", python.display());
    python
}

/// The Rust consumer: an example of this package, which `cargo test` builds before its tests.
fn rust_consumer() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().and_then(Path::parent).unwrap().join("examples/availability");
    let age = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let fresh = age(&program) >= age(&workspace("kafka/consumers/availability.rs"));
    assert!(fresh, "{} is missing or old: `cargo build -p holdfast --examples`", program.display());
    program
}

/// Both consumers, on all of the topic.
async fn consume(brokers: &str) -> [Output; 2] {
    let in_rust = Command::new(rust_consumer()).arg(brokers).kill_on_drop(true).output();
    let script = workspace("kafka/consumers/availability.py");
    let in_python = Command::new(python()).arg(script).arg(brokers).kill_on_drop(true).output();
    let (rust, python) = tokio::join!(in_rust, in_python);
    [rust.unwrap(), python.unwrap()]
}

fn rows(output: &Output) -> Vec<Value> {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the server shows of an inventory, without what is made of the counts.
async fn shown(place: &Place, token: &str, inventory_id: &str) -> Value {
    let path = format!("/v1/inventories/{inventory_id}/availability");
    let all = place.ask(Method::GET, &path, token, Value::Null, StatusCode::OK).await;
    COUNTED.iter().map(|name| ((*name).to_owned(), all[name].clone())).collect()
}

/// A relay that has lost its partitions and does not know it: all but the first `after` events of each, again.
async fn send_again(pool: &PgPool, kafka: &Kafka, after: i64) -> Vec<RawEvent> {
    let log = identity(pool).await.unwrap();
    let topic = topics().unwrap().into_iter().find(|topic| topic.name == EVENTS).unwrap();
    let topic = EventsTopic::find(kafka, &topic, log.partitions).await.unwrap();
    let producer = EventsProducer::new(&topic, log.log_id).unwrap();
    let mut sent = Vec::new();
    for log_partition in 0..log.partitions {
        let after = LogPosition { log_partition, position: after };
        sent.extend(read_raw_after(pool, after, 1_000).await.unwrap());
    }
    producer.send(&sent).await.unwrap();
    sent
}

/// Everything that changes a count, on several inventories; the last booking of each runs out.
async fn trade(place: &Place, admin: &str, shows: &[String]) {
    let post =
        async |path: &str, body: Value, status| place.ask(Method::POST, path, admin, body, status).await;
    for (nth, show) in (1..).zip(shows) {
        let mut bookings = Vec::new();
        for quantity in [1, 2, 3, nth] {
            let asked = json!({"inventory_id": show, "quantity": quantity});
            let booking = post("/v1/bookings", asked, StatusCode::CREATED).await;
            bookings.push(booking["id"].as_str().unwrap().to_owned());
        }
        for (booking, action) in
            [(0, "confirm"), (1, "cancel"), (2, "confirm"), (2, "cancel")].into_iter().take(nth)
        {
            post(&format!("/v1/bookings/{}/{action}", bookings[booking]), json!({}), StatusCode::OK).await;
        }
        let house = async |action: &str, body| {
            post(&format!("/v1/inventories/{show}/{action}"), body, StatusCode::OK).await;
        };
        house("block", json!({"quantity": 5 + nth, "reason": "sound_desk"})).await;
        house("unblock", json!({"quantity": nth})).await;
        house("capacity", json!({"capacity": 100 * nth})).await;
        house("close-sales", json!({})).await;
        if nth % 2 == 0 {
            house("reopen-sales", json!({})).await;
        }
    }
}

/// A show that is booked, moved and cancelled.
async fn called_off(place: &Place, admin: &str) -> String {
    let show = place.open_show(admin, 60, 600).await;
    let booked = json!({"inventory_id": show, "quantity": 2});
    place.ask(Method::POST, "/v1/bookings", admin, booked, StatusCode::CREATED).await;
    let path = format!("/v1/shows/{show}");
    let moved = place.http.patch(place.url(&path)).bearer_auth(admin).header("If-Match", "*");
    let moved = moved.json(&json!({"starts_at": "2099-06-01T18:00:00Z"})).send().await.unwrap();
    assert_eq!(moved.status(), StatusCode::OK);
    let why = json!({"reason": "illness"});
    place.ask(Method::POST, &format!("{path}/cancel"), admin, why, StatusCode::OK).await;
    show
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_example_consumers_count_what_the_server_shows_and_stop_at_a_hole() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let brokers = broker.bootstrap();
    let kafka = Kafka::new(&brokers, []).unwrap();
    let place = Place::new();
    let server = place.up().await;
    let admin = place.admin().await;
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let pool = PgPool::connect_with(cluster.connect_options("holdfast")).await.unwrap();
    let _relay = place.role(&["relay"], &brokers);
    let in_the_topic = async || {
        eventually(PATIENCE, "the topic is the log", async || {
            place.verify_topic(&brokers).await.0 == Some(0)
        })
        .await;
    };

    let mut shows = Vec::new();
    for (capacity, hold_seconds) in [(40, 1), (50, 1), (200, 600), (300, 0)] {
        shows.push(place.open_show(&admin, capacity, hold_seconds).await);
    }
    trade(&place, &admin, &shows[..3]).await;
    in_the_topic().await;
    send_again(&pool, &kafka, 0).await;
    let sold_at_once = json!({"inventory_id": shows[3], "quantity": 7});
    place.ask(Method::POST, "/v1/bookings", &admin, sold_at_once, StatusCode::CREATED).await;
    shows.push(called_off(&place, &admin).await);
    eventually(PATIENCE, "the short holds run out", async || {
        let held = async |show| shown(&place, &admin, show).await["held"].clone();
        (held(&shows[0]).await, held(&shows[1]).await) == (json!(0), json!(0))
    })
    .await;
    in_the_topic().await;
    let sent = send_again(&pool, &kafka, 2).await;

    let mut server_shows = Vec::new();
    shows.sort();
    for show in &shows {
        server_shows.push(shown(&place, &admin, show).await);
    }
    let ended: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'BookingExpired'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(ended > 0 && server_shows.iter().any(|seats| seats["held"].as_i64() > Some(0)));
    for output in &consume(&brokers).await {
        assert_eq!(rows(output), server_shows);
    }

    // The event after the next one: whoever counted on would be wrong for ever.
    let mut beyond = sent.last().unwrap().clone();
    beyond.at.position += 2;
    let log = identity(&pool).await.unwrap();
    let topic = topics().unwrap().into_iter().find(|topic| topic.name == EVENTS).unwrap();
    let topic = EventsTopic::find(&kafka, &topic, log.partitions).await.unwrap();
    EventsProducer::new(&topic, log.log_id).unwrap().send(&[beyond]).await.unwrap();
    for output in &consume(&brokers).await {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("hole"), "{said}");
        assert!(output.stdout.is_empty(), "nothing is printed that may be wrong");
    }
    drop(pool);
    assert_eq!(server.terminate().await, Some(0));
    broker.stop().await.unwrap();
}

/// What an outside team would write: it knows the contract, and nothing of ours.
#[test]
fn the_example_consumers_know_nothing_of_ours_and_the_readme_shows_the_one_that_is_tested() {
    let read = |path: &str| std::fs::read_to_string(workspace("kafka").join(path)).unwrap();
    let (readme, in_rust, in_python) =
        (read("README.md"), read("consumers/availability.rs"), read("consumers/availability.py"));
    assert!(!in_rust.contains("holdfast_"));
    assert!(readme.contains(&format!("```python\n{in_python}```\n")), "kafka/README.md shows another text");
    assert!(readme.contains("](consumers/availability.rs)"));
}
