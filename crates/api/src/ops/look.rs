//! What Postgres says for the readiness page, asked at most once a second however many ask.

use super::{FollowerHealth, flow_health};
use chrono::TimeDelta;
use holdfast_domain::Timestamp;
use holdfast_projector::Flow;
use sqlx::PgPool;
use std::time::Duration;
use tokio::{sync::Mutex, time::timeout};

/// How long Postgres may take to answer a ping: a log that is slower cannot serve bookings.
const PING_MAX: Duration = Duration::from_millis(500);
/// How long an answer is good. Health checks come every few seconds.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(1);

/// What Postgres said.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// It answered a ping.
    pub(crate) answers: bool,
    /// How far those are who follow the log; none: it did not say.
    pub(crate) flow: Option<Vec<FollowerHealth>>,
}

/// Looks at Postgres, and remembers what was seen.
pub(crate) struct StoreLook {
    pool: PgPool,
    flow: Flow,
    /// Held during a look: the others wait for its answer.
    last: Mutex<Option<(Timestamp, Seen)>>,
}

impl StoreLook {
    pub(crate) fn new(pool: PgPool, flow: Flow) -> Self {
        Self { pool, flow, last: Mutex::new(None) }
    }

    /// What Postgres says, or said within the last second.
    pub(crate) async fn of(&self, now: Timestamp) -> Seen {
        let mut last = self.last.lock().await;
        if let Some((at, seen)) = &*last
            && (TimeDelta::zero()..GOOD_FOR).contains(&(now - at))
        {
            return seen.clone();
        }
        // One after the other: there is one connection, and the ping must not wait for a flow that hangs.
        let ping = timeout(PING_MAX, sqlx::query("SELECT").execute(&self.pool)).await;
        let answers = ping.is_ok_and(|ping| ping.is_ok());
        let flow = if answers { flow_health(&self.flow, now).await } else { None };
        let seen = Seen { answers, flow };
        *last = Some((now, seen.clone()));
        seen
    }
}
