//! Three nodes of which one dies: two are enough, and nothing that was acknowledged is lost.

use crate::rig::{PARTITIONS, Rig, Sending};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions, Nodes};
use holdfast_messaging::{EVENTS, Kafka, Topic, topics};
use holdfast_testkit::open_folder;

/// Heap of a node here: several tests run beside each other.
const HEAP_MIB: u32 = 192;

/// Each of the three is killed under load while the relay sends, and comes back before the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_three_nodes_is_killed_in_turn_and_the_topic_stays_the_log() {
    let folder = open_folder();
    let options = BrokerOptions { nodes: Nodes::Three, heap_mib: HEAP_MIB, ..BrokerOptions::default() };
    let broker = Broker::start(folder.path(), &options, &Machine).await.unwrap();
    let mut rig = Rig::on(Kafka::new(&broker.bootstrap(), []).unwrap()).await;
    let events = topics().unwrap().into_iter().find(|topic| topic.name == EVENTS).unwrap();
    rig.topic = Topic { name: rig.topic.name.clone(), ..events };
    let relay = Sending::on(rig.relay());
    let mut appended = 0;
    // Appends and waits until the topic has it, so often.
    let mut flows = async |times: usize, rig: &mut Rig| {
        for _ in 0..times {
            rig.append(50).await;
            appended += 50;
            relay.sent(appended).await;
        }
    };
    flows(3, &mut rig).await;
    for node in 1..=3 {
        // Killed while a batch is on its way, not between two.
        let (killed, ()) = tokio::join!(broker.kill_node(node), flows(10, &mut rig));
        killed.unwrap();
        flows(2, &mut rig).await;
        broker.start_node(node).await.unwrap();
        flows(1, &mut rig).await;
    }
    relay.end().await;
    let report = rig.verified().await;
    assert_eq!((report.found, report.warnings.len()), (0, 0), "three copies of every record: {report:?}");
    assert_eq!(report.events, 42 * 50 * u64::from(PARTITIONS), "{report:?}");
    assert_eq!(report.records, report.events + report.again, "{report:?}");
    broker.stop().await.unwrap();
}
