//! Searches, on their way to the read model. Those for a route and a day share statements.
//!
//! One round: take what waits → one statement → hand out what it found. While a statement runs the next round gathers, so
//! rounds are as large as the load makes them; there is no timer, and a search that is alone goes at once.
//! A round that fails hands nothing out: each of its searches then asks for itself, and is told what is wrong with itself.
//!
//! Bounds: whoever has no connection in half of the time that a client waits is told so; Postgres ends a statement that takes all of
//! that time, so that what nobody waits for ends soon; and a search whose client has gone is not asked for.

use crate::{
    pools::{Pools, SEARCH_ROUNDS},
    problem::{Code, Problem, StoreError},
    state::{Api, ApiState},
    store::bounded,
};
use axum::response::Response;
use futures::FutureExt as _;
use holdfast_availability::{FlightSearch, InventoryRow, RouteSearch, search_flights, search_routes};
use holdfast_domain::Timestamp;
use sqlx::PgPool;
use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

/// Searches of one statement: bounds its time, for all of them wait for its last.
const ROUND_MAX: usize = 64;
/// Searches that wait for a round: 16 rounds, which take some 100 ms. More would only be answered later.
const WAITING_MAX: usize = 1_024;

/// Where searches for a route and a day wait for their round. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Searches {
    of_rounds: PgPool,
    of_others: PgPool,
    /// Where their rows are read, and long answers written.
    on: Handle,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    searches: VecDeque<Asked>,
    rounds: u32,
}

struct Asked {
    search: RouteSearch,
    now: Timestamp,
    answer: oneshot::Sender<Vec<InventoryRow>>,
}

/// More searches wait than are asked for in the time that their clients wait.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many searches are waiting")]
pub(crate) struct TooManySearches;

/// Why a search found nothing out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    /// Nothing was asked of Postgres.
    #[error(transparent)]
    TooMany(#[from] TooManySearches),
    /// The read model could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::TooMany(TooManySearches) => {
                Self::new(Code::Overloaded, "too many searches are waiting; try again")
            }
            SearchError::Store(error) => error.into(),
        }
    }
}

/// Makes the answer to a search. One that has a statement of its own is also read and written beside the commands: a page of
/// fifty flights takes more of our time than twenty bookings. It ends with its client.
pub(crate) async fn answer(
    api: &ApiState,
    search: &FlightSearch,
    answer: impl Future<Output = Result<Response, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    if RouteSearch::of(search).is_some() {
        return answer.await;
    }
    let answered = AbortOnDropHandle::new(api.searches.on.spawn(answer)).await;
    answered.unwrap_or_else(|error| {
        error!(error = &error as &dyn std::error::Error, "the answer to a search was lost");
        Err(Problem::internal())
    })
}

/// The flights that leave after now.
pub(crate) async fn find_flights(api: &Api, search: &FlightSearch) -> Result<Vec<InventoryRow>, SearchError> {
    let now = api.ambient.now();
    let shared = RouteSearch::of(search).map(|route| api.searches.share(route, now)).transpose()?;
    let found = bounded(async {
        if let Some(shared) = shared
            && let Ok(rows) = shared.await
        {
            return Ok(rows);
        }
        search_flights(&api.searches.of_others, search, now).await
    });
    Ok(found.await?)
}

impl Searches {
    /// On connections of their own.
    pub(crate) fn new(pools: &Pools, on: Handle) -> Self {
        Self {
            on,
            of_rounds: pools.search_rounds.clone(),
            of_others: pools.searches.clone(),
            waiting: Arc::default(),
        }
    }

    /// Puts a search into the next round.
    fn share(
        &self,
        search: RouteSearch,
        now: Timestamp,
    ) -> Result<oneshot::Receiver<Vec<InventoryRow>>, TooManySearches> {
        let (answer, shared) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.searches.len() >= WAITING_MAX {
            waiting.searches.retain(|asked| !asked.answer.is_closed());
        }
        if waiting.searches.len() >= WAITING_MAX {
            return Err(TooManySearches);
        }
        waiting.searches.push_back(Asked { search, now, answer });
        if waiting.rounds < SEARCH_ROUNDS {
            waiting.rounds += 1;
            self.on.spawn(self.clone().run_rounds());
        }
        Ok(shared)
    }

