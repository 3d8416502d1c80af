//! Aggregates come into memory by a load and leave it when they are idle, within a budget.

use super::Flusher;
use crate::ask::ExecuteError;
use crate::cold_load::{self, LoadError};
use crate::message::Message;
use crate::partition::{Partition, Resident, Waiting};
use holdfast_domain::{Inventory, InventoryId};
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task;
use tokio::time::Instant;

/// Aggregates loaded at the same time by one flusher: bounds connections and memory.
const LOADS_MAX: usize = 4;
/// Who waits for a load that takes longer is told that nothing was done, before its own patience ends and
/// it would have to be told that nobody knows.
const LOAD_MAX: Duration = Duration::from_secs(4);
/// An inventory that nobody asked about for so long leaves memory.
const IDLE_MAX: chrono::TimeDelta = chrono::TimeDelta::minutes(10);
/// An inventory used within so long stays, budget or not: to load it again at once would cost more.
const BUSY_MAX: chrono::TimeDelta = chrono::TimeDelta::seconds(10);
/// What an inventory weighs against the budget besides its bookings.
const INVENTORY_WEIGHT: usize = 10;

/// A load that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) log_partition: u16,
    pub(super) generation: u64,
    pub(super) inventory_id: InventoryId,
}

impl Flusher {
    /// Inventories that are idle leave memory; so do those used least recently while there are too many
    /// bookings in it. Between rounds nothing is provisional, so nothing is lost.
    pub(super) fn evict(&mut self, now: holdfast_domain::Timestamp) {
        let idle = |r: &Resident| !r.state.awaits_an_end() && now - r.last_used > IDLE_MAX;
        for partition in self.partitions.values_mut() {
            partition.residents.retain(|_, r| !idle(r));
        }
        let mut residents: Vec<_> = self
            .partitions
            .values()
            .flat_map(|p| {
                let weight = |r: &Resident| r.state.bookings_len() + INVENTORY_WEIGHT;
                p.residents.iter().map(move |(id, r)| (r.last_used, p.number, *id, weight(r)))
            })
            .collect();
        let mut bookings: usize = residents.iter().map(|(.., len)| len).sum();
        if bookings > self.memory_bookings_max {
            residents.sort_unstable_by_key(|(last_used, ..)| *last_used);
            for (last_used, number, id, len) in residents {
                if bookings <= self.memory_bookings_max || now - last_used < BUSY_MAX {
                    break;
                }
                bookings -= len;
                if let Some(partition) = self.partitions.get_mut(&number) {
                    partition.residents.remove(&id);
                }
            }
        }
        self.gauge.resident_bookings.store(bookings, Ordering::Relaxed);
    }

    /// Refuses who waits for a load that takes long; the load goes on.
    pub(super) fn refuse_late(&mut self) {
        let late = |waiting: &&mut Waiting| waiting.since.elapsed() >= LOAD_MAX;
        for waiting in self.partitions.values_mut().flat_map(|p| p.waiting.values_mut()).filter(late) {
            waiting.messages.drain(..).for_each(|message| message.fail(ExecuteError::Unavailable));
        }
    }

    /// Drops what was loaded for an id that nobody opened: a stranger may ask for as many as he likes.
    pub(super) fn forget_unborn(&mut self) {
        for (number, id) in self.unborn.drain(..) {
            if let Some(partition) = self.partitions.get_mut(&number) {
                let unborn = |r: &Resident| r.state.counts().version == 0;
                if partition.residents.get(&id).is_some_and(unborn) {
                    partition.residents.remove(&id);
                }
            }
        }
    }

    pub(super) fn start_loads(&mut self) {
        while self.loads.len() < LOADS_MAX
            && let Some(load) = self.to_load.pop_front()
        {
            let (pool, id) = (self.pool.clone(), load.inventory_id);
            let task = self.loads.spawn(async move { cold_load::load(&pool, id).await });
            self.loading.insert(task.id(), load);
        }
    }

    /// An aggregate has been loaded, or not: whoever waited for it goes on.
    pub(super) fn loaded(
        &mut self,
        ended: Result<(task::Id, Result<Inventory, LoadError>), task::JoinError>,
        gathered: &mut Vec<Message>,
    ) {
        let (task, result) = match ended {
            Ok((task, result)) => (task, result.map_err(|e| Box::new(e) as Box<dyn std::error::Error>)),
            Err(panicked) => (panicked.id(), Err(panicked.into())),
        };
        let load = self.loading.remove(&task);
        let now = self.ambient.now();
        if let Some(load) = load
            && let Some(partition) = self.partitions.get_mut(&load.log_partition)
            && partition.generation == load.generation
        {
            let waiting =
                partition.waiting.remove(&load.inventory_id).map(|w| w.messages).unwrap_or_default();
            match result {
                Ok(state) => {
                    if state.counts().version == 0 {
                        self.unborn.push((load.log_partition, load.inventory_id));
                    }
                    let resident = Resident { state, dirty: false, last_used: now };
                    partition.residents.insert(load.inventory_id, resident);
                    gathered.extend(waiting);
                }
                Err(error) => {
                    tracing::error!(error = &*error, inventory.id = %load.inventory_id, "an inventory was not loaded");
                    waiting.into_iter().for_each(|message| message.fail(ExecuteError::Unavailable));
                }
            }
        }
        self.start_loads();
    }
}

/// Lets a message wait until its inventory is in memory. It leaves the partition's queue for that, so that
/// no other inventory waits with it.
pub(super) fn park(partition: &mut Partition, mut message: Message, to_load: &mut VecDeque<Load>) {
    let (inventory_id, generation) = (message.inventory_id(), partition.generation);
    let (loads, max) = (partition.waiting.len(), partition.waiting_max);
    let waiting = match partition.waiting.entry(inventory_id) {
        Entry::Occupied(waiting) if waiting.get().messages.len() < max => waiting.into_mut(),
        Entry::Vacant(unknown) if loads < max => {
            to_load.push_back(Load { log_partition: partition.number, generation, inventory_id });
            unknown.insert(Waiting { since: Instant::now(), messages: vec![] })
        }
        _ => return message.fail(ExecuteError::Overloaded),
    };
    message.leave_queue();
    waiting.messages.push(message);
}
