//! A page of a list, and how fresh it is.

use crate::extract::FreshFrom;
use crate::problem::StoreError;
use holdfast_event_log::LogPosition;
use holdfast_projector::Positions;
use serde::Serialize;
use std::time::Duration;
use tracing::warn;
use utoipa::ToSchema;

/// How long a query waits for its read model to include what the client has seen already.
const FRESH_WAIT: Duration = Duration::from_millis(500);
/// SQLSTATEs of a read model that has not been made yet: no such table, no such schema.
const NOT_MADE_YET: [&str; 2] = ["42P01", "3F000"];

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The things on it.
    pub(crate) data: Vec<T>,
    /// About it.
    pub(crate) meta: Meta,
}

/// About a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Meta {
    /// Send it as `cursor` to get the next page; null: there is none.
    pub(crate) next_cursor: Option<String>,
    #[serde(flatten)]
    pub(crate) freshness: Freshness,
}

/// How fresh an answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Freshness {
    /// The position of the log the answer is true for, in the partition that the request's
    /// `Consistency-Token` names; null if it named none.
    #[schema(example = "7-1234")]
    pub(crate) as_of: Option<String>,
    /// The answer may lack what the request's `Consistency-Token` stands for: compare it with `as_of`.
    pub(crate) stale: bool,
}

/// Waits until the read model includes what the client asks for, but not for long.
pub(crate) async fn freshness(positions: &Positions, from: FreshFrom) -> Freshness {
    let known = |at: LogPosition, stale| Freshness { as_of: Some(at.to_string()), stale };
    let unknown = |stale| Freshness { as_of: None, stale };
    match from {
        FreshFrom::Anything => unknown(false),
        FreshFrom::Unreadable => unknown(true),
        FreshFrom::Position(at) => match positions.wait_for(at, FRESH_WAIT).await {
            Ok(reached) => known(reached.position, !reached.reached),
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "how far a read model is could not be read");
                unknown(true)
            }
        },
    }
}

impl<T> Page<T> {
    /// A page of what is no read model: it is as it is now.
    pub(crate) fn of(data: Vec<T>, next_cursor: Option<String>) -> Self {
        let freshness = Freshness { as_of: None, stale: false };
        Self { data, meta: Meta { next_cursor, freshness } }
    }

    /// Nothing, from a read model that is not there yet.
    pub(crate) fn not_made_yet() -> Self {
        let freshness = Freshness { as_of: None, stale: true };
        Self { data: vec![], meta: Meta { next_cursor: None, freshness } }
    }
}

/// Whether a query failed because its read model has not been made yet: no projector has run.
pub(crate) fn is_not_made_yet(error: &StoreError) -> bool {
    let StoreError::Database(sqlx::Error::Database(answer)) = error else { return false };
    answer.code().is_some_and(|code| NOT_MADE_YET.contains(&&*code))
}
