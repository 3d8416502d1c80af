//! Around the handler of an admin's write: the row before it, and its outcome after it.

use super::{NewAction, Outcome, begin, end};
use crate::{
    auth::Principal,
    problem::Problem,
    security_log::{code_of, last_id},
    state::ApiState,
};
use axum::{
    extract::Request,
    http::{Method, header, request::Parts},
    middleware::Next,
    response::Response,
};
use sqlx::PgPool;
use std::sync::{Arc, OnceLock};
use tracing::warn;
use uuid::Uuid;

/// Ids of the operations of a path, by method.
pub(crate) type Targets = Arc<[(Method, String)]>;

/// Where the extractor leaves the row that it has begun.
#[derive(Clone)]
pub(crate) struct Slot {
    names: Targets,
    begun: Arc<OnceLock<(PgPool, Uuid)>>,
}

impl Slot {
    /// Writes the row of an admin's request that has this slot; without one it is a read.
    pub(crate) async fn begin(parts: &Parts, api: &ApiState, admin: &Principal) -> Result<(), Problem> {
        let Some(slot) = parts.extensions.get::<Self>() else { return Ok(()) };
        let Some((_, action)) = slot.names.iter().find(|(method, _)| *method == parts.method) else {
            return Ok(());
        };
        let new = NewAction {
            action_id: api.ambient.new_id(),
            actor: admin.user_id,
            action,
            target: last_id(parts.uri.path()),
            begun_at: api.ambient.now(),
        };
        let pool = &api.pools.commands;
        begin(pool, &new).await?;
        // A request has one extractor of an admin.
        let _ = slot.begun.set((pool.clone(), new.action_id));
        Ok(())
    }
}

/// Runs a handler, and writes the outcome of what it began.
pub(crate) async fn record(names: Targets, mut request: Request, next: Next) -> Response {
    let begun = Arc::new(OnceLock::new());
    request.extensions_mut().insert(Slot { names, begun: begun.clone() });
    let response = next.run(request).await;
    if let Some((pool, action_id)) = begun.get() {
        let code = code_of(&response);
        let made = response.headers().get(header::LOCATION).and_then(|at| last_id(at.to_str().ok()?));
        let ended = end(pool, *action_id, Outcome::of(&response, code), code, made).await;
        if let Err(error) = ended {
            let error = &error as &dyn std::error::Error;
            warn!(error, action.id = %action_id, "the outcome of an admin's action was not written");
        }
    }
    response
}
