//! What admins did, as rows: the only code that touches `admin_actions`.
//!
//! Shape: the extractor of an admin's request writes the row (`begin`), the handler does the work, and what it answers becomes the row's
//! outcome (`around`). Guarantees
//! - No write that only an admin may ask for is done without a row: one that cannot be written refuses the request.
//! - An outcome is written once. A server that ends in between leaves none, which is shown as `unknown`.
//! - Ids and words of ours only: nothing from a body.
//!
//! Not here: old and new roles (`role_changes`), what was changed of an inventory (its events).

mod around;
mod list;

pub(crate) use around::{Slot, Targets, record};
pub(crate) use list::{AdminAction, AfterAction, Filter, admin_actions, registered_endpoints};

use crate::{
    problem::{Code, StoreError},
    store::bounded,
};
use axum::response::Response;
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use sqlx::PgPool;
use uuid::Uuid;

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Refused,
    Unknown,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// What an answer says.
    fn of(response: &Response, code: Option<Code>) -> Self {
        let status = response.status();
        match code {
            Some(Code::OutcomeUnknown | Code::Internal) => Self::Unknown,
            _ if status.is_success() => Self::Done,
            Some(_) => Self::Refused,
            None if status.is_client_error() => Self::Refused,
            None => Self::Unknown,
        }
    }
}

/// An action that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewAction<'a> {
    pub(crate) action_id: Uuid,
    pub(crate) actor: UserId,
    pub(crate) action: &'a str,
    pub(crate) target: Option<Uuid>,
    pub(crate) begun_at: DateTime<Utc>,
}

async fn begin(pool: &PgPool, new: &NewAction<'_>) -> Result<(), StoreError> {
    let insert = sqlx::query(
        "INSERT INTO admin_actions (action_id, actor_id, action, target_id, begun_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(new.action_id)
    .bind(new.actor.0)
    .bind(new.action)
    .bind(new.target)
    .bind(new.begun_at)
    .execute(pool);
    bounded(insert).await.map(|_| ())
}

async fn end(
    pool: &PgPool,
    action_id: Uuid,
    outcome: Outcome,
    code: Option<Code>,
    made: Option<Uuid>,
) -> Result<(), StoreError> {
    let update = sqlx::query(
        "UPDATE admin_actions SET outcome = $2, code = $3, target_id = coalesce(target_id, $4)
         WHERE action_id = $1 AND outcome IS NULL",
    )
    .bind(action_id)
    .bind(outcome.as_str())
    .bind(code.map(Code::as_str))
    .bind(made)
    .execute(pool);
    bounded(update).await.map(|_| ())
}
