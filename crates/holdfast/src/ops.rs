//! The operator's address of a process, for health and metrics, and what a worker (`relay`, `project`, …) answers there.
//!
//! Guarantee: a worker answers there before its work begins, so that "it waits for Kafka" is an answer; the address is taken
//! first, so that a second process on it fails before it touches anything. It needs no token, so no answer repeats an error of
//! Postgres, which can carry SQL, rows and addresses.

use crate::prometheus;
use crate::system::System;
use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Args;
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_api::{ConnectionLimits, FollowerHealth, flow_health};
use holdfast_projector::{Flow, ProjectorStatus, sample_flow};
use holdfast_relay::RelayStatus;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// Connections of operators: a scraper, a health check, and a person.
const LIMITS: ConnectionLimits = ConnectionLimits { total: 64, per_address: 64 };
/// The text format of Prometheus.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where operators reach a process when no address was asked for.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// Where a process answers its operator.
#[derive(Debug, Args)]
pub(crate) struct Ops {
    /// Address for /health/live, /health/ready in full, and /metrics of this process; `off`: none. They need no token: let
    /// operators reach it, and no client. If left out it is 127.0.0.1:9180, or another port of 127.0.0.1 where that one is taken.
    #[arg(long, env = "HOLDFAST_OPS_LISTEN", value_name = "ADDRESS:PORT|off")]
    ops_listen: Option<OpsListen>,
}

#[derive(Clone, Copy, Debug)]
enum OpsListen {
    Off,
    At(SocketAddr),
}

impl FromStr for OpsListen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" { Ok(Self::Off) } else { crate::config::address(text).map(Self::At) }
    }
}

/// The operator's address, taken; nothing where there is to be none.
pub(crate) struct OpsListener(Option<(TcpListener, SocketAddr)>);

/// Whether a worker does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Work {
    /// It does.
    ready: bool,
    /// `starting`, `running`, `catching_up`, `retrying` or `stopped`.
    state: &'static str,
    /// Why it does not.
    reason: Option<String>,
}

/// Asks the worker what it is doing; asked anew for each request.
type Look = Arc<dyn Fn() -> Work + Send + Sync>;

/// How a worker reports what it is doing.
pub(crate) struct Reporter(watch::Sender<Look>);

#[derive(Clone)]
struct Asked {
    role: &'static str,
    look: watch::Receiver<Look>,
    flow: Flow,
    prometheus: PrometheusHandle,
}

/// What `/health/ready` answers.
#[derive(Serialize)]
struct Readiness {
    role: &'static str,
    #[serde(flatten)]
    work: Work,
    /// How far it is; null if Postgres does not say.
    flow: Option<Vec<FollowerHealth>>,
}

impl Work {
    fn ready(state: &'static str) -> Self {
        Self { ready: true, state, reason: None }
    }

    fn not_ready(state: &'static str, reason: impl Into<String>) -> Self {
        Self { ready: false, state, reason: Some(reason.into()) }
    }

    /// It has not begun.
    pub(crate) fn starting(reason: &str) -> Self {
        Self::not_ready("starting", reason)
    }
}

impl From<&RelayStatus> for Work {
    fn from(status: &RelayStatus) -> Self {
        use holdfast_relay::State;
        match &status.state {
            State::Starting => Self::starting("it has not reached the topic yet"),
            State::Running => Self::ready("running"),
            State::Retrying(why) => Self::not_ready("retrying", why),
            State::Stopped(why) => Self::not_ready("stopped", why),
        }
    }
}

impl From<&ProjectorStatus> for Work {
    fn from(status: &ProjectorStatus) -> Self {
        use holdfast_projector::State;
        match &status.state {
            State::Running => Self::ready("running"),
            State::CatchingUp => Self::ready("catching_up"),
            // The state's own words come from Postgres and stay in the log.
            State::Retrying(_) => {
                Self::not_ready("retrying", "Postgres or Kafka does not do what it asks; it is tried again")
            }
            State::Stopped { reason, .. } => Self::not_ready("stopped", reason),
        }
    }
}

