//! Serves a router over HTTP/1.1.
//!
//! Guarantees: a connection that sends no request, or takes no answer, for a while is closed; connections are bounded in all and
//! for each address, and the longest idle give way to new ones (`connections`); when told to stop, it
//! accepts nothing more, answers what is in flight, and returns within a bound.
//! Our own loop instead of axum's, because that one has no time limit for a request's head.

mod connections;
mod progress;

pub use connections::ConnectionLimits;

use crate::extract::Peer;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header},
};
use connections::{Connections, Open};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use progress::Progressing;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, info, warn};

/// How long a connection may stay without the whole head of a next request: closes those that drip
/// one byte at a time, and idle ones.
const HEAD_SECONDS_MAX: u64 = 30;
/// Largest head of a request, and what is read ahead of a body or waits to be written: bounds the memory of a connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long requests in flight may take after the signal to stop. The process has 10 seconds in all, and
/// the writer and Postgres end after this.
const DRAIN_SECONDS_MAX: u64 = 5;
/// How long the last answer of a connection that gives way may still take to be written.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// Pause after a failed accept: descriptors run out, and come back when connections close.
const ACCEPT_PAUSE_MILLISECONDS: u64 = 100;

/// Serves `router` until `shutdown` is cancelled and what is in flight has been answered, or
/// 5 seconds have passed.
///
/// # Errors
/// If the listener has no address, that is: is none.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let (tasks, connections) = (TaskTracker::new(), Connections::new(limits));
    let abort = CancellationToken::new();
    while let Some((stream, peer, place)) = accept(&listener, &connections, &shutdown).await {
        // Without a place for its address the stream is dropped, and so closed.
        let Some(open) = connections.open(peer.ip(), place) else { continue };
        let (router, shutdown, abort) = (router.clone(), shutdown.clone(), abort.clone());
        tasks.spawn(async move {
            abort.run_until_cancelled(connection(stream, &open, router, shutdown)).await;
        });
    }
    drop(listener);
    tasks.close();
    debug!(%address, connections = tasks.len(), "no longer accepting");
    if timeout(Duration::from_secs(DRAIN_SECONDS_MAX), tasks.wait()).await.is_err() {
        warn!(connections = tasks.len(), "cutting connections that did not finish in time");
        abort.cancel();
        tasks.wait().await;
    }
    info!(%address, "stopped serving on {address}");
    Ok(())
}

/// The next connection, when there is a place for it; none once we are to stop.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, connections::Place)> {
    loop {
        // First the connection, then its place: nothing gives way before it is needed.
        match shutdown.run_until_cancelled(listener.accept()).await? {
            Ok((stream, peer)) => {
                let place = shutdown.run_until_cancelled(connections.place()).await??;
                return Some((stream, peer, place));
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                shutdown.run_until_cancelled(sleep(Duration::from_millis(ACCEPT_PAUSE_MILLISECONDS))).await?;
            }
        }
    }
}

async fn connection(stream: TcpStream, open: &Open, router: Router, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection went before it began");
        return;
    }
    let (peer, entry) = (Peer(open.address()), open.entry());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let in_flight = entry.begin();
        let router = router.clone();
        async move {
            if !names_one_host(request.version(), request.headers()) {
                return Ok(malformed());
            }
            request.extensions_mut().insert(peer);
            let answer = router.oneshot(request.map(Body::new)).await;
            drop(in_flight);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Progressing::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = open.gives_way() => {
            if !open.has_had_requests() {
                return;
            }
            connection.as_mut().graceful_shutdown();
            match timeout(LAST_ANSWER, connection.as_mut()).await {
                Ok(ended) => ended,
                Err(_) if open.is_idle() => return,
                Err(_) => connection.await,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended badly");
    }
}

/// Whether a request names its host as RFC 9112 §3.2 wants it: once, and in HTTP/1.0 at most once.
fn names_one_host(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => version != Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// As hyper answers what it cannot read.
fn malformed() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}
