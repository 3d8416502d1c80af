//! Kafka goes away under load, and so do the processes between the log and the read models; bookings notice nothing.
//!
//! Every role is a process of its own. With one node, the broker is stopped for a while and killed; then the broker,
//! the relay and each projector are killed at random moments, all beside each other, each while it is at work. With
//! three nodes, each is killed in turn, and everything flows with two. In the end what was acknowledged is what is
//! stored, the topic is the log, and the read models are a fold of it.
//!
//! A short form here; `scripts/outage-test` sets `HOLDFAST_OUTAGE_SECONDS`, `_KILLS` and `_NODES`.

use crate::booked::{Bookings, chance, connection, stored};
use crate::server::{Place, rand_key};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions, Nodes};
use holdfast_cluster::Cluster;
use holdfast_testkit::{eventually, open_folder};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::Child;
use tokio::time::{Instant, sleep};

/// Concurrent clients.
const CLIENTS: u64 = 8;
/// A client's pause after an answer: bounds the load to 2,000 bookings a second, whatever the machine.
const PAUSE: Duration = Duration::from_millis(4);
/// Seats of each show. The first sells out during a test.
const CAPACITIES: [u32; 4] = [2_000, 1_000_000, 1_000_000, 1_000_000];
/// How long a process that is at work lives at most until it is killed.
const ALIVE_MILLISECONDS_MAX: u64 = 1_000;
/// How often the broker is killed at most, beside being stopped: each time everything else waits for it.
const BROKER_KILLS_MAX: u32 = 2;
/// How long anything may take to go on: a JVM starts, a group settles, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(180);
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

/// What the clients got.
#[derive(Default)]
struct Answers {
    booked: Bookings,
    sold_out: usize,
    /// Everything that is neither a booking nor sold out.
    errors: Vec<String>,
    slowest: Duration,
}

struct Clients {
    place: Arc<Place>,
    token: String,
    shows: Vec<String>,
    stop: AtomicBool,
}

impl Clients {
    /// Books until told to stop.
    async fn load(self: Arc<Self>) -> Answers {
        let mut answers = Answers::default();
        while !self.stop.load(Ordering::Relaxed) {
            let show = &self.shows[usize::try_from(chance(CAPACITIES.len() as u64)).unwrap()];
            let asked_at = Instant::now();
            match self.book(show, 1 + chance(3)).await {
                Ok(Some((id, quantity))) => {
                    assert!(answers.booked.insert(id, (show.clone(), quantity)).is_none(), "one id twice");
                }
                Ok(None) => answers.sold_out += 1,
                Err(error) => answers.errors.push(error),
            }
            answers.slowest = answers.slowest.max(asked_at.elapsed());
            sleep(PAUSE).await;
        }
        answers
    }

    /// One booking; none: sold out.
    async fn book(&self, show: &str, quantity: u64) -> Result<Option<(String, u64)>, String> {
        let request = self.place.http.post(self.place.url("/v1/bookings")).bearer_auth(&self.token);
        let asked = json!({"inventory_id": show, "quantity": quantity});
        let answer = request.header("Idempotency-Key", rand_key()).json(&asked).send().await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|error| format!("{status}: {error:?}"))?;
        match (status, body["code"].as_str()) {
            (StatusCode::CREATED, _) => Ok(Some((body["id"].as_str().unwrap().to_owned(), quantity))),
            (StatusCode::CONFLICT, Some("sold_out")) => Ok(None),
            _ => Err(format!("{status}: {body}")),
        }
    }
}

impl Answers {
    fn add(mut self, other: Self) -> Self {
        self.booked.extend(other.booked);
        self.sold_out += other.sold_out;
        self.errors.extend(other.errors);
        self.slowest = self.slowest.max(other.slowest);
        self
    }
}

/// The way from the log to the read models.
struct Flow {
    place: Arc<Place>,
    broker: Broker,
    pool: PgPool,
}

/// A process of it.
#[derive(Clone, Copy)]
enum Role {
    Relay,
    Projector(&'static str),
}

impl Flow {
    fn start(&self, role: Role) -> Child {
        let brokers = self.broker.bootstrap();
        match role {
            Role::Relay => self.place.role(&["relay"], &brokers),
            Role::Projector(name) => self.place.role(&["project", name, "--source", "kafka"], &brokers),
        }
    }

    /// Kills it so often, each time at a random moment while it is at work, and starts it again.
    async fn kill(&self, role: Role, mut process: Child, times: u32) -> Child {
        for _ in 0..times {
            self.at_work(role).await;
            sleep(Duration::from_millis(chance(ALIVE_MILLISECONDS_MAX))).await;
            assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
            process.kill().await.unwrap();
            process = self.start(role);
        }
        self.at_work(role).await;
        process
    }

    /// The relay has all partitions for itself, so the one before it is given up; a projector applies events.
    async fn at_work(&self, role: Role) {
        match role {
            Role::Relay => {
                let sql = "SELECT (SELECT count(*) FROM relays) = 1
                           AND (SELECT count(*) FROM relay_partitions) = (SELECT count(*) FROM log_heads)";
                eventually(PATIENCE, "the relay has all partitions", async || {
                    sqlx::query_scalar::<_, bool>(sql).fetch_one(&self.pool).await.unwrap()
                })
                .await;
            }
            Role::Projector(name) => {
                let before = self.folded(name).await;
                eventually(PATIENCE, "the projector applies events", async || {
                    self.folded(name).await > before
                })
                .await;
            }
        }
    }

    /// Events that a read model has; none before its projector has run.
    async fn folded(&self, name: &str) -> i64 {
        let schema = name.replace('-', "_");
        let sql = format!("SELECT coalesce(sum(position), 0)::bigint FROM {schema}.checkpoints");
        sqlx::query_scalar(&sql).fetch_one(&self.pool).await.unwrap_or(0)
    }

    /// Waits until both read models have what the log has now. Returns how long that took.
    async fn drained(&self) -> Duration {
        let began = Instant::now();
        let heads: Vec<(i16, i64)> = sqlx::query_as("SELECT log_partition, position FROM log_heads")
            .fetch_all(&self.pool)
            .await
            .unwrap();
        let (partitions, positions): (Vec<_>, Vec<_>) = heads.into_iter().unzip();
        let sql =
            "SELECT count(*) = 0 FROM unnest($1::smallint[], $2::bigint[]) head (log_partition, position)
                   LEFT JOIN availability.checkpoints a USING (log_partition)
                   LEFT JOIN booking_history.checkpoints h USING (log_partition)
                   WHERE coalesce(least(a.position, h.position), 0) < head.position";
        eventually(PATIENCE, "the read models have what the log has", async || {
            let query = sqlx::query_scalar::<_, bool>(sql).bind(&partitions).bind(&positions);
            query.fetch_one(&self.pool).await.is_ok_and(|drained| drained)
        })
        .await;
        began.elapsed()
    }

    /// Watches, for as long as it is polled, how long no read model moves, and keeps the longest in `longest`.
    async fn watch(&self, longest: &Cell<Duration>) {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let now = self.folded("availability").await + self.folded("booking-history").await;
            if now != last {
                (last, since) = (now, Instant::now());
            }
            longest.set(longest.get().max(since.elapsed()));
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn restart_broker(&self, times: u32) {
        for _ in 0..times {
            self.at_work(Role::Projector("availability")).await;
            self.broker.kill_node(1).await.unwrap();
            self.broker.start_node(1).await.unwrap();
        }
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
