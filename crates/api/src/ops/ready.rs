//! `GET /health/ready`: whether bookings can be taken now, and if not, what is missing.
//!
//! The log and the writer must work. A projector that lags or has stopped is shown, but bookings go
//! on without it, so it does not make the process unready.

use super::OperatorProblems;
use crate::{
    problem::StoreError,
    state::{Api, ApiState, ReadModels},
    view::JsonAnswer,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use holdfast_projector::{Positions, ProjectorStatus, State as ProjectorState, parked_streams};
use serde::Serialize;
use sqlx::PgPool;
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
    /// The read models and who feeds them. Bookings go on without them.
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

/// How a read model is fed.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ProjectorHealth {
    /// The read model's name.
    name: &'static str,
    /// `running`, `catching_up`, `retrying` or `stopped`; `elsewhere` if another process feeds it, or none.
    state: &'static str,
    /// Why it is retrying or stopped; more is in the log of the process.
    reason: Option<String>,
    /// Events that are not in the read model yet, as far as is known.
    lag_events: Option<i64>,
    /// Inventories whose events are set aside until somebody looks (`holdfast parked list`), because one of them could
    /// not be applied.
    parked_streams: Option<i64>,
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
    let (ping, projectors) = tokio::join!(ping(api), projectors(api));
    let log = LogHealth { ready: ping.is_ok() };
    let status = api.writer.status();
    let all = status.owned == status.partitions;
    let writer = WriterHealth { ready: all, owned: status.owned, partitions: status.partitions };
    Readiness { ready: log.ready && writer.ready, log, writer, projectors }
}

async fn ping(api: &Api) -> Result<(), StoreError> {
    let ping = sqlx::query("SELECT").execute(&api.pool);
    timeout(Duration::from_millis(PING_MILLISECONDS_MAX), ping).await.map_err(|_| StoreError::Timeout)??;
    Ok(())
}

async fn projectors(api: &Api) -> Vec<ProjectorHealth> {
    if !api.projectors.is_empty() {
        return api.projectors.iter().map(health).collect();
    }
    let ReadModels { availability, booking_history } = &api.read_models;
    let (seats, history) = tokio::join!(
        elsewhere(&api.pool, "availability", availability),
        elsewhere(&api.pool, "booking-history", booking_history)
    );
    vec![seats, history]
}

/// What is fed by another process is judged by its table.
async fn elsewhere(pool: &PgPool, name: &'static str, positions: &Positions) -> ProjectorHealth {
    let asked = async { (positions.lag().await.ok(), parked_streams(pool, name).await.ok()) };
    let (lag_events, parked_streams) =
        timeout(Duration::from_millis(PING_MILLISECONDS_MAX), asked).await.unwrap_or_default();
    ProjectorHealth { name, state: "elsewhere", reason: None, lag_events, parked_streams }
}

fn health(projector: &NamedProjector) -> ProjectorHealth {
    let status = projector.status.borrow();
    let (state, reason) = match &status.state {
        ProjectorState::Running => ("running", None),
        ProjectorState::CatchingUp => ("catching_up", None),
        // The state's own words come from Postgres and stay in the log.
        ProjectorState::Retrying(_) => {
            ("retrying", Some("Postgres does not do what it asks; it is tried again".to_owned()))
        }
        ProjectorState::Stopped { reason, .. } => ("stopped", Some(reason.clone())),
    };
    let parked_streams = i64::try_from(status.parked_streams).ok();
    ProjectorHealth {
        name: projector.name,
        state,
        reason,
        lag_events: Some(status.lag_events),
        parked_streams,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Postgres says can carry SQL, rows and addresses; the page is open to everybody who reaches it.
    #[test]
    fn a_stopped_projector_says_where_and_nothing_that_postgres_said() {
        let said = "error returned from database: INSERT INTO users";
        let stopped =
            ProjectorState::Stopped { reason: "the event at 3-7 cannot be applied".into(), why: said.into() };
        for (state, reason) in [(stopped, "3-7"), (ProjectorState::Retrying(said.into()), "tried again")] {
            let status = ProjectorStatus { state, checkpoints: vec![], lag_events: 2, parked_streams: 1 };
            let (_keep, status) = watch::channel(status);
            let shown = health(&NamedProjector { name: "availability", status });
            let shown = serde_json::to_string(&shown).unwrap();
            assert!(shown.contains(reason) && !shown.contains("INSERT"), "{shown}");
        }
    }
}
