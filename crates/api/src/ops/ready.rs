//! `GET /health/ready`: whether bookings can be taken now, and if not, what is missing.
//!
//! The log and the writer must work. A projector that lags or has stopped is shown, but bookings go
//! on without it, so it does not make the process unready.

use super::OperatorProblems;
use crate::{
    problem::StoreError,
    state::{Api, ApiState},
    view::JsonAnswer,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use holdfast_projector::{ProjectorStatus, State as ProjectorState};
use serde::Serialize;
use std::time::Duration;
use tokio::{sync::watch, time::timeout};
use utoipa::ToSchema;

/// How long Postgres may take to answer a ping: a log that is slower cannot serve bookings.
const PING_MILLISECONDS_MAX: u64 = 500;

/// A projector of this process.
#[derive(Clone, Debug)]
pub struct NamedProjector {
    /// Its read model's name.
    pub name: &'static str,
    /// What it is doing.
    pub status: watch::Receiver<ProjectorStatus>,
}

/// Whether bookings can be taken, part by part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether they can.
    ready: bool,
    /// Postgres answers.
    log: LogHealth,
    /// The partitions that can be written.
    writer: WriterHealth,
    /// The read models that are fed by this process. Bookings go on without them.
    projectors: Vec<ProjectorHealth>,
}

/// Whether Postgres answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogHealth {
    /// Within half a second.
    ready: bool,
}

/// Which partitions can be written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WriterHealth {
    /// All of them can.
    ready: bool,
    /// Partitions this process owns and can write.
    owned: u16,
    /// Partitions there are.
    partitions: u16,
}

/// How a projector is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectorHealth {
    /// The read model's name.
    name: &'static str,
    /// `running`, `catching_up`, `retrying` or `stopped`. Why is in the log.
    state: &'static str,
    /// Events that are not in the read model yet, as far as the projector knows.
    lag_events: i64,
}

/// Whether bookings can be taken now, and if not, what is missing.
#[utoipa::path(
    get, path = "/health/ready", tag = "operator",
    responses(
        (status = 200, description = "Bookings can be taken.", body = Readiness),
        (status = 503, description = "They cannot; `ready` is false where it is missing.", body = Readiness),
        OperatorProblems,
    )
)]
pub(crate) async fn ready(State(api): State<ApiState>) -> Response {
    let readiness = readiness(&api).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, JsonAnswer(readiness)).into_response()
}

async fn readiness(api: &Api) -> Readiness {
    let log = LogHealth { ready: ping(api).await.is_ok() };
    let status = api.writer.status();
    let all = status.owned == status.partitions;
    let writer = WriterHealth { ready: all, owned: status.owned, partitions: status.partitions };
    let projectors = api.projectors.iter().map(health).collect();
    Readiness { ready: log.ready && writer.ready, log, writer, projectors }
}

async fn ping(api: &Api) -> Result<(), StoreError> {
    let ping = sqlx::query("SELECT").execute(&api.pool);
    timeout(Duration::from_millis(PING_MILLISECONDS_MAX), ping).await.map_err(|_| StoreError::Timeout)??;
    Ok(())
}

fn health(projector: &NamedProjector) -> ProjectorHealth {
    let status = projector.status.borrow();
    let state = match status.state {
        ProjectorState::Running => "running",
        ProjectorState::CatchingUp => "catching_up",
        ProjectorState::Retrying(_) => "retrying",
        ProjectorState::Stopped(_) => "stopped",
    };
    ProjectorHealth { name: projector.name, state, lag_events: status.lag_events }
}
