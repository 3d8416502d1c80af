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
use connections::{Asked, Connections, Open};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use progress::Progressing;
use std::{convert::Infallible, io, pin::Pin, time::Duration};
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
/// How long a connection that gives way may still take to write what it has of its last answer: at most [`HEAD_BYTES_MAX`].
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
    while let Some((stream, open)) = accept(&listener, &connections, &shutdown).await {
        tasks.spawn(connection(stream, open, router.clone()));
    }
    drop(listener);
    tasks.close();
    debug!(%address, connections = tasks.len(), "no longer accepting");
    connections.ask_all(Asked::Drain);
    if timeout(Duration::from_secs(DRAIN_SECONDS_MAX), tasks.wait()).await.is_err() {
        warn!(connections = tasks.len(), "cutting connections that did not finish in time");
        connections.ask_all(Asked::Abort);
        tasks.wait().await;
    }
    info!(%address, "stopped serving on {address}");
    Ok(())
}

/// The next connection that has a place; none once we are to stop.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, Open)> {
    loop {
        // First the connection, then its place: nothing gives way before it is needed.
        match shutdown.run_until_cancelled(listener.accept()).await? {
            Ok((stream, peer)) => {
                if let Some(open) = shutdown.run_until_cancelled(connections.open(peer.ip())).await? {
                    return Some((stream, open));
                }
                // Without a place for its address the stream is dropped, and so closed.
            }
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                shutdown.run_until_cancelled(sleep(Duration::from_millis(ACCEPT_PAUSE_MILLISECONDS))).await?;
            }
        }
    }
}

async fn connection(stream: TcpStream, open: Open, router: Router) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection went before it began");
        return;
    }
    let (peer, entry) = (Peer(open.address()), open.entry());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let in_flight = entry.begin();
        let router = router.clone();
        async move {
            let answer = if names_one_host(request.version(), request.headers()) {
                request.extensions_mut().insert(peer);
                router.oneshot(request.map(Body::new)).await?
            } else {
                malformed()
            };
            Ok::<_, Infallible>(answer.map(|body| in_flight.until_the_end_of(body)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Progressing::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    if let Ok(Err(error)) = served(connection.as_mut(), &open, |it| it.graceful_shutdown()).await {
        debug!(%error, "a connection ended badly");
    }
}

/// Serves a connection to its end, or to the end that it is asked for. `drain` has it end after the answer under way.
async fn served<C: Future>(
    mut connection: Pin<&mut C>,
    open: &Open,
    drain: impl FnOnce(Pin<&mut C>),
) -> Result<C::Output, Asked> {
    let asked = match open.serve(connection.as_mut(), Asked::Nothing).await {
        Err(asked) => asked,
        ended => return ended,
    };
    let gives_way = asked == Asked::GiveWay;
    if asked == Asked::Abort || gives_way && !open.has_had_requests() {
        return Err(asked);
    }
    drain(connection.as_mut());
    if gives_way {
        let last = open.serve(connection.as_mut(), Asked::GiveWay);
        match timeout(LAST_ANSWER, last).await {
            Ok(Ok(ended)) => return Ok(ended),
            Err(_) if open.is_idle() => return Err(asked),
            _ => {}
        }
    }
    open.serve(connection, Asked::Drain).await
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
