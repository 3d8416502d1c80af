//! The server on a real socket: slow clients, and stopping.

use crate::app::App;
use axum::{Router, routing::get};
use futures::FutureExt;
use holdfast_api::serve;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
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

async fn served(router: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let ended = tokio::spawn(serve(listener, router, stop.clone()));
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
