//! Kill -9 of the server under load at random moments, alone or with Postgres.
//!
//! In a fifth of the rounds Postgres dies with the server; in another fifth it dies alone, and the server up to a
//! second later: while it waits, takes over, asks what became of an append, or goes on.
//! Clients re-send what was not answered or has an unknown outcome, with the same keys. What they were told is
//! not done (`store_unavailable`, `overloaded`), before any such answer, they give up. In the end what was
//! acknowledged is what is stored: nothing lost, nothing doubled, nothing oversold, no gap, and nothing that was
//! given up.
//! Five rounds here; `scripts/kill-test` sets `HOLDFAST_KILL_ROUNDS`.

use crate::booked::{chance, connection, stored};
use crate::server::{Place, Server, rand_key};
use holdfast_cluster::Cluster;
use reqwest::StatusCode;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Concurrent clients.
const CLIENTS: usize = 16;
/// Seats of each show. The first sells out during a test; with the others every round has bookings to lose.
const CAPACITIES: [u32; 4] = [2_000, 1_000_000, 1_000_000, 1_000_000];
/// A round lasts between these.
const ROUND_MILLISECONDS: std::ops::Range<u64> = 100..1_500;
/// How long a server lives at most after its Postgres was killed alone: it is back within this, usually.
const ALONE_MILLISECONDS_MAX: u64 = 1_000;
/// A client's pause after 503, as its Retry-After asks for, but shorter.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// One booking that was asked for.
#[derive(Clone)]
struct Asked {
    key: String,
    inventory_id: String,
    quantity: u64,
}

/// What became of it.
enum Became {
    Booked {
        id: String,
    },
    SoldOut,
    /// 503 that says that nothing was done.
    NotDone,
    /// 503 `outcome_unknown`: perhaps it happened; to be asked again.
    Unknown,
    /// The connection died: perhaps it happened, and there is nobody to ask now.
    Unanswered,
}

struct Clients {
    place: Arc<Place>,
    token: String,
    shows: Vec<String>,
}

#[derive(Default)]
struct Counts {
    rounds: usize,
    postgres_kills: usize,
    postgres_kills_alone: usize,
    acknowledged: HashMap<String, (String, Asked)>,
    /// Told to be not done; none of it may be stored.
    given_up: usize,
    sold_out: usize,
    unknown: usize,
    resent: usize,
}

