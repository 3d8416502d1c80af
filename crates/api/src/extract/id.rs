//! The id in a path.

use crate::{form::Id, problem::Problem};
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::{Deserialize, de::value, de::value::StrDeserializer};
use uuid::Uuid;

/// The id in the path. What is no id names nothing: 404.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathId(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, _> = Path::from_request_parts(parts, state).await;
        let Ok(Path(text)) = path else { return Err(Problem::not_found()) };
        let id = Id::deserialize(StrDeserializer::<value::Error>::new(&text));
        id.map(|id| Self(id.0)).map_err(|_| Problem::not_found())
    }
}
