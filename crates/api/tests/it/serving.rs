//! The server on a real socket: slow clients, and stopping.

use crate::app::{App, PATIENCE};
use axum::{Router, routing::get};
use futures::FutureExt;
use holdfast_api::{ConnectionLimits, serve};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<std::io::Result<()>>,
}

const LIMITS: ConnectionLimits = ConnectionLimits { total: 1_000, per_address: 1_000 };

async fn served(router: Router) -> Server {
    served_within(router, LIMITS).await
}

async fn served_within(router: Router, limits: ConnectionLimits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let ended = tokio::spawn(serve(listener, router, limits, stop.clone()));
    Server { address, stop, ended }
}

/// A router whose one answer waits until it is let go.
fn waiting() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entered_in, go_in) = (entered.clone(), go.clone());
    let wait = get(async move || {
        entered_in.notify_one();
        go_in.notified().await;
        "done"
    });
    (Router::new().route("/", wait), entered, go)
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn what_is_in_flight_is_answered_and_nothing_new_is_accepted() {
    let (router, entered, go) = waiting();
    let server = served(router).await;
    let mut in_flight = TcpStream::connect(server.address).await.unwrap();
    in_flight.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    entered.notified().await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.stop.cancel();
    assert_eq!(read_to_end(idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err() || server.ended.is_finished());
    go.notify_one();
    assert!(read_to_end(in_flight).await.ends_with("done"));
    server.ended.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_cut_after_5_seconds() {
    let (router, entered, _go) = waiting();
    let server = served(router).await;
    let mut in_flight = TcpStream::connect(server.address).await.unwrap();
    in_flight.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    entered.notified().await;
    let stopped = Instant::now();
    server.stop.cancel();
    server.ended.await.unwrap().unwrap();
    assert_eq!(stopped.elapsed().as_secs(), 5);
}

/// One byte a second keeps a connection open for ever, unless the whole head has a limit.
#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_cut_off() {
    let server = served(Router::new()).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
    let began = Instant::now();
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(60), slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
}

/// Its client may see the refusal or, as it is still sending, only the end of the connection.
#[tokio::test]
async fn a_head_that_is_too_large_is_not_served() {
    let server = served(Router::new()).await;
    for (bytes, served) in [(1, true), (1024 * 1024, false)] {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        let large = "x".repeat(bytes);
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-large: {large}\r\n\r\n");
        let sent = client.write_all(head.as_bytes()).await;
        let mut answer = String::new();
        let ended = sent.and(client.read_to_string(&mut answer).await);
        assert_eq!(answer.starts_with("HTTP/1.1 404"), served, "{answer}");
        assert!(served || ended.is_err() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_a_large_body_is_told_so() {
    let app = App::new().await;
    let server = served(app.router.clone()).await;
    let client = reqwest::Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let large = client.post(url("/v1/users")).header("content-type", "application/json");
    let refused = large.body("x".repeat(800 * 1024)).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let problem: serde_json::Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "payload_too_large");
    for _ in 0..3 {
        assert_eq!(client.get(url("/health/live")).send().await.unwrap().text().await.unwrap(), "alive\n");
    }
    server.stop.cancel();
    server.ended.await.unwrap().unwrap();
    assert!(client.get(url("/health/live")).send().now_or_never().is_none_or(|sent| sent.is_err()));
}

const OTHER_REQUEST: &[u8] = b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n";

/// Asks for /other from that address, on a connection that stays open, and reads the whole answer.
async fn asked_from(address: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let mut client = socket.connect(server).await.unwrap();
    client.write_all(OTHER_REQUEST).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"other") {
        read.push(client.read_u8().await.unwrap());
    }
    client
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Sends one request on a connection that stays open, and waits for its answer.
async fn asked(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 404");
    client
}

/// 1,100 sockets with one byte each stopped the server, and through its descriptors its Postgres.
#[tokio::test]
async fn idle_connections_give_way_to_new_ones_and_requests_in_flight_do_not() {
    for limits in [
        ConnectionLimits { total: 4, per_address: 4 },
        ConnectionLimits { total: 100, per_address: 4 },
        ConnectionLimits { total: 4, per_address: 100 },
    ] {
        let (router, entered, go) = waiting();
        let server = served_within(router.route("/other", get(async || "other")), limits).await;
        let mut in_flight = TcpStream::connect(server.address).await.unwrap();
        in_flight.write_all(REQUEST).await.unwrap();
        entered.notified().await;
        let mut idle = Vec::new();
        for _ in 0..20 {
            let mut one = TcpStream::connect(server.address).await.unwrap();
            one.write_all(b"G").await.unwrap();
            idle.push(one);
        }
        let client = reqwest::Client::new();
        for _ in 0..3 {
            let answer = client.get(format!("http://{}/other", server.address)).send();
            let answer = timeout(PATIENCE, answer).await.expect("a place").unwrap();
            assert_eq!(answer.text().await.unwrap(), "other", "{limits:?}");
        }
        let mut first = idle.swap_remove(0);
        let gone = timeout(PATIENCE, first.read_to_end(&mut Vec::new())).await;
        assert!(gone.is_ok(), "the longest idle was closed");
        go.notify_one();
        let mut answer = [0; 15];
        in_flight.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        server.stop.cancel();
    }
}

#[tokio::test]
async fn a_connection_between_two_requests_gives_way_too() {
    let server = served_within(Router::new(), ConnectionLimits { total: 2, per_address: 2 }).await;
    let mut first = asked(server.address).await;
    let _others = [asked(server.address).await, asked(server.address).await];
    timeout(PATIENCE, first.read_to_end(&mut Vec::new())).await.expect("it is closed").unwrap();
}

#[tokio::test]
async fn an_address_with_all_its_connections_busy_gets_no_more() {
    let (router, entered, go) = waiting();
    let server = served_within(router, ConnectionLimits { total: 100, per_address: 1 }).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(REQUEST).await.unwrap();
    entered.notified().await;
    let mut one_more = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, one_more.read_to_end(&mut rest)).await.expect("it is closed at once");
    assert!(rest.is_empty());
    go.notify_one();
    let mut answer = [0; 15];
    busy.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

/// The place that the newcomer cannot have anyway is taken from no other client.
#[tokio::test]
async fn an_address_with_all_its_connections_busy_takes_no_place_from_another() {
    let (router, entered, go) = waiting();
    let limits = ConnectionLimits { total: 2, per_address: 1 };
    let server = served_within(router.route("/other", get(async || "other")), limits).await;
    let mut other = asked_from(Ipv4Addr::new(127, 0, 0, 2), server.address).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(REQUEST).await.unwrap();
    entered.notified().await;
    let mut one_more = TcpStream::connect(server.address).await.unwrap();
    let _ = timeout(PATIENCE, one_more.read_to_end(&mut Vec::new())).await.expect("it is closed at once");
    other.write_all(OTHER_REQUEST).await.unwrap();
    let mut answer = [0; 15];
    other.read_exact(&mut answer).await.expect("the idle connection of the other address is still open");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    go.notify_one();
    busy.read_exact(&mut answer).await.unwrap();
}

/// Its answers stay where they are for ever, unless a write that does not get on has a limit.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_cut_off() {
    const LARGE: usize = 64 * 1024 * 1024;
    let router = Router::new().route("/", get(async || vec![b'x'; LARGE]));
    let server = served(router).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(15)).await;
    let mut read = Vec::new();
    let _ = client.read_to_end(&mut read).await;
    assert!(read.len() < LARGE && began.elapsed() < Duration::from_secs(25), "{} bytes", read.len());
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let server = served(Router::new()).await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n", "400"),
        ("GET / HTTP/1.0\r\nhost: x\r\nhost: x\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: x\r\n", "404"),
        ("GET / HTTP/1.0\r\n", "404"),
    ] {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let answer = read_to_end(client).await;
        assert_eq!(answer.get(9..12), Some(status), "{head}: {answer}");
    }
}
