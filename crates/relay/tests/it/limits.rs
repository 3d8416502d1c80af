//! What is too large, and a disk that is full.

use crate::{
    following::Working,
    rig::{PARTITIONS, PATIENCE, Rig, Sending},
};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use holdfast_messaging::{EventsTopic, Kafka, SendError};
use holdfast_relay::{Failure, State};
use holdfast_testkit::{eventually, open_folder};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio_util::sync::CancellationToken;

/// Far more than a request of ours may bring in (64 KiB), and what the issue of it asks for.
const MEGABYTE: usize = 1_000_000;
/// No file of the broker may grow beyond this: room for its own book-keeping, and not for the events.
const FILE_BYTES_MAX: u64 = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_megabyte_reach_a_read_model() {
    let mut rig = Rig::new().await;
    for _ in 0..3 {
        rig.append_large(MEGABYTE).await;
    }
    rig.append_large(2 * MEGABYTE).await;
    rig.append(1).await;
    rig.send_all(&mut rig.relay()).await;
    assert_eq!(rig.verified().await.found, 0);
    let working = Working::on(rig.fed_by_kafka().await);
    eventually(PATIENCE, "the read model has them", async || rig.tally().await == [5, 1, 1, 1]).await;
    working.end().await.unwrap();
}

/// It says which event and what to do, instead of trying for ever; and what it says helps.
#[tokio::test]
async fn an_event_that_is_larger_than_the_topic_takes_stops_the_relay_until_the_topic_takes_it() {
    let mut rig = Rig::new().await;
    let mut small = rig.topic.clone();
    small.settings.insert("max.message.bytes".to_owned(), "600000".to_owned());
    EventsTopic::open(&rig.kafka, &small, PARTITIONS).await.unwrap();
    rig.append(3).await;
    rig.send_all(&mut rig.relay()).await;
    // Incompressible, or the topic would take it.
    rig.append_incompressible(MEGABYTE).await;
    rig.append(5).await;
    sqlx::query("DELETE FROM relays").execute(&rig.pool).await.unwrap();
    let (status, stop) = (rig.relay(), CancellationToken::new());
    let (status, running) = (status.status(), tokio::spawn(status.run(None, stop)));
    let failure = running.await.unwrap().expect_err("it stops");
    let Failure::Send(SendError::TooLarge { at, bytes, .. }) = &failure else { panic!("{failure:?}") };
    assert_eq!((at.log_partition, at.position), (0, 4));
    assert!(*bytes > MEGABYTE, "{bytes}");
    let State::Stopped(said) = &status.borrow().state.clone() else { panic!("{:?}", status.borrow()) };
    assert!(said.contains("the event at 0-4") && said.contains("max.message.bytes"), "{said}");

    rig.alter_topic("max.message.bytes", "4194304").await;
    rig.send_all(&mut rig.relay()).await;
    let report = rig.verified().await;
    assert_eq!((report.found, report.events), (0, 8 * u64::from(PARTITIONS) + 1), "{report:?}");
}

/// The same while it is sending: what is on its way behind the event is not taken, or the topic would have a hole.
#[tokio::test]
async fn nothing_follows_an_event_that_is_refused() {
    let mut rig = Rig::new().await;
    let mut small = rig.topic.clone();
    small.settings.insert("max.message.bytes".to_owned(), "600000".to_owned());
    EventsTopic::open(&rig.kafka, &small, PARTITIONS).await.unwrap();
    let mut relay = rig.relay();
    rig.append(3).await;
    rig.send_all(&mut relay).await;
    rig.append(1).await;
    rig.append_incompressible(MEGABYTE).await;
    rig.append(200).await;
    eventually(PATIENCE, "it stops", async || {
        let failure = relay.run_once().await.expect_err("not all of it can be sent");
        matches!(&failure, Failure::Send(SendError::TooLarge { at, .. }) if at.position == 5)
    })
    .await;
    let report = rig.verified().await;
    assert!(report.findings.iter().all(|finding| finding.contains("the relay is behind")), "{report:?}");
    assert!(
        report.findings.iter().any(|finding| finding.contains("partition 0 of the topic ends at position 4"))
    );
}

/// Kafka gives up a disk that it cannot write to, and ends. A limit on the size of its files is met by the same calls as
/// a full disk, and needs no disk of one's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_disk_is_full_holds_up_nobody_and_gets_everything_when_it_has_room() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let mut rig = Rig::on(Kafka::new(&broker.bootstrap(), []).unwrap()).await;
    rig.append(10).await;
    let relay = Sending::on(rig.relay());
    relay.sent(10).await;

    let pid = Pid::from_raw(broker.node_pid(1).unwrap().unwrap().try_into().unwrap());
    let limit = Rlimit { current: Some(FILE_BYTES_MAX), maximum: None };
    prlimit(pid, Resource::Fsize, limit).unwrap();
    let mut events: i64 = 10;
    eventually(PATIENCE, "the broker finds no room", async || {
        // Nobody who appends knows of it.
        rig.append(500).await;
        events += 500;
        broker.node_pid(1).unwrap().is_none()
    })
    .await;
    relay.waits().await;
    rig.append(5).await;
    events += 5;
    broker.start_node(1).await.unwrap();
    relay.sent(events).await;
    relay.end().await;
    let report = rig.verified().await;
    assert_eq!(report.found, 0, "{report:?}");
    assert_eq!(report.events, u64::from(PARTITIONS) * events.unsigned_abs(), "{report:?}");
    broker.stop().await.unwrap();
}
