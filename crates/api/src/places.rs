//! Which airports a search means by a place: remembered for a few seconds, because searches name few places again and again.
//!
//! Guarantees
//! - What the catalogue says now is known everywhere [`PLACE_TTL`] later. What is no place is not remembered.
//! - Searches that name a place at once ask for it once.

use crate::{
    form::id,
    problem::{FieldError, Problem, if_known},
    state::Api,
    store::bounded_work,
};
use holdfast_catalogue::{AIRPORTS_OF_CITY_MAX, Place, airports_of};
use holdfast_domain::AirportId;
use moka::{Entry, future::Cache};
use std::{sync::Arc, time::Duration};

/// Places that are remembered: some 2 MB; 18 MB if each were a city of 64 airports with the longest name.
const PLACES_MAX: u64 = 10_000;
/// How long an edited catalogue may go unnoticed here.
const PLACE_TTL: Duration = Duration::from_secs(5);

/// Airports by the places that clients name.
#[derive(Clone)]
pub(crate) struct Places(Cache<Place, Arc<[AirportId]>>);

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
    let place = id(text).map_or_else(|| Place::word(text), Place::Id);
    let ask = async { bounded_work(airports_of(&api.pool, &place)).await.map(Arc::from) };
    // The place is cloned only if it was not remembered.
    let known = api.places.0.entry_by_ref(&place).or_try_insert_with(ask).await;
    let known = known.map(Entry::into_value).map_err(|problem| (*problem).clone());
    let wrong = |detail: String| Ok(Err(FieldError { pointer: format!("/{name}"), detail }));
    let Some(airports) = if_known(known)? else {
        return wrong("must be an airport's code, a city's name, or the id of one; there is none".to_owned());
    };
    if airports.len() > AIRPORTS_OF_CITY_MAX {
        return wrong(format!("is a city with more than {AIRPORTS_OF_CITY_MAX} airports; name one of them"));
    }
    Ok(Ok(airports))
}