    /// Runs rounds until nobody waits. One that panics ends like one that fails: the next must still be run.
    async fn run_rounds(self) {
        while let Some(round) = self.next_round() {
            if AssertUnwindSafe(self.run_round(round)).catch_unwind().await.is_err() {
                error!("a round of searches panicked; each of them asks for itself");
            }
        }
    }

    /// Who is in the next round. None: nobody waits, and the next to come begins rounds anew.
    fn next_round(&self) -> Option<Vec<Asked>> {
        let mut waiting = self.lock();
        let searches = &mut waiting.searches;
        let waiting_still =
            std::iter::from_fn(|| searches.pop_front()).filter(|asked| !asked.answer.is_closed());
        let round: Vec<_> = waiting_still.take(ROUND_MAX).collect();
        if round.is_empty() {
            waiting.rounds -= 1;
            return None;
        }
        Some(round)
    }

    async fn run_round(&self, round: Vec<Asked>) {
        // They came within one statement's time: a flight leaves for all of them or for none.
        let Some(now) = round.first().map(|asked| asked.now) else { return };
        let searches: Vec<_> = round.iter().map(|asked| asked.search).collect();
        let Ok(found) = bounded(search_routes(&self.of_rounds, &searches, now)).await else { return };
        for (asked, rows) in round.into_iter().zip(found) {
            // Whoever has gone away needs no answer.
            drop(asked.answer.send(rows));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_availability::FlightOrder;
    use holdfast_domain::AirportId;

    /// Nobody runs rounds by itself: as if all of them were waiting for Postgres.
    fn busy() -> Searches {
        let searches =
            Searches::new(&Pools::new(&"postgres://127.0.0.1:1/none".parse().unwrap()), Handle::current());
        searches.lock().rounds = SEARCH_ROUNDS;
        searches
    }

    fn route() -> RouteSearch {
        let airport = |number| Some([AirportId::from_number(number).unwrap()].into());
        let search = FlightSearch {
            from: airport(1),
            to: airport(2),
            day: Some(Timestamp::UNIX_EPOCH.date_naive()),
            seats: None,
            min_price: None,
            max_price: None,
            currency: None,
            order: FlightOrder::Departure,
            after: None,
            limit: 50,
        };
        RouteSearch::of(&search).unwrap()
    }

    fn share(searches: &Searches, many: usize) -> Vec<oneshot::Receiver<Vec<InventoryRow>>> {
        (0..many).map(|_| searches.share(route(), Timestamp::UNIX_EPOCH).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_round_has_as_many_as_a_statement_takes_and_the_rest_are_in_the_next() {
        let searches = busy();
        let _waiting = share(&searches, ROUND_MAX + 1);
        let rounds = || searches.next_round().map(|round| round.len());
        assert_eq!([rounds(), rounds(), rounds()], [Some(ROUND_MAX), Some(1), None]);
        assert_eq!(searches.lock().rounds, SEARCH_ROUNDS - 1, "who found nobody begins no more");
    }

    #[tokio::test]
    async fn who_has_gone_away_is_not_asked_for() {
        let searches = busy();
        drop(share(&searches, ROUND_MAX));
        let _waiting = share(&searches, 2);
        assert_eq!(searches.next_round().map(|round| round.len()), Some(2));
        drop(share(&searches, 3));
        assert!(searches.next_round().is_none());
    }

    #[tokio::test]
    async fn more_than_may_wait_are_told_so() {
        let searches = busy();
        let waiting = share(&searches, WAITING_MAX);
        let refused = searches.share(route(), Timestamp::UNIX_EPOCH);
        assert_eq!(refused.map(drop), Err(TooManySearches));
        drop(waiting);
        assert!(searches.share(route(), Timestamp::UNIX_EPOCH).is_ok(), "who has gone takes no place");
    }

    /// Its connections reach nobody: the round fails, and its searches are told so by a closed channel.
    #[tokio::test]
    async fn a_round_that_fails_leaves_its_searches_to_themselves_and_the_next_begins_anew() {
        let searches =
            Searches::new(&Pools::new(&"postgres://127.0.0.1:1/none".parse().unwrap()), Handle::current());
        for _ in 0..3 {
            for shared in share(&searches, 2) {
                assert!(shared.await.is_err());
            }
        }
    }
}
