//! Which airports a search means by a place: remembered for a few seconds, because every search names two.
//!
//! Guarantee: what the catalogue says now is known everywhere [`PLACE_TTL`] later. What is no place is not remembered.

use crate::{
    form::id,
    problem::{FieldError, Problem, if_known},
    state::Api,
    store::bounded_work,
};
use holdfast_catalogue::{AIRPORTS_OF_CITY_MAX, Place, airports_of};
use holdfast_domain::AirportId;
use moka::future::Cache;
use std::{sync::Arc, time::Duration};

/// Places that are remembered: some 2 MB.
const PLACES_MAX: u64 = 10_000;
/// How long an edited catalogue may go unnoticed here.
const PLACE_TTL: Duration = Duration::from_secs(5);

/// Airports by the places that clients name.
#[derive(Clone)]
pub(crate) struct Places(Cache<String, Arc<[AirportId]>>);

impl Places {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(PLACES_MAX).time_to_live(PLACE_TTL).build())
    }
}

/// The airports that `text` names. The error belongs to the parameter `name`.
pub(crate) async fn airports(
    api: &Api,
    name: &str,
    text: &str,
) -> Result<Result<Arc<[AirportId]>, FieldError>, Problem> {
    if let Some(airports) = api.places.0.get(text).await {
        return Ok(Ok(airports));
    }
    let wrong = |detail: String| Ok(Err(FieldError { pointer: format!("/{name}"), detail }));
    let place = id(text).map_or(Place::Word(text), Place::Id);
    let Some(airports) = if_known(bounded_work(airports_of(&api.pool, place)).await)? else {
        return wrong("must be an airport's code or id, or a city's name; there is none".to_owned());
    };
    if airports.len() > AIRPORTS_OF_CITY_MAX {
        return wrong(format!("is a city with more than {AIRPORTS_OF_CITY_MAX} airports; name one of them"));
    }
    let airports: Arc<[AirportId]> = airports.into();
    api.places.0.insert(text.to_owned(), airports.clone()).await;
    Ok(Ok(airports))
}
