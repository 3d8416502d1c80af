//! HTTP: who may ask, what was asked, and how the answer is said.
//!
//! A handler takes things out of the request, calls, and translates; it contains no rule and no SQL.
//! Guarantees
//! - An accepted command is answered after it is durable, and can be read, confirmed and cancelled
//!   at once, with every projector stopped.
//! - Who may ask is decided before what is asked, the form before the facts: the order of the
//!   extractors is the order of the checks.
//! - Every error of the native API is problem+json with a stable code; none carries SQL, a path or
//!   another person's id.
//! - Every body, page, wait and queue is bounded.
//!
//! Not here: the rules (`domain`), the order of commands (`writer`), the read models (`projections`).

mod admin_actions;
mod airbourne;
mod auth;
mod browsers;
mod command;
mod commands;
mod compat;
mod config;
mod envelope;
mod extract;
mod first_admin;
mod flights;
mod form;
mod limits;
pub mod metrics;
mod network;
mod openapi;
mod operations;
mod ops;
mod places;
mod pools;
mod problem;
mod router;
mod routes;
mod scopes;
mod searches;
mod security_log;
mod serve;
mod state;
mod store;
mod tokenless;
pub mod users;
mod v1;
mod view;

pub use browsers::{Browsers, Origin};
pub use config::{
    ApiConfig, TOKEN_SECRET_BYTES_MIN, TOKEN_SECRETS_MAX, TokenSecret, TokenSecretError, TokenSecrets,
};
pub use first_admin::FirstAdmin;
pub use limits::{
    Class, PerClass, QUOTA_REQUESTS_MAX, QUOTA_SECONDS_MAX, Quota, QuotaRule, QuotaRuleError, Quotas,
    RateLimits,
};
pub use ops::{FollowerHealth, NamedProjector, flow_health, ops_router};
pub use pools::Pools;
pub use router::router;
pub use security_log::SECURITY_TARGET;
pub use serve::{ConnectionLimits, serve};
pub use state::{ApiParts, ApiState, ReadModels};
