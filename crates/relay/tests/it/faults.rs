//! Brokers and relays that go away.

use crate::rig::{PARTITIONS, PATIENCE, Rig, Sending, fresh_topic};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use holdfast_event_log::LogPosition;
use holdfast_messaging::Kafka;
use holdfast_projector::Source as _;
use holdfast_relay::{Relay, State};
use holdfast_testkit::{eventually, open_folder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Bookings do not know whether a broker is there: the log grows, the relay waits and says so, and catches up by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dies_and_returns_gets_everything_in_order() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let mut rig = Rig::on(Kafka::new(&broker.bootstrap(), []).unwrap()).await;
    rig.append(10).await;
    let relay = Sending::on(rig.relay());
    relay.sent(10).await;

    broker.kill_node(1).await.unwrap();
    for _ in 0..20 {
        rig.append(5).await;
    }
    relay.waits().await;
    broker.start_node(1).await.unwrap();
    relay.sent(110).await;
    relay.end().await;
    let report = rig.verified().await;
    assert_eq!((report.found, report.events), (0, 110 * u64::from(PARTITIONS)), "{report:?}");
    assert_eq!(report.records, report.events + report.again, "{report:?}");
    broker.stop().await.unwrap();
}

/// Nothing is booked, so nothing is sent that could fail: whoever looks after the machine is told all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_with_nothing_to_send_says_that_its_broker_is_gone_and_that_it_is_back() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let mut rig = Rig::on(Kafka::new(&broker.bootstrap(), []).unwrap()).await;
    rig.append(1).await;
    let relay = Sending::on(rig.relay());
    relay.sent(1).await;

    broker.kill_node(1).await.unwrap();
    relay.waits().await;
    broker.start_node(1).await.unwrap();
    relay.sent(1).await;
    relay.end().await;
    broker.stop().await.unwrap();
}

/// The client complains several times a second while the broker is away. All of it is one answer: a projector, which
/// pauses after each, would otherwise go on only long after the broker is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_piled_up_while_the_broker_was_away_delays_no_projector() {
    let folder = open_folder();
    let broker = Broker::start(folder.path(), &BrokerOptions::default(), &Machine).await.unwrap();
    let mut rig = Rig::on(Kafka::new(&broker.bootstrap(), []).unwrap()).await;
    let mut relay = rig.relay();
    rig.append(1).await;
    rig.send_all(&mut relay).await;
    let mut source = rig.source("pile").await;
    let mut after: Vec<_> =
        (0..PARTITIONS).map(|log_partition| LogPosition { log_partition, position: 0 }).collect();
    let mut complaints = 0;
    let mut has_all = async |position: i64| {
        eventually(PATIENCE, "everything is read", async || {
            match source.read(&after, 1_000).await {
                Ok(events) => events.iter().for_each(|e| after[usize::from(e.at.log_partition)] = e.at),
                Err(_) => complaints += 1,
            }
            after.iter().all(|at| at.position == position)
        })
        .await;
        std::mem::take(&mut complaints)
    };
    has_all(1).await;
    for _ in 0..2 {
        broker.kill_node(1).await.unwrap();
        broker.start_node(1).await.unwrap();
    }
    rig.append(1).await;
    eventually(PATIENCE, "it is sent", async || {
        let step = relay.run_once().await;
        step.is_ok_and(|step| step.events == 0 && !step.more)
    })
    .await;
    let complaints = has_all(2).await;
    assert!(complaints <= 3, "it complained {complaints} times of what was over");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_is_not_there_at_the_start_is_waited_for_and_named() {
    // A port that nobody listens on.
    let rig = Rig::on(
        Kafka::new("127.0.0.1:1", [("socket.connection.setup.timeout.ms".into(), "1000".into())]).unwrap(),
    )
    .await;
    let relay = Relay::new(rig.pool.clone(), rig.kafka.clone(), fresh_topic(), uuid::Uuid::from_u128(1));
    let (status, stop) = (relay.status(), CancellationToken::new());
    let running = tokio::spawn(relay.run(None, stop.clone()));
    eventually(PATIENCE, "it says who does not answer", async || match &status.borrow().state {
        State::Retrying(why) => why.contains("127.0.0.1:1"),
        _ => false,
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// Somebody wrote the port of an HTTP server. Its "HTTP" read as a length would be a gigabyte.
#[tokio::test]
async fn a_port_that_speaks_http_is_waited_for_and_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let http = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.read(&mut [0; 1_024]).await;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n").await;
        }
    });
    let rig = Rig::on(Kafka::new(&address, []).unwrap()).await;
    let relay = rig.relay();
    let (status, stop) = (relay.status(), CancellationToken::new());
    let running = tokio::spawn(relay.run(None, stop.clone()));
    eventually(PATIENCE, "it says who gives no answer", async || match &status.borrow().state {
        State::Retrying(why) => why.contains(&address),
        _ => false,
    })
    .await;
    stop.cancel();
    running.await.unwrap().unwrap();
    http.abort();
}

/// The partitions are shared, and one that ends leaves its share to the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_share_the_partitions_and_one_takes_over() {
    let mut rig = Rig::new().await;
    rig.append(50).await;
    let (first, second) = (rig.relay(), rig.relay());
    let (one, two) = (first.status(), second.status());
    let (stop_one, stop_two) = (CancellationToken::new(), CancellationToken::new());
    let first = tokio::spawn(first.run(None, stop_one.clone()));
    let second = tokio::spawn(second.run(None, stop_two.clone()));
    eventually(PATIENCE, "each has half", async || {
        (one.borrow().partitions.len(), two.borrow().partitions.len()) == (2, 2)
    })
    .await;
    rig.append(50).await;
    stop_one.cancel();
    first.await.unwrap().unwrap();
    eventually(PATIENCE, "the other has all", async || {
        let status = two.borrow();
        status.partitions.len() == usize::from(PARTITIONS) && status.partitions.iter().all(|p| p.sent == 100)
    })
    .await;
    stop_two.cancel();
    second.await.unwrap().unwrap();
    let report = rig.verified().await;
    assert_eq!((report.found, report.events), (0, 100 * u64::from(PARTITIONS)), "{report:?}");
}
