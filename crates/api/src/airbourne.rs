//! Airbourne's contract, on the same port: its paths, its envelopes, its codes on success.
//!
//! A thin adapter over the same commands and tables: it holds no rule. Where the original is wrong we are right instead;
//! `docs/airbourne.md` lists every route and every difference.

#[expect(dead_code, reason = "the envelopes are the resources', which come next")]
mod answer;
mod gateway;
#[expect(dead_code, reason = "read by the resources, which come next")]
mod time;
mod words;

pub(crate) use gateway::Gateway;

use crate::state::ApiState;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Airbourne's routes.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::default()
        .routes(routes!(words::health))
        .routes(routes!(words::info))
        .routes(routes!(words::dummy))
}
