//! How many refusals and failures are written: a bucket for each kind and each of [`SLOTS`] groups of clients.
//!
//! A group writes [`BURST`] entries at once and one more a second; the entry after those that were left out says how many
//! they were. So a flood from one address writes one line a second of a kind, one from everywhere at most [`SLOTS`], and the entries of
//! clients in other groups are not displaced. The memory is fixed. Groups are by a key that clients cannot aim at.

use super::Kind;
use crate::network::network;
use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Groups of clients of one kind of entry.
const SLOTS: usize = 64;
/// Kinds that are sampled.
const KINDS: usize = 5;
/// Entries of a group that are written at once.
const BURST: u64 = 10;
/// Milliseconds after which a group may write another one.
const EVERY: u64 = 1_000;

#[derive(Debug, Default)]
struct Slot {
    /// When the bucket is full again, in milliseconds.
    full_at: AtomicU64,
    left_out: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Samples {
    key: RandomState,
    slots: Box<[Slot]>,
}

impl Default for Samples {
    fn default() -> Self {
        let slots = (0..KINDS * SLOTS).map(|_| Slot::default()).collect();
        Self { key: RandomState::new(), slots }
    }
}

impl Samples {
    /// Whether an entry is written, and how many of its group were left out before it.
    pub(super) fn admit(&self, kind: Kind, client: Option<IpAddr>, now: Duration) -> Option<u64> {
        let Some(slot) = self.slot(kind, client) else { return Some(0) };
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let admitted = slot.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let next = full_at.max(now) + EVERY;
            (next <= now + BURST * EVERY).then_some(next)
        });
        if admitted.is_err() {
            slot.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(slot.left_out.swap(0, Ordering::Relaxed))
    }

    /// None: the kind is never left out.
    fn slot(&self, kind: Kind, client: Option<IpAddr>) -> Option<&Slot> {
        let row = match kind {
            Kind::SignInFailed => 0,
            Kind::SignInRefused => 1,
            Kind::PasswordWrong => 2,
            Kind::Forbidden => 3,
            Kind::LimitRefused => 4,
            Kind::RoleChanged
            | Kind::PasswordChanged
            | Kind::AccountDeleted
            | Kind::WebhookChanged
            | Kind::KeyChanged => return None,
        };
        let hash = self.key.hash_one(client.map(network));
        let column = usize::try_from(hash % (SLOTS as u64)).unwrap_or(0);
        self.slots.get(row * SLOTS + column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(samples: &Samples, kind: Kind, tries: u32, now: Duration) -> Vec<u64> {
        let client = Some("192.0.2.1".parse().unwrap());
        (0..tries).filter_map(|_| samples.admit(kind, client, now)).collect()
    }

    #[test]
    fn a_flood_of_refusals_writes_a_line_a_second_and_says_how_many_were_left_out() {
        let samples = Samples::default();
        let at = Duration::from_secs(100);
        assert_eq!(written(&samples, Kind::Forbidden, 1_000, at), [0; 10]);
        assert_eq!(written(&samples, Kind::Forbidden, 1_000, at + Duration::from_secs(1)), [990]);
        assert_eq!(written(&samples, Kind::SignInFailed, 1, at), [0], "another kind goes on");
    }

    #[test]
    fn changes_are_never_left_out() {
        let samples = Samples::default();
        assert_eq!(written(&samples, Kind::RoleChanged, 1_000, Duration::ZERO).len(), 1_000);
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded() {
        let samples = Samples::default();
        let from = |n: u32| Some(std::net::Ipv4Addr::from(n).into());
        let written = (0..100_000).filter_map(|n| samples.admit(Kind::Forbidden, from(n), Duration::ZERO));
        assert!(written.count() <= SLOTS * usize::try_from(BURST).unwrap());
    }
}
