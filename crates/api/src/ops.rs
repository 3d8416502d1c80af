//! For the operator: is it alive, is it ready, what does it count.
//!
//! Clients are told on the public address whether bookings can be taken, and no more. Which part fails, how far the read models
//! are and every metric are on a listener of their own ([`ops_router`]).

mod flow;
mod live;
mod look;
mod metrics;
mod ready;

pub use flow::{FollowerHealth, flow_health};
pub(crate) use live::{__path_live, live};
pub(crate) use look::StoreLook;
pub use ready::NamedProjector;
pub(crate) use ready::{__path_ready, ready};

use crate::{problem::problems, state::ApiState};
use axum::{Router, routing::get};

/// Health and metrics in full, for a listener that clients do not reach: `/health/live`, `/health/ready`, `/metrics`.
pub fn ops_router(state: ApiState) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready::readiness))
        .route("/metrics", get(metrics::metrics))
        .with_state(state)
}

problems! {
    /// Why it would not be answered: only if we fail.
    OperatorProblems:
}
