//! What one client does to the others: each attack runs while 50 customers book, and each of their bookings is made. One that is
//! answered 503 is sent again with its key, as the answer asks; how often is in the table.
//!
//! The attackers have addresses of their own (127.0.0.2 and so on), as other machines would. Everything is on loopback and
//! bounded in time. A second for each attack here; `scripts/attack` sets `HOLDFAST_ATTACK_SECONDS` and prints the table.
//! Times are printed and not asserted; a failed booking, and descriptors that stay open, fail the test.

use crate::server::{Place, Server, rand_key};
use futures::future::join_all;
use holdfast_testkit::eventually;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use rustix::process::Pid;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Customers who book meanwhile.
const CUSTOMERS: usize = 50;
/// What a customer does between two bookings.
const THINKS: Duration = Duration::from_millis(100);
/// Accounts of attackers that hold and churn.
const ATTACKERS: usize = 8;
/// Sockets of the attack that opens them and sends one byte each.
const IDLE_SOCKETS: usize = 1_100;
/// Connections of attacks that ask as fast as they are answered.
const AT_ONCE: usize = 64;
/// How long it may take until what an attack has opened is closed again: an idle connection has 30 s for its next request.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Descriptors more than before that are no leak: pools grow with use.
const DESCRIPTORS_MORE: usize = 40;
/// Requests that one answer's connection may be kept waiting for.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Addresses of loopback are limited as others are. The customers share one, and are no office: it may hold more.
const LIMITS: [&str; 4] = ["--limit-loopback", "true", "--limit-address", "hold=100000/60"];
const PASSWORD: &str = "correct horse battery";

/// What customers have seen.
#[derive(Default)]
struct Seen {
    milliseconds: Vec<f64>,
    /// Requests that were answered 503 and sent again, with the same key.
    again: usize,
    failures: Vec<String>,
}

/// One attack: what it asked, and how it was answered.
type Answers = Arc<Mutex<BTreeMap<&'static str, u64>>>;

#[derive(Clone)]
struct Attack {
    place: Arc<Place>,
    show: String,
    tokens: Vec<String>,
    answers: Answers,
    stop: CancellationToken,
}

/// A client with an address of its own.
fn client_at(last: u8) -> Client {
    let address = Ipv4Addr::new(127, 0, 0, last);
    Client::builder().local_address(Some(address.into())).timeout(ANSWERED_WITHIN).build().unwrap()
}

impl Attack {
    fn count(&self, answer: &'static str) {
        *self.answers.lock().unwrap().entry(answer).or_default() += 1;
    }

    async fn ask(&self, request: RequestBuilder) -> Option<Value> {
        let Ok(answer) = request.send().await else {
            self.count("cut");
            return None;
        };
        self.count(match answer.status() {
            status if status.is_success() => "2xx",
            StatusCode::TOO_MANY_REQUESTS => "429",
            StatusCode::SERVICE_UNAVAILABLE => "503",
            status if status.is_server_error() => "5xx",
            _ => "4xx",
        });
        answer.json().await.ok()
    }

    /// Runs `once` again and again, many at once, until the attack ends.
    async fn flood<F: Future<Output = ()>>(&self, at_once: usize, once: impl Fn(usize) -> F) {
        let one = async |nth| {
            while !self.stop.is_cancelled() {
                once(nth).await;
            }
        };
        join_all((0..at_once).map(one)).await;
    }

    fn post(&self, client: &Client, path: &str, body: &Value) -> RequestBuilder {
        client.post(self.place.url(path)).header("Idempotency-Key", rand_key()).json(body)
    }

