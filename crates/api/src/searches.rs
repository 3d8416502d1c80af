//! Searches, on their way to the read model. Those for a route and a day share statements.
//!
//! One round: take what waits → one statement → hand out what it found. While a statement runs the next round gathers, so
//! rounds are as large as the load makes them; there is no timer, and a search that is alone goes at once.
//! A round that fails hands nothing out: each of its searches then asks for itself, and is told what is wrong with itself.

use crate::{problem::StoreError, state::Api, store::bounded};
use holdfast_availability::{FlightSearch, InventoryRow, RouteSearch, search_flights, search_routes};
use holdfast_domain::Timestamp;
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// Searches of one statement: bounds its time, for all of them wait for its last.
const ROUND_MAX: usize = 64;
/// Statements at a time: one is read while Postgres is at work on the other.
const ROUNDS_AT_ONCE: u32 = 2;
/// Searches that ask for themselves at a time; the next wait for their connection. However long they take, rounds go on.
const OTHERS_AT_ONCE: u32 = 6;
/// Searches that wait: some ten rounds. More ask for themselves, and wait for a connection.
const WAITING_MAX: usize = 1_024;

/// Where searches for a route and a day wait for their round. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Searches {
    of_rounds: PgPool,
    of_others: PgPool,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    searches: VecDeque<Asked>,
    rounds: u32,
}

/// Connections on which every statement has one plan for all values, as the golden file has it. Postgres would guess the cost
/// of a round by the number of its searches, and plan anew for every one that is smaller than its guess: that takes longer
/// than the round.
fn planned_once(pool: &PgPool, connections: u32) -> PgPool {
    let connect =
        pool.connect_options().as_ref().clone().options([("plan_cache_mode", "force_generic_plan")]);
    PgPoolOptions::new().max_connections(connections).connect_lazy_with(connect)
}

struct Asked {
    search: RouteSearch,
    now: Timestamp,
    answer: oneshot::Sender<Vec<InventoryRow>>,
}

/// The flights that leave after now.
pub(crate) async fn find_flights(api: &Api, search: &FlightSearch) -> Result<Vec<InventoryRow>, StoreError> {
    let now = api.ambient.now();
    bounded(async {
        if let Some(shared) = RouteSearch::of(search).and_then(|route| api.searches.share(route, now))
            && let Ok(rows) = shared.await
        {
            return Ok(rows);
        }
        search_flights(&api.searches.of_others, search, now).await
    })
    .await
}

impl Searches {
    /// On connections of their own.
    pub(crate) fn new(pool: &PgPool) -> Self {
        Self {
            of_rounds: planned_once(pool, ROUNDS_AT_ONCE),
            of_others: planned_once(pool, OTHERS_AT_ONCE),
            waiting: Arc::default(),
        }
    }

    /// Puts a search into the next round. None: too many wait.
    fn share(&self, search: RouteSearch, now: Timestamp) -> Option<oneshot::Receiver<Vec<InventoryRow>>> {
        let (answer, shared) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.searches.len() >= WAITING_MAX {
            return None;
        }
        waiting.searches.push_back(Asked { search, now, answer });
        if waiting.rounds < ROUNDS_AT_ONCE {
            waiting.rounds += 1;
            tokio::spawn(self.clone().run_rounds());
        }
        Some(shared)
    }

    /// Runs rounds until nobody waits.
    async fn run_rounds(self) {
        while let Some(round) = self.next_round() {
            self.run_round(round).await;
        }
    }

    /// Who is in the next round. None: nobody waits, and the next to come begins rounds anew.
    fn next_round(&self) -> Option<Vec<Asked>> {
        let mut waiting = self.lock();
        let many = waiting.searches.len().min(ROUND_MAX);
        if many == 0 {
            waiting.rounds -= 1;
            return None;
        }
        Some(waiting.searches.drain(..many).collect())
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
