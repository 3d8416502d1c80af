//! Who may change the catalogue and the flights.
//!
//! Airbourne let everyone. Where compatibility is served on loopback alone, requests without an admin's token may do it too, for
//! its load scripts: unless a proxy or a foreign page sent them (`tokenless`), and only with what such a request has made.
//! What was made natively, and a flight that an admin opened, takes an admin's token; and so does everything where compatibility
//! is served elsewhere.

use super::refusal::Refusal;
use crate::{
    auth::Principal,
    command::Actor,
    extract::{Known, Nobody, authenticate},
    problem::{Code, Problem},
    state::{Api, ApiState},
    store::bounded,
    tokenless,
    users::Role,
};
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use holdfast_catalogue::is_made_with_key;
use holdfast_domain::{InventoryId, UserId};
use holdfast_event_log::read_stream_after;
use serde::Deserialize;
use std::convert::Infallible;
use uuid::Uuid;

/// The actor in the metadata of events that a request without an admin's token caused: the mark of flights that such
/// requests may change. It stands in stored events, so it never changes.
const SYSTEM: &str = "airbourne";
const NOT_ITS_OWN: &str =
    "this was not made by Airbourne's routes without a token, so changing it takes an admin's token";

/// Who changes the catalogue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) actor: Actor,
    is_admin: bool,
}

/// Who changes the catalogue, or why it may not.
pub(crate) struct CatalogueWriter(pub(crate) Result<Writer, Refusal>);

/// A sign-up, or why it is refused.
pub(crate) struct Newcomer(pub(crate) Result<(), Refusal>);

/// The part of an event's metadata that names its actor.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    actor: String,
}

impl FromRequestParts<ApiState> for CatalogueWriter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Infallible> {
        let known = authenticate(&parts.headers, api).await;
        Ok(Self(match known {
            Ok(Known { principal: principal @ Principal { role: Role::Admin, .. }, .. }) => {
                Ok(Writer { actor: principal.into(), is_admin: true })
            }
            Err(Nobody::Problem(problem)) => Err(problem.into()),
            // Whatever token its clients send, it gives them no more rights.
            _ if api.catalogue_is_open => without_token(parts, api),
            Ok(_) => Err(Problem::new(Code::Forbidden, "only an admin may change this").into()),
            Err(nobody) => Err(nobody.into()),
        }))
    }
}

impl FromRequestParts<ApiState> for Newcomer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Infallible> {
        Ok(Self(may_write_without_token(parts, api)))
    }
}

/// The writer of a request without an admin's token, where the catalogue is open.
fn without_token(head: &Parts, api: &Api) -> Result<Writer, Refusal> {
    may_write_without_token(head, api)?;
    Ok(Writer { actor: Actor { kind: SYSTEM, user_id: UserId(Uuid::nil()) }, is_admin: false })
}

/// Refuses a write without a token that comes from elsewhere.
fn may_write_without_token(head: &Parts, api: &Api) -> Result<(), Refusal> {
    let refusal = tokenless::refusal(head, &api.compat_hosts);
    refusal.map_or(Ok(()), |why| Err(Refusal::new(StatusCode::FORBIDDEN, why)))
}

impl Writer {
    /// Refuses to change a flight that this writer may not: one whose opening has another actor in the log.
    pub(crate) async fn may_change_flight(&self, api: &Api, id: InventoryId) -> Result<(), Refusal> {
        if self.is_admin {
            return Ok(());
        }
        let first = bounded(read_stream_after(&api.pool, id, 0, 1)).await.map_err(Problem::from)?;
        let opened_by =
            first.first().and_then(|event| serde_json::from_str::<Metadata>(&event.metadata).ok());
        let is_own = opened_by.is_some_and(|opened| {
            opened.actor.strip_prefix(SYSTEM).is_some_and(|rest| rest.starts_with(':'))
        });
        if is_own { Ok(()) } else { Err(Refusal::new(StatusCode::FORBIDDEN, NOT_ITS_OWN)) }
    }

    /// Likewise a city, an airport or an airplane: those that the native API has made were asked for with a key.
    pub(crate) async fn may_change(&self, api: &Api, id: Uuid) -> Result<(), Refusal> {
        let is_native =
            !self.is_admin && bounded(is_made_with_key(&api.pool, id)).await.map_err(Problem::from)?;
        if is_native { Err(Refusal::new(StatusCode::FORBIDDEN, NOT_ITS_OWN)) } else { Ok(()) }
    }
}
