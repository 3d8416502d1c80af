//! Health and metrics of a worker (`relay`, `project`, …): a small HTTP server beside its work, where it is asked for.
//!
//! Guarantee: it is there before the work begins, so that "it waits for Kafka" is an answer; the address is taken first, so
//! that a second worker on it fails before it touches anything. What it says, it says to whoever reaches it: no word of
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
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// Connections of operators: a scraper, a health check, and a person.
const LIMITS: ConnectionLimits = ConnectionLimits { total: 64, per_address: 64 };
/// The text format of Prometheus.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Where a worker answers its operator.
#[derive(Debug, Args)]
pub(crate) struct Ops {
    /// Address for /health/live, /health/ready and /metrics of this process; nothing is served without it.
    #[arg(long, env = "HOLDFAST_OPS_LISTEN", value_name = "ADDRESS:PORT", value_parser = crate::config::address)]
    pub(crate) ops_listen: Option<SocketAddr>,
}

/// Whether a worker does its work, in words for everybody.
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

/// The server, whose listener is open.
pub(crate) struct OpsServer(Option<(TcpListener, PrometheusHandle)>);

/// How the worker tells what it is doing.
pub(crate) struct Teller(watch::Sender<Look>);

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

impl OpsServer {
    /// Takes the address, if there is one, and begins to count.
    pub(crate) async fn bind(ops: &Ops) -> anyhow::Result<Self> {
        let Some(address) = ops.ops_listen else { return Ok(Self(None)) };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("{address} cannot be listened on; choose another with --ops-listen"))?;
        Ok(Self(Some((listener, prometheus::install()?))))
    }

    /// Does the work, and answers until it has ended. The worker is `followers` of the log: usually itself.
    pub(crate) async fn beside(
        self,
        role: &'static str,
        system: &System,
        followers: &[&'static str],
        work: impl AsyncFnOnce(Teller) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let starting: Look = Arc::new(|| Work::starting("it has only just begun"));
        let (tell, look) = watch::channel(starting);
        let work = work(Teller(tell));
        let Some((listener, prometheus)) = self.0 else { return work.await };
        let flow = Flow::new(&system.pool, followers.iter().copied());
        let asked = Asked { role, look, flow: flow.clone(), prometheus: prometheus.clone() };
        let ended = CancellationToken::new();
        let served = holdfast_api::serve(listener, router(asked), LIMITS, ended.clone());
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
        done.and(served.context("health and metrics could not be served"))
    }
}

impl Teller {
    /// From now on `look` says what the worker is doing.
    pub(crate) fn tell(&self, look: impl Fn() -> Work + Send + Sync + 'static) {
        self.0.send_replace(Arc::new(look));
    }

    /// From now on this status says it.
    pub(crate) fn tell_of<S: Send + Sync + 'static>(&self, status: watch::Receiver<S>)
    where
        Work: for<'a> From<&'a S>,
    {
        self.tell(move || Work::from(&*status.borrow()));
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

    /// What Postgres says can carry SQL, rows and addresses; the page is open to everybody who reaches it.
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
