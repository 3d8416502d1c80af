//! Aggregates come into memory by a load and leave it when they are idle, within a budget.

use super::Flusher;
use crate::ask::ExecuteError;
use crate::cold_load::{self, LoadError};
use crate::message::Message;
use crate::partition::{Partition, Resident};
use holdfast_domain::{Inventory, InventoryId};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use tokio::task;

/// Aggregates loaded at the same time by one flusher: bounds connections and memory.
const LOADS_MAX: usize = 4;
/// An inventory that nobody asked about for so long leaves memory.
const IDLE_MAX: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

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
        let idle = |r: &Resident| r.state.next_expiry().is_none() && now - r.last_used > IDLE_MAX;
        for partition in self.partitions.values_mut() {
            partition.residents.retain(|_, r| !idle(r));
        }
        let mut residents: Vec<_> = self
            .partitions
            .values()
            .flat_map(|p| {
                p.residents.iter().map(|(id, r)| (r.last_used, p.number, *id, r.state.bookings_len()))
            })
            .collect();
        let mut bookings: usize = residents.iter().map(|(.., len)| len).sum();
        if bookings > self.memory_bookings_max {
            residents.sort_unstable_by_key(|(last_used, ..)| *last_used);
            for (_, number, id, len) in residents {
                if bookings <= self.memory_bookings_max {
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
            let waiting = partition.waiting.remove(&load.inventory_id).unwrap_or_default();
            match result {
                Ok(state) => {
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

/// Lets a message wait until its inventory is in memory.
pub(super) fn park(partition: &mut Partition, message: Message, to_load: &mut VecDeque<Load>) {
    let (inventory_id, generation) = (message.inventory_id(), partition.generation);
    let waiting = partition.waiting.entry(inventory_id).or_default();
    if waiting.is_empty() {
        to_load.push_back(Load { log_partition: partition.number, generation, inventory_id });
    }
    waiting.push(message);
}
