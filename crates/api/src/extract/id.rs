//! The id in a path.

use crate::{form::id, problem::Problem};
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use uuid::Uuid;

/// The id in the path. What is no id names nothing: 404.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathId(pub(crate) Uuid);

/// The two ids in a path, of a thing and of one of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathIds(pub(crate) Uuid, pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathIds {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<(String, String)>, _> = Path::from_request_parts(parts, state).await;
        let ids = path.ok().and_then(|Path((whole, part))| Some(Self(id(&whole)?, id(&part)?)));
        ids.ok_or_else(Problem::not_found)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        path.ok().and_then(|Path(text)| id(&text)).map(Self).ok_or_else(Problem::not_found)
    }
}
