//! How far each follower of the log is, as operators see it.

use holdfast_domain::Timestamp;
use holdfast_projector::{Flow, Follower};
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;

/// How long Postgres may take: health checks do not wait for long.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// How far a follower of the log is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FollowerHealth {
    /// A read model, `notifier`, or `topic`: the log's copy in Kafka, as the relays report once a second.
    follower: &'static str,
    /// `current`, `behind`, `parked` (some streams wait, see `holdfast parked list`), `ahead` (the log was set back) or `not_there` (it has not begun).
    state: &'static str,
    /// Why it is not current.
    reason: Option<String>,
    /// Events of the log that it does not have yet; null if it is not there.
    lag_events: Option<i64>,
    /// How old the oldest of them is; 0 if there is none.
    lag_seconds: Option<f64>,
    /// Streams that it has set aside (`holdfast parked list`).
    parked_streams: Option<i64>,
}

impl From<&Follower> for FollowerHealth {
    fn from(follower: &Follower) -> Self {
        let standing = follower.standing.as_ref();
        Self {
            follower: follower.name,
            state: follower.state().word(),
            reason: follower.reason(),
            lag_events: standing.map(|standing| standing.lag_events),
            lag_seconds: standing.map(|standing| standing.lag_seconds),
            parked_streams: standing.map(|standing| standing.parked_streams),
        }
    }
}

/// How far each follower is; none if Postgres does not answer in time.
pub async fn flow_health(flow: &Flow, now: Timestamp) -> Option<Vec<FollowerHealth>> {
    let seen = timeout(LOOK_MAX, flow.look(now)).await.ok()?.ok()?;
    Some(seen.followers.iter().map(FollowerHealth::from).collect())
}
