//! Serves a router over HTTP/1.1.
//!
//! Guarantees: a connection that sends no request for a while is closed; when told to stop, it
//! accepts nothing more, answers what is in flight, and returns within a bound.
//! Our own loop instead of axum's, because that one has no time limit for a request's head.

use crate::extract::Peer;
use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, info, warn};

/// How long a connection may stay without the whole head of a next request: closes those that drip
/// one byte at a time, and idle ones.
const HEAD_SECONDS_MAX: u64 = 30;
/// Largest head of a request, and what is read ahead of a body: bounds the memory of a connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Connections at a time; later ones wait in the listener's queue. Each costs some 20 KiB.
const CONNECTIONS_MAX: usize = 10_000;
/// How long requests in flight may take after the signal to stop. The process has 10 seconds in all, and
/// the writer and Postgres end after this.
const DRAIN_SECONDS_MAX: u64 = 5;
/// Pause after a failed accept: descriptors run out, and come back when connections close.
const ACCEPT_PAUSE_MILLISECONDS: u64 = 100;

/// Serves `router` until `shutdown` is cancelled and what is in flight has been answered, or
/// 5 seconds have passed.
///
/// # Errors
/// If the listener has no address, that is: is none.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let address = listener.local_addr()?;
    let (connections, places) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    let abort = CancellationToken::new();
    while let Some(stream) = accept(&listener, &places, &shutdown).await {
        let ((stream, peer), place) = stream;
        let (router, shutdown, abort) = (router.clone(), shutdown.clone(), abort.clone());
        connections.spawn(async move {
            let _place = place;
            abort.run_until_cancelled(connection(stream, peer, router, shutdown)).await;
        });
    }
    drop(listener);
    connections.close();
    debug!(%address, connections = connections.len(), "no longer accepting");
    if timeout(Duration::from_secs(DRAIN_SECONDS_MAX), connections.wait()).await.is_err() {
        warn!(connections = connections.len(), "cutting connections that did not finish in time");
        abort.cancel();
        connections.wait().await;
    }
    info!(%address, "stopped serving on {address}");
    Ok(())
}

/// The next connection, when there is a place for it; none once we are to stop.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    shutdown: &CancellationToken,
) -> Option<((TcpStream, SocketAddr), tokio::sync::OwnedSemaphorePermit)> {
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let (accepted, place) = shutdown.run_until_cancelled(next).await??;
        match accepted {
            Ok(accepted) => return Some((accepted, place)),
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                shutdown.run_until_cancelled(sleep(Duration::from_millis(ACCEPT_PAUSE_MILLISECONDS))).await?;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection went before it began");
        return;
    }
    let service =
        TowerToHyperService::new(router.map_request(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            request.map(Body::new)
        }));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended badly");
    }
}
