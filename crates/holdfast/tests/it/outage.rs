//! Kafka goes away under load, and so do the processes between the log and the read models; bookings notice nothing.
//!
//! Every role is a process of its own. With one node, the broker is stopped for a while and killed; then the broker,
//! the relay and each projector are killed at random moments, all beside each other, each while it is at work. With
//! three nodes, each is killed in turn, and everything flows with two. In the end what was acknowledged is what is
//! stored, the topic is the log, and the read models are a fold of it.
//!
//! A short form here; `scripts/outage-test` sets `HOLDFAST_OUTAGE_SECONDS`, `_KILLS` and `_NODES`.

mod flow;
mod load;

use crate::booked::{connection, stored};
use crate::server::Place;
use flow::{Flow, Role};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions, Nodes};
use holdfast_cluster::Cluster;
use holdfast_testkit::open_folder;
use load::{Answers, CAPACITIES, Clients};
use sqlx::PgPool;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::Child;
use tokio::time::sleep;

/// Concurrent clients.
const CLIENTS: u64 = 8;
/// How often the broker is killed at most, beside being stopped: each time everything else waits for it.
const BROKER_KILLS_MAX: u32 = 2;
/// Errors that are printed; the rest is only counted.
const ERRORS_SHOWN: usize = 10;

/// How much goes wrong.
struct Form {
    nodes: Nodes,
    /// How long the broker is stopped.
    away: Duration,
    /// How often the relay is killed, and each projector.
    kills: u32,
}

impl Form {
    fn of_environment() -> Self {
        let number = |name: &str, short| {
            std::env::var(format!("HOLDFAST_OUTAGE_{name}")).map_or(short, |n| n.parse().expect("a number"))
        };
        let nodes = Nodes::from_count(number("NODES", 1).try_into().unwrap()).expect("1 or 3 nodes");
        Self { nodes, away: Duration::from_secs(number("SECONDS", 3).into()), kills: number("KILLS", 1) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_go_on_whatever_dies_between_the_log_and_the_read_models() {
    let form = Form::of_environment();
    let folder = open_folder();
    let options = BrokerOptions { nodes: form.nodes, ..BrokerOptions::default() };
    let place = Arc::new(Place::new());
    // Only `up` makes a new system, with its first admin; the api role finds one.
    let up = place.up().await;
    let token = place.admin().await;
    assert_eq!(up.terminate().await, Some(0));
    let (api, broker) = (place.api_in_the_folder().await, Broker::start(folder.path(), &options, &Machine));
    let broker = broker.await.unwrap();
    let mut shows = Vec::new();
    for capacity in CAPACITIES {
        shows.push(place.open_show(&token, capacity, 0).await);
    }
    let cluster = Cluster::running(&place.data()).await.unwrap().unwrap();
    let pool = PgPool::connect_with(cluster.connect_options("holdfast")).await.unwrap();
    let flow = Flow { place: place.clone(), broker, pool };
    let roles = [Role::Relay, Role::Projector("availability"), Role::Projector("booking-history")];
    let mut processes = roles.map(|role| flow.start(role));

    let clients = Arc::new(Clients { place: place.clone(), token, shows, stop: AtomicBool::new(false) });
    let load: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(clients.clone().load())).collect();
    for role in roles {
        flow.at_work(role).await;
    }
    let longest = Cell::new(Duration::ZERO);
    processes = tokio::select! {
        () = flow.watch(&longest) => unreachable!("it watches for ever"),
        processes = faults(&flow, &form, roles, processes) => processes,
    };
    let to_drain = flow.drained().await;
    clients.stop.store(true, Ordering::Relaxed);
    let mut answers = Answers::default();
    for client in load {
        answers = answers.add(client.await.unwrap());
    }
    flow.drained().await;

    let (code, verified) = place.verify_topic(&flow.broker.bootstrap()).await;
    let stored = stored(&mut connection(&cluster).await, &clients.shows, &CAPACITIES).await;
    println!(
        "{} acknowledged, {} stored, {} refused as sold out, {} errors; slowest answer {:.0?}; no read model moved for \
         {:.1?} at most; all there {:.1?} after the last fault\n{verified}",
        answers.booked.len(),
        stored.len(),
        answers.sold_out,
        answers.errors.len(),
        answers.slowest,
        longest.get(),
        to_drain,
    );
    let shown: Vec<_> = answers.errors.iter().take(ERRORS_SHOWN).collect();
    assert!(shown.is_empty(), "bookings noticed: {shown:#?}");
    assert_eq!(answers.booked, stored, "acknowledged = stored");
    assert_eq!(code, Some(0), "topic and read models are the log: {verified}");
    for process in &mut processes {
        assert!(process.try_wait().unwrap().is_none(), "a process ended by itself");
        process.kill().await.unwrap();
    }
    flow.pool.close().await;
    assert_eq!(api.terminate().await, Some(0));
    flow.broker.stop().await.unwrap();
}

async fn faults(flow: &Flow, form: &Form, roles: [Role; 3], processes: [Child; 3]) -> [Child; 3] {
    if form.nodes == Nodes::Three {
        for node in 1..=form.nodes.count() {
            flow.broker.kill_node(node).await.unwrap();
            println!("node {node} of 3 killed: with two, all there after {:.1?}", flow.drained().await);
            flow.broker.start_node(node).await.unwrap();
            println!("node {node} of 3 is back: all there after {:.1?}", flow.drained().await);
        }
        return processes;
    }
    flow.broker.stop().await.unwrap();
    sleep(form.away).await;
    flow.broker.start_node(1).await.unwrap();
    let to_drain = flow.drained().await;
    println!("the broker was stopped for {:.0?}: all there {to_drain:.1?} after it was back", form.away);
    let [relay, availability, history] = processes;
    let [first, second, third] = roles;
    let (relay, availability, history, ()) = tokio::join!(
        flow.kill(first, relay, form.kills),
        flow.kill(second, availability, form.kills),
        flow.kill(third, history, form.kills),
        flow.restart_broker(form.kills.min(BROKER_KILLS_MAX)),
    );
    println!("relay and each projector killed {} times beside each other", form.kills);
    [relay, availability, history]
}
