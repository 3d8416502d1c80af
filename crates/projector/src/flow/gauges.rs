//! The flow as metrics.
//!
//! Several processes may look at the same follower: what counts is the largest, not the sum.

use super::{Flow, Seen};
use holdfast_domain::Timestamp;
use metrics::{describe_gauge, gauge};
use std::time::Duration;
use tokio::time::sleep;
use tracing::debug;

/// Between two looks: often enough for somebody who watches a graph.
const SAMPLE_EVERY: Duration = Duration::from_secs(2);

const LOG_POSITION: &str = "holdfast_log_position";
const FOLLOWER_POSITION: &str = "holdfast_follower_position";
const LAG_EVENTS: &str = "holdfast_follower_lag_events";
const LAG_SECONDS: &str = "holdfast_follower_lag_seconds";
const PARKED_STREAMS: &str = "holdfast_follower_parked_streams";
const SAMPLED_AT: &str = "holdfast_flow_sample_timestamp_seconds";

/// Says what the metrics are; once the recorder is there.
pub fn describe_flow() {
    describe_gauge!(LOG_POSITION, "Position of the last event of each partition of the log.");
    describe_gauge!(FOLLOWER_POSITION, "Position of the last event that a follower of the log has.");
    describe_gauge!(LAG_EVENTS, "Events of the log that a follower does not have yet.");
    describe_gauge!(
        LAG_SECONDS,
        "Age of the oldest event that a follower does not have yet; 0 if there is none."
    );
    describe_gauge!(PARKED_STREAMS, "Streams that a follower has set aside until somebody looks.");
    describe_gauge!(
        SAMPLED_AT,
        "When the log and its followers were last looked at: what is older is not current."
    );
}

/// Looks at the flow for ever, and sets the gauges.
pub async fn sample_flow(flow: Flow, now: impl Fn() -> Timestamp + Send) {
    loop {
        let at = now();
        match flow.look(at).await {
            Ok(seen) => set(&seen, at),
            // Whoever needs Postgres says that it is gone; the time of the last look tells it too.
            Err(error) => debug!(%error, "the flow could not be looked at"),
        }
        sleep(SAMPLE_EVERY).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; exact up to 2^53 events")]
fn set(seen: &Seen, at: Timestamp) {
    for (partition, head) in seen.heads.iter().enumerate() {
        gauge!(LOG_POSITION, "log_partition" => partition.to_string()).set(*head as f64);
    }
    for follower in &seen.followers {
        let Some(standing) = &follower.standing else { continue };
        gauge!(LAG_EVENTS, "follower" => follower.name).set(standing.lag_events as f64);
        gauge!(LAG_SECONDS, "follower" => follower.name).set(standing.lag_seconds);
        gauge!(PARKED_STREAMS, "follower" => follower.name).set(standing.parked_streams as f64);
        for (partition, position) in standing.positions.iter().enumerate() {
            gauge!(FOLLOWER_POSITION, "follower" => follower.name, "log_partition" => partition.to_string())
                .set(*position as f64);
        }
    }
    gauge!(SAMPLED_AT).set(at.timestamp() as f64);
}