impl OpsListener {
    /// Takes the address.
    pub(crate) async fn bind(ops: &Ops) -> anyhow::Result<Self> {
        let listener = match ops.ops_listen {
            Some(OpsListen::Off) => return Ok(Self(None)),
            Some(OpsListen::At(address)) => TcpListener::bind(address).await.with_context(|| {
                format!("{address} cannot be listened on; choose another with --ops-listen")
            })?,
            None => match TcpListener::bind(ADDRESS).await {
                Ok(listener) => listener,
                Err(_) => TcpListener::bind((ADDRESS.ip(), 0)).await.with_context(|| {
                    format!(
                        "no port of {} can be listened on; choose an address with --ops-listen",
                        ADDRESS.ip()
                    )
                })?,
            },
        };
        let address = listener.local_addr().context("the operator's listener has no address")?;
        Ok(Self(Some((listener, address))))
    }

    /// The address, for the line that says that the process is ready; nothing if there is none.
    pub(crate) fn shown(&self) -> String {
        let shown =
            |(_, address): &(TcpListener, SocketAddr)| format!(", health and metrics at http://{address}");
        self.0.as_ref().map_or_else(String::new, shown)
    }

    /// Serves until `ended`.
    pub(crate) async fn serve(self, router: Router, ended: CancellationToken) -> anyhow::Result<()> {
        let Some((listener, _)) = self.0 else { return Ok(()) };
        let served = holdfast_api::serve(listener, router, LIMITS, ended).await;
        served.context("health and metrics could not be served")
    }

    /// Does a worker's work, and answers until it has ended. The worker is `followers` of the log: usually itself.
    pub(crate) async fn beside(
        self,
        role: &'static str,
        system: &System,
        followers: &[&'static str],
        work: impl AsyncFnOnce(Reporter) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let starting: Look = Arc::new(|| Work::starting("it has only just begun"));
        let (report, look) = watch::channel(starting);
        let Some((_, address)) = &self.0 else { return work(Reporter(report)).await };
        tracing::info!("health and metrics at http://{address}");
        let prometheus = prometheus::install()?;
        let work = work(Reporter(report));
        let flow = Flow::new(&system.pool, followers.iter().copied());
        let asked = Asked { role, look, flow: flow.clone(), prometheus: prometheus.clone() };
        let ended = CancellationToken::new();
        let served = self.serve(router(asked), ended.clone());
        let upkeep = async {
            let upkeep =
                async { tokio::join!(prometheus::keep_up(prometheus), sample_flow(flow, || Machine.now())) };
            ended.run_until_cancelled(upkeep).await
        };
        let work = async {
            let done = work.await;
            ended.cancel();
            done
        };
        let (done, served, _) = tokio::join!(work, served, upkeep);
        done.and(served)
    }
}

impl Reporter {
    /// From now on `look` says what the worker is doing.
    pub(crate) fn report(&self, look: impl Fn() -> Work + Send + Sync + 'static) {
        self.0.send_replace(Arc::new(look));
    }

    /// From now on this status says it.
    pub(crate) fn follow<S: Send + Sync + 'static>(&self, status: watch::Receiver<S>)
    where
        Work: for<'a> From<&'a S>,
    {
        self.report(move || Work::from(&*status.borrow()));
    }
}

fn router(asked: Asked) -> Router {
    Router::new()
        .route("/health/live", get(async || "alive\n"))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(asked)
}

async fn ready(State(asked): State<Asked>) -> Response {
    let look = asked.look.borrow().clone();
    let flow = flow_health(&asked.flow, Machine.now()).await;
    let readiness = Readiness { role: asked.role, work: look(), flow };
    let status = if readiness.work.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn metrics(State(asked): State<Asked>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], asked.prometheus.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_projector::State;

    /// What Postgres says can carry SQL, rows and addresses; the page needs no token.
    #[test]
    fn a_worker_that_waits_says_nothing_that_postgres_said() {
        let said = "error returned from database: INSERT INTO users";
        let stopped =
            State::Stopped { reason: "the event at 3-7 cannot be applied".into(), why: said.into() };
        for (state, word) in [(stopped, "3-7"), (State::Retrying(said.into()), "tried again")] {
            let work = Work::from(&ProjectorStatus { state, checkpoints: vec![], lag_events: 2 });
            let reason = work.reason.unwrap();
            assert!(!work.ready && reason.contains(word) && !reason.contains("INSERT"), "{reason}");
        }
        let why = holdfast_relay::Failure::from(sqlx::Error::Protocol(said.into())).to_string();
        let status = RelayStatus { state: holdfast_relay::State::Retrying(why), partitions: vec![] };
        let expected = Work::not_ready("retrying", "the log could not be read");
        assert_eq!(Work::from(&status), expected);
    }
}