impl Clients {
    async fn send(&self, asked: &Asked) -> Became {
        let request = self
            .place
            .http
            .post(self.place.url("/v1/bookings"))
            .bearer_auth(&self.token)
            .header("Idempotency-Key", &asked.key)
            .json(&json!({"inventory_id": asked.inventory_id, "quantity": asked.quantity}));
        let Ok(answer) = request.send().await else { return Became::Unanswered };
        let status = answer.status();
        let Ok(body) = answer.json::<Value>().await else { return Became::Unanswered };
        match (status, body["code"].as_str()) {
            (StatusCode::CREATED, _) => Became::Booked { id: body["id"].as_str().unwrap().to_owned() },
            (StatusCode::CONFLICT, Some("sold_out")) => Became::SoldOut,
            (StatusCode::SERVICE_UNAVAILABLE, Some("outcome_unknown")) => Became::Unknown,
            (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable" | "overloaded")) => Became::NotDone,
            _ => panic!("{status}: {body}"),
        }
    }

    /// Books until told to stop. Returns everything with its outcome.
    async fn load(self: Arc<Self>, stop: Arc<AtomicBool>) -> Vec<(Asked, Became)> {
        let mut all = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let show = usize::try_from(chance(CAPACITIES.len() as u64)).unwrap();
            let asked =
                Asked { key: rand_key(), inventory_id: self.shows[show].clone(), quantity: 1 + chance(3) };
            let became = self.send_until_answered(&asked, &stop).await;
            let (gone, not_done) = (matches!(became, Became::Unanswered), matches!(became, Became::NotDone));
            all.push((asked, became));
            if gone {
                break;
            }
            if not_done {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
        all
    }

    /// Asks with the same key again while the outcome is unknown: then "not done" says nothing of the first try.
    async fn send_until_answered(&self, asked: &Asked, stop: &AtomicBool) -> Became {
        let mut unknown = false;
        loop {
            match self.send(asked).await {
                Became::NotDone if !unknown => return Became::NotDone,
                Became::Unknown | Became::NotDone if stop.load(Ordering::Relaxed) => return Became::Unknown,
                Became::Unknown | Became::NotDone => tokio::time::sleep(AGAIN_AFTER).await,
                became => return became,
            }
            unknown = true;
        }
    }
}

impl Counts {
    fn record(&mut self, asked: Asked, became: Became) -> Option<Asked> {
        match became {
            Became::Booked { id } => {
                let before = self.acknowledged.insert(asked.key.clone(), (id.clone(), asked));
                assert!(before.is_none_or(|(first, _)| first == id), "one key, two bookings");
                None
            }
            Became::SoldOut => {
                self.sold_out += 1;
                None
            }
            Became::NotDone => {
                self.given_up += 1;
                None
            }
            Became::Unknown => {
                self.unknown += 1;
                Some(asked)
            }
            Became::Unanswered => Some(asked),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_it_loses_and_doubles_nothing() {
    let rounds: usize = std::env::var("HOLDFAST_KILL_ROUNDS").map_or(5, |n| n.parse().expect("a number"));
    let place = Arc::new(Place::new());
    let mut server = place.up().await;
    let admin = place.admin().await;
    let mut shows = Vec::new();
    for capacity in CAPACITIES {
        shows.push(place.open_show(&admin, capacity, 0).await);
    }
    let clients = Arc::new(Clients { place: place.clone(), token: admin, shows });
    let mut counts = Counts::default();
    for round in 0..rounds {
        server = kill_under_load(&place, &clients, server, round, &mut counts).await;
    }
    assert_eq!(server.terminate().await, Some(0), "SIGTERM ends in order");
    let cluster = Cluster::start(&place.data(), &holdfast_cluster::Options::default()).await.unwrap();
    let stored = stored(&mut connection(&cluster).await, &clients.shows, &CAPACITIES).await;
    cluster.stop().await.unwrap();
    let (code, verified) = place.run(&["verify"]).await;
    println!(
        "{} rounds, {} with Postgres killed too, {} with Postgres killed first: {} acknowledged, {} stored, \
         {} re-sent, {} of unknown outcome, {} not done, {} refused as sold out\n{verified}",
        counts.rounds,
        counts.postgres_kills,
        counts.postgres_kills_alone,
        counts.acknowledged.len(),
        stored.len(),
        counts.resent,
        counts.unknown,
        counts.given_up,
        counts.sold_out,
    );
    let acknowledged: HashMap<_, _> = counts
        .acknowledged
        .into_values()
        .map(|(id, asked)| (id, (asked.inventory_id, asked.quantity)))
        .collect();
    let given_up = counts.given_up;
    assert_eq!(acknowledged, stored, "acknowledged = stored, and nothing of {given_up} that are not done");
    assert_eq!(code, Some(0), "verify finds nothing");
}

async fn kill_under_load(
    place: &Arc<Place>,
    clients: &Arc<Clients>,
    server: Server,
    round: usize,
    counts: &mut Counts,
) -> Server {
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(clients.clone().load(stop.clone()))).collect();
    let moment = ROUND_MILLISECONDS.start + chance(ROUND_MILLISECONDS.end - ROUND_MILLISECONDS.start);
    tokio::time::sleep(Duration::from_millis(moment)).await;
    match round % 5 {
        2 => {
            kill_process(place.postmaster(), Signal::KILL).unwrap();
            tokio::time::sleep(Duration::from_millis(chance(ALONE_MILLISECONDS_MAX))).await;
            counts.postgres_kills_alone += 1;
        }
        4 => {
            kill_process(place.postmaster(), Signal::KILL).unwrap();
            counts.postgres_kills += 1;
        }
        _ => {}
    }
    server.kill().await;
    stop.store(true, Ordering::Relaxed);
    let mut unanswered = Vec::new();
    for client in load {
        for (asked, became) in client.await.unwrap() {
            unanswered.extend(counts.record(asked, became));
        }
    }
    let server = place.up().await;
    counts.resent += unanswered.len();
    while let Some(asked) = unanswered.pop() {
        let became = match clients.send(&asked).await {
            Became::NotDone => Became::Unknown, // an earlier try may be in the log
            became => became,
        };
        unanswered.extend(counts.record(asked, became));
    }
    counts.rounds += 1;
    server
}
