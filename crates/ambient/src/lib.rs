//! Time, ids and chance: the one place that asks the machine for them.
//!
//! Everything else takes an [`Ambient`] as an argument, so that a test can say what o'clock it is.
//! `clippy.toml` forbids the calls below everywhere else. Beside it stand the two ways in which we wait: for something to
//! become so ([`Wait`]), and for more to do ([`Poll`]).
#![expect(clippy::disallowed_methods, reason = "this is the one place")]

mod gather;
mod poll;
mod wait;

pub use gather::Gather;
pub use poll::Poll;
pub use wait::Wait;

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngCore;
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Source of time, ids and chance.
pub trait Ambient: Send + Sync + std::fmt::Debug {
    /// Now, in whole microseconds (Postgres keeps no more).
    fn now(&self) -> DateTime<Utc>;

    /// Time since a moment of this process. It never goes back, whatever happens to the time of day.
    fn elapsed(&self) -> Duration {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        BEGAN.get_or_init(Instant::now).elapsed()
    }

    /// A new id that sorts by time (UUIDv7).
    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    /// Fills `bytes` with randomness that is fit for secrets.
    fn random(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// The machine's own clock and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Ambient for Machine {
    fn now(&self) -> DateTime<Utc> {
        whole_micros(Utc::now())
    }
}

/// A clock that stands still until it is told otherwise; for tests.
#[derive(Clone, Debug)]
pub struct StoppedClock(Arc<Mutex<DateTime<Utc>>>);

impl StoppedClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(whole_micros(now))))
    }

    /// Moves the clock, forwards or back.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Ambient for StoppedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn elapsed(&self) -> Duration {
        (self.now() - DateTime::UNIX_EPOCH).to_std().unwrap_or_default()
    }
}

fn whole_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}
