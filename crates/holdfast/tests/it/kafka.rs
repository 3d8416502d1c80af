//! The roles as processes of their own, through a real Kafka.

use crate::server::{Place, write_secret};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use holdfast_testkit::{eventually, open_folder};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

/// JVM, group and projectors all start here; a busy machine is given time.
const PATIENCE: Duration = Duration::from_secs(90);

impl Place {
    /// Starts a role that goes on until it is killed.
    pub(crate) fn role(&self, role: &[&str], brokers: &str) -> Child {
        let mut command = self.command(role);
        // What Kafka's client says about a broker that is away belongs to the test.
        command.env("KAFKA_BROKERS", brokers).env("HOLDFAST_LOG", "error,librdkafka=off,rdkafka=off");
        command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
    }

    pub(crate) async fn verify_topic(&self, brokers: &str) -> (Option<i32>, String) {
        self.run(&["verify", "--topic", "--kafka-brokers", brokers]).await
    }
}

/// Bookings by one process, the topic by another, each read model by a third and fourth, which are killed and come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topic_is_the_log_and_read_models_from_it_are_those_of_the_log() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let brokers = broker.bootstrap();
    let place = Place::new();
    let server = place.up_with(&["--no-projectors"]).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 1_000, 0).await;
    let all_agree = async |bookings: u64| {
        let (mut said, expected) = (String::new(), format!("booking-history: {bookings} rows"));
        eventually(PATIENCE, "topic and read models are the log", async || {
            let (code, text) = place.verify_topic(&brokers).await;
            said = text;
            code == Some(0) && said.contains(&expected)
        })
        .await;
        said
    };

    let mut relay = place.role(&["relay"], &brokers);
    let mut availability = place.role(&["project", "availability", "--source", "kafka"], &brokers);
    let history = place.role(&["project", "booking-history", "--source", "kafka"], &brokers);
    for _ in 0..20 {
        place.sell_one(&admin, &show).await;
    }
    all_agree(20).await;
    relay.kill().await.unwrap();
    availability.kill().await.unwrap();
    for _ in 0..20 {
        place.sell_one(&admin, &show).await;
    }
    let (code, text) = place.verify_topic(&brokers).await;
    assert!(code == Some(1) && text.contains("the relay is behind"), "{text}");

    let _again = place.role(&["relay"], &brokers);
    let _again = (_again, place.role(&["project", "availability", "--source", "kafka"], &brokers));
    let said = all_agree(40).await;
    assert!(said.contains("topic: 41 records, 41 events of the log byte for byte"), "{said}");
    drop(history);
    assert_eq!(server.terminate().await, Some(0));
    broker.stop().await.unwrap();
}

/// `up --kafka`: a broker of its own, which is killed under way; a start on the same folder has the same topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_with_a_kafka_of_its_own_feeds_the_read_models_from_the_topic() {
    let place = Place::new();
    let server = place.up_with(&["--kafka"]).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 1_000, 0).await;
    let broker = place.data().join("kafka");
    let node = || {
        let nodes = holdfast_broker::status(&broker).unwrap();
        nodes.first().map(|node| (node.pid, node.address.clone())).unwrap()
    };
    // The list comes from the read model alone.
    let has = async |bookings: usize| {
        eventually(PATIENCE, "the booking is in the read model", async || {
            let list = place.http.get(place.url("/v1/bookings")).bearer_auth(&admin).send().await.unwrap();
            let list = list.json::<serde_json::Value>().await.unwrap();
            list["data"].as_array().is_some_and(|bookings_there| bookings_there.len() == bookings)
        })
        .await;
    };
    place.sell_one(&admin, &show).await;
    has(1).await;
    let (Some(pid), address) = node() else { panic!("the broker runs") };
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    place.sell_one(&admin, &show).await;
    has(2).await;
    let (Some(again), same_address) = node() else { panic!("the broker is back") };
    assert!(again != pid && same_address == address);
    // Other commands on the folder find the broker.
    let output = place.command(&["verify", "--topic"]).env_remove("KAFKA_BROKERS").output().await.unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(
        output.status.success() && text.contains("topic: 3 records, 3 events of the log byte for byte"),
        "{text}"
    );
    let output = place.command(&["status", "--json"]).env_remove("KAFKA_BROKERS").output().await.unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["topic_from"], "kafka", "{status}");
    assert_eq!(server.terminate().await, Some(0));
    assert_eq!(node().0, None, "it ends with the server");

    let server = place.up_with(&["--kafka"]).await;
    place.sell_one(&admin, &show).await;
    has(3).await;
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn without_kafka_it_says_what_to_give() {
    let place = Place::new();
    let server = place.up().await;
    for command in [&["relay"][..], &["project", "availability", "--source", "kafka"], &["verify", "--topic"]]
    {
        let output = place.command(command).env_remove("KAFKA_BROKERS").output().await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains("KAFKA_BROKERS"), "{command:?}: {text}");
    }
    let secret = place.folder().join("kafka.settings");
    write_secret(&secret, "# ours\nsecurity.protocol = ssl\nsasl.password secret-word\n");
    let file = secret.to_str().unwrap();
    let wrong = ["verify", "--topic", "--kafka-brokers", "127.0.0.1:1", "--kafka-settings-file", file];
    let output = place.command(&wrong).output().await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("line 3 of") && !text.contains("secret-word"), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}

/// The port of a real HTTP server, our own: nobody crashes, those that serve wait and say for whom, and the others end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_not_kafkas_is_named() {
    let place = Place::new();
    let server = place.up().await;
    let wrong = format!("Kafka at {} does not answer", place.address);
    for role in [&["relay"][..], &["project", "availability", "--source", "kafka"]] {
        let mut command = place.command(role);
        command.env("KAFKA_BROKERS", &place.address).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let says_so = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains(&wrong) {
                    return;
                }
            }
            panic!("{role:?} ended without a word about {wrong}");
        };
        timeout(PATIENCE, says_so).await.expect("it says so in time");
        assert!(process.try_wait().unwrap().is_none(), "{role:?} waits");
        process.kill().await.unwrap();
    }
    let (code, text) = place.verify_topic(&place.address).await;
    assert!(code == Some(1) && text.contains(&wrong), "{text}");
    assert_eq!(server.terminate().await, Some(0));
}