    /// Asks for long answers and reads none of them.
    async fn slow_readers(&self) {
        let mut open = Vec::new();
        for _ in 0..200 {
            if let Ok(mut stream) = connect_from(2, &self.place.address).await {
                let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50);
                let _ = timeout(ANSWERED_WITHIN, stream.write_all(&request)).await;
                self.count("open");
                open.push(stream);
            }
        }
        self.stop.cancelled().await;
    }

    /// Opens connections, and opens those again that are closed.
    async fn idle_sockets(&self) {
        self.flood(IDLE_SOCKETS, async |_| {
            let Ok(mut stream) = connect_from(3, &self.place.address).await else {
                sleep(THINKS).await;
                return;
            };
            self.count("open");
            let _ = stream.write_all(b"G").await;
            let closed = async { stream.read(&mut [0; 1]).await };
            self.stop.run_until_cancelled(closed).await;
            sleep(THINKS).await;
        })
        .await;
    }

    async fn parallel_guesses(&self) {
        let client = client_at(4);
        let guess = json!({"email": "admin@holdfast.local", "password": "a wrong password"});
        self.flood(40, async |_| drop(self.ask(self.post(&client, "/v1/sessions", &guess)).await)).await;
    }

    async fn sign_up_flood(&self) {
        let client = client_at(5);
        self.flood(AT_ONCE, async |_| {
            let account = json!({"email": format!("{}@example.com", rand_key()), "password": PASSWORD});
            self.ask(self.post(&client, "/v1/users", &account)).await;
        })
        .await;
    }

    /// Holds as many seats as it gets.
    async fn hoarding(&self) {
        let client = client_at(6);
        self.flood(ATTACKERS, async |nth| {
            let hold = json!({"inventory_id": self.show, "quantity": 10});
            self.ask(self.post(&client, "/v1/bookings", &hold).bearer_auth(&self.tokens[nth])).await;
        })
        .await;
    }

    async fn search_flood(&self) {
        let client = client_at(7);
        let paths =
            ["/v1/flights?sort=price&currency=EUR&limit=200", "/v1/shows?limit=200", "/v1/cities?limit=200"];
        self.flood(AT_ONCE, async |nth| {
            let read = client.request(Method::GET, self.place.url(paths[nth % paths.len()]));
            self.ask(read).await;
        })
        .await;
    }

    async fn book_and_cancel(&self) {
        let client = client_at(8);
        self.flood(AT_ONCE, async |nth| {
            let token = &self.tokens[nth % ATTACKERS];
            let hold = json!({"inventory_id": self.show, "quantity": 1});
            let made = self.ask(self.post(&client, "/v1/bookings", &hold).bearer_auth(token)).await;
            if let Some(id) = made.as_ref().and_then(|booking| booking["id"].as_str()) {
                let path = format!("/v1/bookings/{id}/cancel");
                self.ask(self.post(&client, &path, &json!({})).bearer_auth(token)).await;
            }
        })
        .await;
    }
}

async fn connect_from(last: u8, address: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    let connected = timeout(ANSWERED_WITHIN, socket.connect(address.parse().unwrap())).await;
    connected.unwrap_or_else(|late| Err(late.into()))
}

/// A customer books one seat after the other until `stop`.
async fn customer(place: &Place, client: &Client, token: &str, show: &str, stop: &CancellationToken) -> Seen {
    let mut seen = Seen::default();
    while !stop.is_cancelled() {
        let (key, began) = (rand_key(), Instant::now());
        loop {
            let request = client.post(place.url("/v1/bookings")).bearer_auth(token);
            let request = request.header("Idempotency-Key", &key);
            match request.json(&json!({"inventory_id": show, "quantity": 1})).send().await {
                Ok(answer) if answer.status() == StatusCode::CREATED => break,
                // As its Retry-After asks, but sooner.
                Ok(answer)
                    if answer.status() == StatusCode::SERVICE_UNAVAILABLE
                        && began.elapsed() < ANSWERED_WITHIN =>
                {
                    seen.again += 1;
                    sleep(THINKS).await;
                }
                Ok(answer) => {
                    seen.failures.push(format!("{}: {:?}", answer.status(), answer.text().await));
                    break;
                }
                Err(error) => {
                    seen.failures.push(format!("{error:?}"));
                    break;
                }
            }
        }
        seen.milliseconds.push(began.elapsed().as_secs_f64() * 1_000.0);
        sleep(THINKS).await;
    }
    seen
}

/// All customers, for so long.
async fn book(place: &Arc<Place>, show: &str, tokens: &[String], lasting: Duration) -> Seen {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let client = Client::builder().timeout(ANSWERED_WITHIN).build().unwrap();
    let customers: Vec<_> = tokens
        .iter()
        .cloned()
        .map(|token| {
            let (place, client, show, stop) = (place.clone(), client.clone(), show.to_owned(), stop.clone());
            tasks.spawn(async move { customer(&place, &client, &token, &show, &stop).await })
        })
        .collect();
    sleep(lasting).await;
    stop.cancel();
    join_all(customers).await.into_iter().fold(Seen::default(), |mut all, seen| {
        let seen = seen.unwrap();
        all.milliseconds.extend(seen.milliseconds);
        all.again += seen.again;
        all.failures.extend(seen.failures);
        all
    })
}

