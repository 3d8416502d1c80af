//! The same from the topic: a group of its own.

use crate::{
    receiver::Receiver,
    rig::{PARTITIONS, Rig, config},
};
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_event_log::identity;
use holdfast_messaging::{EVENTS, Kafka, KafkaSource, Topic, topics};
use holdfast_notifier::{EventKind, Notifier, NotifierParts};
use holdfast_relay::Relay;
use holdfast_testkit::kafka;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notifier_on_the_topic_sends_what_the_relay_copies_and_no_history() {
    let rig = Rig::new().await;
    let kafka = Kafka::new(kafka().await, []).unwrap();
    let events = topics().unwrap().into_iter().find(|topic| topic.name == EVENTS).unwrap();
    let topic = Topic { name: format!("test.{}", Machine.new_id()), replication: 1, ..events };
    rig.sell(10).await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, &[EventKind::BookingConfirmed]).await;
    let stop = CancellationToken::new();
    let relay = Relay::new(rig.pool.clone(), kafka.clone(), topic.clone(), Machine.new_id());
    let relaying = tokio::spawn(relay.run(Some(rig.writer.commits()), stop.clone()));

    let log = identity(&rig.pool).await.unwrap();
    let source = || {
        let group = format!("{}.notify", topic.name);
        KafkaSource::new(kafka.clone(), topic.clone(), PARTITIONS, group, log.log_id)
    };
    let parts = || NotifierParts {
        ambient: Arc::new(rig.clock.clone()),
        key: rig.key.clone(),
        deliver: config(),
        mail: None,
    };
    // Two of them, of which one goes.
    let (first, second) = (source(), source());
    let first_stop = CancellationToken::new();
    let first = Notifier::new(&rig.pool, first, parts()).unwrap().keep_running(None, first_stop.clone());
    let second = Notifier::new(&rig.pool, second, parts()).unwrap().keep_running(None, stop.clone());
    let (first, second) = (tokio::spawn(first), tokio::spawn(second));
    rig.sell(30).await;
    receiver.gets(30).await;
    first_stop.cancel();
    first.await.unwrap();
    rig.sell(10).await;
    receiver.gets(40).await;
    stop.cancel();
    second.await.unwrap();
    relaying.await.unwrap().unwrap();
    assert_eq!((receiver.got().len(), receiver.ids().len()), (40, 40), "each once");
}
