//! What the test wants to go wrong, shared by all connections of one proxy.

use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

/// What is lost of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lose {
    /// It does not reach the server.
    Request,
    /// It does, and what the server answers is not delivered.
    Answer,
}

/// Says whether a statement, given its SQL, is meant.
pub(super) type Matches = Box<dyn FnMut(&str) -> bool + Send>;

struct Rule {
    lose: Lose,
    once: bool,
    matches: Matches,
}

/// The faults in force.
#[derive(Default)]
pub(super) struct Faults {
    rules: Mutex<Vec<Rule>>,
    stalled: watch::Sender<bool>,
    cuts: watch::Sender<u64>,
    losses: AtomicU64,
}

impl Faults {
    pub(super) fn add(&self, lose: Lose, once: bool, matches: Matches) {
        self.rules.lock().unwrap().push(Rule { lose, once, matches });
    }

    pub(super) fn clear(&self) {
        self.rules.lock().unwrap().clear();
        self.stalled.send_replace(false);
    }

    pub(super) fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// Cuts every connection whose [`Self::cuts`] was taken before.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// Changes when the connections of this moment are cut.
    pub(super) fn cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    pub(super) fn count_loss(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
    }

    /// What is to be lost of this statement; a rule for one statement is used up by it.
    pub(super) fn verdict(&self, sql: &str) -> Option<Lose> {
        let mut rules = self.rules.lock().unwrap();
        let nth = rules.iter_mut().position(|rule| (rule.matches)(sql))?;
        let lose = rules.get(nth)?.lose;
        if rules.get(nth)?.once {
            rules.remove(nth);
        }
        Some(lose)
    }

    /// Returns when nothing is held back.
    pub(super) async fn flowing(&self) {
        let mut stalled = self.stalled.subscribe();
        // An error would mean that the sender, which is ours, is gone.
        let _ = stalled.wait_for(|stalled| !stalled).await;
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("losses", &self.losses).finish_non_exhaustive()
    }
}