impl Seen {
    /// The value below which this share of the bookings was answered, in milliseconds.
    fn percentile(&mut self, share: usize) -> f64 {
        self.milliseconds.sort_by(f64::total_cmp);
        let at = self.milliseconds.len() * share / 100;
        self.milliseconds.get(at.min(self.milliseconds.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }
}

fn descriptors(process: Pid) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.as_raw_nonzero())).unwrap().count()
}

/// Resident memory in MB.
fn memory(process: Pid) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_000
}

async fn accounts(place: &Place, count: usize) -> Vec<String> {
    let sign_up = async |_| {
        let email = format!("{}@example.com", rand_key());
        let account = json!({"email": email, "password": PASSWORD});
        let made = place.http.post(place.url("/v1/users")).json(&account).send().await.unwrap();
        assert_eq!(made.status(), StatusCode::CREATED);
        place.sign_in(&email, PASSWORD).await
    };
    let mut tokens = Vec::new();
    for nth in 0..count {
        tokens.push(sign_up(nth).await);
    }
    tokens
}

/// Runs one attack beside the customers, and returns what they saw, how it was answered, and a line of the table.
async fn attacked(
    name: &str,
    attack: Attack,
    run: impl AsyncFnOnce(&Attack),
    (customers, quiet): (&[String], f64),
    (server, lasting): (&Server, Duration),
) -> String {
    let before = (descriptors(server.pid()), memory(server.pid()));
    let stop = attack.stop.clone();
    let booking = async {
        let seen = book(&attack.place, &attack.show, customers, lasting).await;
        stop.cancel();
        seen
    };
    let (mut seen, ()) = tokio::join!(booking, run(&attack));
    assert!(
        seen.failures.is_empty(),
        "{name}: {} failures: {:?}",
        seen.failures.len(),
        seen.failures.first()
    );
    eventually(BACK_WITHIN, "what the attack has opened is closed", async || {
        descriptors(server.pid()) <= before.0 + DESCRIPTORS_MORE
    })
    .await;
    let answers = std::mem::take(&mut *attack.answers.lock().unwrap());
    assert!(!answers.contains_key("5xx"), "{name}: {answers:?}");
    let (p50, p99) = (seen.percentile(50), seen.percentile(99));
    let memory = (before.1, memory(server.pid()));
    let mut line = format!(
        "| {name} | {} | {} | {p50:.1} | {p99:.1} | {:.1} | {} → {} MB |",
        seen.milliseconds.len(),
        seen.again,
        p99 / quiet,
        memory.0,
        memory.1
    );
    for (answer, count) in answers {
        write!(line, " {answer}: {count}").unwrap();
    }
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attack_keeps_customers_from_booking() {
    let seconds = std::env::var("HOLDFAST_ATTACK_SECONDS").map_or(1, |text| text.parse().unwrap());
    let lasting = Duration::from_secs(seconds);
    let place = Arc::new(Place::new());
    let server = place.up_with(&LIMITS).await;
    let admin = place.admin().await;
    let show = place.open_show(&admin, 1_000_000, 900).await;
    let (customers, attackers) = (accounts(&place, CUSTOMERS).await, accounts(&place, ATTACKERS).await);
    let mut quiet = book(&place, &show, &customers, lasting).await;
    assert!(quiet.failures.is_empty(), "{:?}", quiet.failures.first());
    let (p50, p99) = (quiet.percentile(50), quiet.percentile(99));
    let mut table = format!(
        "| while | bookings of {CUSTOMERS} customers | sent again | p50 ms | p99 ms | × quiet | memory | the attack's answers |\n\
         |---|---|---|---|---|---|---|---|\n| nothing | {} | {} | {p50:.1} | {p99:.1} | 1.0 | | |\n",
        quiet.milliseconds.len(),
        quiet.again
    );
    macro_rules! attack {
        ($($name:ident),*) => {$(
            let attack = Attack {
                place: place.clone(),
                show: show.clone(),
                tokens: attackers.clone(),
                answers: Answers::default(),
                stop: CancellationToken::new(),
            };
            let run = async |attack: &Attack| attack.$name().await;
            let name = stringify!($name).replace('_', " ");
            let line = attacked(&name, attack, run, (&customers, p99), (&server, lasting)).await;
            writeln!(table, "{line} |").unwrap();
        )*};
    }
    attack!(
        slow_readers,
        idle_sockets,
        parallel_guesses,
        sign_up_flood,
        hoarding,
        search_flood,
        book_and_cancel
    );
    println!("{table}");
    assert_eq!(server.terminate().await, Some(0));
}
