//! Clients that book for as long as they are told, and what they got.

use crate::booked::{Bookings, chance};
use crate::server::{Place, rand_key};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A client's pause after an answer: bounds the load to 2,000 bookings a second, whatever the machine.
const PAUSE: Duration = Duration::from_millis(4);
/// Seats of each show. The first sells out during a test.
pub(super) const CAPACITIES: [u32; 4] = [2_000, 1_000_000, 1_000_000, 1_000_000];

/// What the clients got.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) booked: Bookings,
    pub(super) sold_out: usize,
    /// Everything that is neither a booking nor sold out.
    pub(super) errors: Vec<String>,
    pub(super) slowest: Duration,
}

pub(super) struct Clients {
    pub(super) place: Arc<Place>,
    pub(super) token: String,
    pub(super) shows: Vec<String>,
    pub(super) stop: AtomicBool,
}

impl Clients {
    /// Books until told to stop.
    pub(super) async fn load(self: Arc<Self>) -> Answers {
        let mut answers = Answers::default();
        while !self.stop.load(Ordering::Relaxed) {
            let show = &self.shows[usize::try_from(chance(CAPACITIES.len() as u64)).unwrap()];
            let asked_at = Instant::now();
            match self.book(show, 1 + chance(3)).await {
                Ok(Some((id, quantity))) => {
                    assert!(answers.booked.insert(id, (show.clone(), quantity)).is_none(), "one id twice");
                }
                Ok(None) => answers.sold_out += 1,
                Err(error) => answers.errors.push(error),
            }
            answers.slowest = answers.slowest.max(asked_at.elapsed());
            sleep(PAUSE).await;
        }
        answers
    }

    /// One booking; none: sold out.
    async fn book(&self, show: &str, quantity: u64) -> Result<Option<(String, u64)>, String> {
        let request = self.place.http.post(self.place.url("/v1/bookings")).bearer_auth(&self.token);
        let asked = json!({"inventory_id": show, "quantity": quantity});
        let answer = request.header("Idempotency-Key", rand_key()).json(&asked).send().await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|error| format!("{status}: {error:?}"))?;
        match (status, body["code"].as_str()) {
            (StatusCode::CREATED, _) => Ok(Some((body["id"].as_str().unwrap().to_owned(), quantity))),
            (StatusCode::CONFLICT, Some("sold_out")) => Ok(None),
            _ => Err(format!("{status}: {body}")),
        }
    }
}

impl Answers {
    pub(super) fn add(mut self, other: Self) -> Self {
        self.booked.extend(other.booked);
        self.sold_out += other.sold_out;
        self.errors.extend(other.errors);
        self.slowest = self.slowest.max(other.slowest);
        self
    }
}
