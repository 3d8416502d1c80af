//! `GET /health/ready`: whether bookings can be taken now, and, on the operator's address, what is missing if not.
//!
//! The log and the writer must work. Who follows the log (projectors, the topic, the notifier) is shown, but bookings go on
//! without them, so that one that lags or has stopped does not make the process unready.

use super::{FollowerHealth, OperatorProblems};
use crate::{
    first_admin::FirstAdmin,
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
use tokio::sync::watch;
use utoipa::ToSchema;

/// A projector of this process.
#[derive(Clone, Debug)]
pub struct NamedProjector {
    /// Its read model's name.
    pub name: &'static str,
    /// What it is doing.
    pub status: watch::Receiver<ProjectorStatus>,
}

/// Whether bookings can be taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready {
    /// Whether they can.
    ready: bool,
}

/// Whether bookings can be taken, part by part.
#[derive(Debug, Serialize)]
struct Readiness {
    /// Whether they can.
    ready: bool,
    /// Postgres answers.
    log: LogHealth,
    /// The partitions that can be written.
    writer: WriterHealth,
    /// The projectors of this process; none where they are processes of their own. Bookings go on without them.
    projectors: Vec<ProjectorHealth>,
    /// Everybody who follows the log, in whatever process, and how far each is; null if Postgres does not say. Bookings go
    /// on without them.
    flow: Option<Vec<FollowerHealth>>,
    /// Whether the first admin's password is still the one in the data folder: change it. Bookings go on.
    first_admin_password_unchanged: bool,
}

/// Whether Postgres answers.
#[derive(Debug, Serialize)]
struct LogHealth {
    /// Within half a second.
    ready: bool,
}

/// Which partitions can be written.
#[derive(Debug, Serialize)]
struct WriterHealth {
    /// All of them can.
    ready: bool,
    /// Partitions this process owns and can write.
    owned: u16,
    /// Partitions there are.
    partitions: u16,
}

/// What a projector of this process is doing.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ProjectorHealth {
    /// The read model's name.
    name: &'static str,
    /// `running`, `catching_up`, `retrying` or `stopped`.
    state: &'static str,
    /// Why it is retrying or stopped; more is in the log of the process.
    reason: Option<String>,
    /// Events that are not in the read model yet, as far as the projector knows.
    lag_events: i64,
}

/// Whether bookings can be taken now. What is missing if not is for the operator, on another address.
#[utoipa::path(
    get, path = "/health/ready", tag = "operator",
    responses(
        (status = 200, description = "Bookings can be taken.", body = Ready),
        (status = 503, description = "They cannot.", body = Ready),
        OperatorProblems,
    )
)]
pub(crate) async fn ready(State(api): State<ApiState>) -> Response {
    let ready = parts(&api).await.ready;
    answer(ready, Ready { ready })
}

/// The same, part by part.
pub(super) async fn readiness(State(api): State<ApiState>) -> Response {
    let parts = parts(&api).await;
    answer(parts.ready, parts)
}

fn answer(ready: bool, body: impl Serialize) -> Response {
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, JsonAnswer(body)).into_response()
}

async fn parts(api: &Api) -> Readiness {
    let seen = api.store_look.of(api.ambient.now()).await;
    let log = LogHealth { ready: seen.answers };
    let status = api.writer.status();
    let all = status.owned == status.partitions;
    let writer = WriterHealth { ready: all, owned: status.owned, partitions: status.partitions };
    let projectors = api.projectors.iter().map(health).collect();
    Readiness {
        ready: log.ready && writer.ready,
        log,
        writer,
        projectors,
        flow: seen.flow,
        first_admin_password_unchanged: api.first_admin.as_ref().is_some_and(FirstAdmin::has_first_password),
    }
}

fn health(projector: &NamedProjector) -> ProjectorHealth {
    let status = projector.status.borrow();
    let (state, reason) = match &status.state {
        ProjectorState::Running => ("running", None),
        ProjectorState::CatchingUp => ("catching_up", None),
        // The state's own words come from Postgres and stay in the log.
        ProjectorState::Retrying(_) => {
            ("retrying", Some("Postgres or Kafka does not do what it asks; it is tried again".to_owned()))
        }
        ProjectorState::Stopped { reason, .. } => ("stopped", Some(reason.clone())),
    };
    ProjectorHealth { name: projector.name, state, reason, lag_events: status.lag_events }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Postgres says can carry SQL, rows and addresses; the page needs no token.
    #[test]
    fn a_stopped_projector_says_where_and_nothing_that_postgres_said() {
        let said = "error returned from database: INSERT INTO users";
        let stopped =
            ProjectorState::Stopped { reason: "the event at 3-7 cannot be applied".into(), why: said.into() };
        for (state, reason) in [(stopped, "3-7"), (ProjectorState::Retrying(said.into()), "tried again")] {
            let status = ProjectorStatus { state, checkpoints: vec![], lag_events: 2 };
            let (_keep, status) = watch::channel(status);
            let shown = health(&NamedProjector { name: "availability", status });
            let shown = serde_json::to_string(&shown).unwrap();
            assert!(shown.contains(reason) && !shown.contains("INSERT"), "{shown}");
        }
    }
}
