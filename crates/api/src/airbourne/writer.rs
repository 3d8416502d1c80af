//! Who may change the catalogue and the flights.
//!
//! Airbourne let anybody. Where compatibility is served on loopback alone it is so here too, for its load scripts; served
//! anywhere else, it takes an admin's token.

use super::refusal::Refusal;
use crate::{
    auth::Principal,
    command::Actor,
    extract::{Known, authenticate},
    problem::{Code, Problem},
    state::ApiState,
    users::Role,
};
use axum::{extract::FromRequestParts, http::request::Parts};
use holdfast_domain::UserId;
use std::convert::Infallible;
use uuid::Uuid;

/// Who is named in the events' metadata where nobody has to say who they are.
const SYSTEM: &str = "airbourne";

/// Somebody who may change the catalogue, or why it may not.
pub(crate) struct CatalogueWriter(pub(crate) Result<Actor, Refusal>);

impl FromRequestParts<ApiState> for CatalogueWriter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &ApiState) -> Result<Self, Infallible> {
        if api.catalogue_is_open {
            return Ok(Self(Ok(Actor { kind: SYSTEM, user_id: UserId(Uuid::nil()) })));
        }
        Ok(Self(match authenticate(&parts.headers, api).await {
            Ok(Known { principal: principal @ Principal { role: Role::Admin, .. }, .. }) => {
                Ok(principal.into())
            }
            Ok(_) => Err(Problem::new(Code::Forbidden, "only an admin may change this").into()),
            Err(nobody) => Err(nobody.into()),
        }))
    }
}
