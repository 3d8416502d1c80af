//! The append of a round, and what follows from its outcome.
//!
//! When an append fails
//! - *fenced*: the partition's memory is dropped, it is taken over again if its lease allows, and its
//!   commands are decided anew. Others in the statement have committed.
//! - *refused by Postgres* (a repeated command, a deadlock): nothing was written. Memory is put back,
//!   repeated commands are answered from the log, the rest is decided anew.
//! - *outcome unknown* (connection lost): it is never sent again. Taking over settles it, the log then
//!   tells what became of each command, and what is not there is decided anew.

use super::Flusher;
use super::owning::{RECOVER_MAX, StoreError};
use crate::ask::ExecuteError;
use crate::batch::{Batch, Pending, Provisional};
use crate::message::{Envelope, Message};
use crate::partition::Resident;
use holdfast_domain::InventoryId;
use holdfast_event_log::{self as log, AppendError, Appended};
use metrics::{counter, histogram};
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// An append that takes longer has failed: its outcome is unknown.
const APPEND_MAX: Duration = Duration::from_secs(10);

impl Flusher {
    /// Sends the batch and answers those who waited for it. Returns the messages to be decided again:
    /// `Ok` if the statement went through, `Err` if it did not.
    pub(super) async fn flush(&mut self, batch: Batch) -> Result<Vec<Message>, Vec<Message>> {
        if batch.append.is_empty() {
            batch.waiting.into_iter().for_each(|p| p.envelope.answer(p.outcome));
            return Ok(vec![]);
        }
        let mut connection = match self.connected().await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "commands are refused");
                self.put_back(batch.provisional);
                fail(batch.waiting, |_| ExecuteError::Unavailable);
                return Err(vec![]);
            }
        };
        let began = Instant::now();
        self.gauge.statement_sent(Some(began));
        let sent = timeout(APPEND_MAX, batch.append.send(&mut connection)).await;
        self.gauge.statement_sent(None);
        histogram!("holdfast_append_duration_seconds").record(began.elapsed().as_secs_f64());
        match sent {
            Ok(Ok(appended)) => {
                self.connection = Some(connection);
                #[expect(clippy::cast_precision_loss, reason = "a metric")]
                histogram!("holdfast_append_events").record(batch.append.len() as f64);
                Ok(self.committed(appended, batch).await)
            }
            Ok(Err(AppendError::DuplicateCommand)) => {
                self.connection = Some(connection);
                counter!("holdfast_append_failures_total", "reason" => "duplicate_command").increment(1);
                Err(self.refused(batch, true).await)
            }
            Ok(Err(AppendError::Refused(error))) => {
                self.connection = Some(connection);
                counter!("holdfast_append_failures_total", "reason" => "refused").increment(1);
                tracing::warn!(
                    error = &error as &dyn Error,
                    "Postgres refused an append; its commands are decided again"
                );
                if let [number] = *batch.log_partitions() {
                    // Alone, and still refused: its memory may not be what the log says.
                    return Err(self.start_anew(number, batch).await);
                }
                Err(self.refused(batch, false).await)
            }
            Ok(Err(AppendError::OutcomeUnknown(error))) => {
                tracing::warn!(error = &error as &dyn Error, "the connection failed during an append");
                Err(self.recover(batch).await)
            }
            Err(_) => {
                tracing::warn!("an append was not answered within {} s", APPEND_MAX.as_secs());
                Err(self.recover(batch).await)
            }
        }
    }

    /// Answers what committed. A fenced partition gets no answer from this append: it starts anew.
    async fn committed(&mut self, appended: Appended, batch: Batch) -> Vec<Message> {
        for head in &appended.committed {
            if let Some(owned) = self.partitions.get_mut(&head.log_partition).and_then(|p| p.owned.as_mut()) {
                owned.head = *head;
            }
        }
        self.commits.tell(batch.recorded, &appended.fenced);
        for provisional in batch.provisional {
            self.clean(provisional.log_partition, provisional.inventory_id);
        }
        let mut again = Vec::new();
        for Pending { envelope, log_partition, outcome } in batch.waiting {
            if appended.fenced.contains(&log_partition) {
                again.extend(Message::Command(envelope).failed());
                continue;
            }
            if let (Ok(accepted), Some(partition)) = (&outcome, self.partitions.get_mut(&log_partition))
                && let Some(answer) = accepted.answer.as_ref().filter(|_| !accepted.replayed)
            {
                partition.remember(log::StoredCommand {
                    command_id: envelope.ask.command_id,
                    fingerprint: envelope.ask.fingerprint,
                    answer: answer.clone(),
                });
            }
            envelope.answer(outcome);
        }
        if !appended.fenced.is_empty() {
            counter!("holdfast_append_failures_total", "reason" => "fenced").increment(1);
            tracing::warn!(partitions = ?appended.fenced, "another process extended these partitions");
            for number in &appended.fenced {
                again.extend(self.drop_memory(*number));
            }
            self.take_over().await;
        }
        again
    }

    /// Nothing was written: memory is put back. Returns the commands to be decided again.
    async fn refused(&mut self, batch: Batch, repeated: bool) -> Vec<Message> {
        self.put_back(batch.provisional);
        if repeated {
            let ids = batch.append.command_ids();
            let found = self.with_connection(async |conn, _| Ok(log::find_commands(conn, ids).await?)).await;
            match found {
                Ok(found) => {
                    self.remember(batch.waiting.iter().map(|p| (&p.envelope, p.log_partition)), found)
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "repeated commands were not looked up");
                    fail(batch.waiting, |_| ExecuteError::Unavailable);
                    return vec![];
                }
            }
        }
        batch.waiting.into_iter().map(|p| Message::Command(p.envelope)).collect()
    }

    /// Nothing was written, and it is this partition's fault: its memory is loaded anew.
    async fn start_anew(&mut self, log_partition: u16, batch: Batch) -> Vec<Message> {
        let mut again = self.drop_memory(log_partition);
        again.extend(batch.waiting.into_iter().map(|p| Message::Command(p.envelope)));
        self.take_over().await;
        again
    }

    /// The append may have committed. Taking over waits for it; then the log tells.
    async fn recover(&mut self, batch: Batch) -> Vec<Message> {
        counter!("holdfast_append_failures_total", "reason" => "outcome_unknown").increment(1);
        self.connection = None;
        let mut again: Vec<Message> =
            batch.log_partitions().iter().flat_map(|number| self.drop_memory(*number)).collect();
        let ids = batch.append.command_ids();
        let settled = timeout(RECOVER_MAX, async {
            self.try_take_over().await?;
            self.with_connection(async |conn, _| Ok(log::find_commands(conn, ids).await?)).await
        });
        match settled.await.map_err(StoreError::from).flatten() {
            Ok(found) => {
                self.remember(batch.waiting.iter().map(|p| (&p.envelope, p.log_partition)), found);
                again.extend(batch.waiting.into_iter().map(|p| Message::Command(p.envelope)));
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "the outcome of an append stays unknown for now"
                );
                self.connection = None;
                let may_be_written = |p: &Pending| p.outcome.as_ref().is_ok_and(|a| a.answer.is_some());
                fail(batch.waiting, |pending| match may_be_written(pending) {
                    true => ExecuteError::OutcomeUnknown,
                    false => ExecuteError::Unavailable,
                });
            }
        }
        again
    }

    /// Asks the log for commands that may have been accepted long ago, and has them decided again: what the
    /// log knows is answered from it.
    pub(super) async fn look_up(&mut self, mut envelopes: Vec<Envelope>) -> Vec<Message> {
        if envelopes.is_empty() {
            return vec![];
        }
        let ids: Vec<Uuid> = envelopes.iter().map(|e| e.ask.command_id).collect();
        match self.with_connection(async |conn, _| Ok(log::find_commands(conn, &ids).await?)).await {
            Ok(found) => {
                for envelope in &mut envelopes {
                    envelope.unknown_to_log = !found.iter().any(|c| c.command_id == envelope.ask.command_id);
                }
                let partitions = self.log_partitions;
                let at = |e: &Envelope| e.ask.inventory_id.log_partition(partitions);
                self.remember(envelopes.iter().map(|e| (e, at(e))), found);
                envelopes.into_iter().map(Message::Command).collect()
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "repeated commands were not looked up");
                envelopes.into_iter().for_each(|e| e.answer(Err(ExecuteError::Unavailable)));
                vec![]
            }
        }
    }

    /// Lets the partitions that asked for them know commands of the log.
    fn remember<'a>(
        &mut self,
        asked: impl Iterator<Item = (&'a Envelope, u16)>,
        found: Vec<log::StoredCommand>,
    ) {
        let found: HashMap<Uuid, log::StoredCommand> = found.into_iter().map(|c| (c.command_id, c)).collect();
        for (envelope, log_partition) in asked {
            if let (Some(stored), Some(partition)) =
                (found.get(&envelope.ask.command_id), self.partitions.get_mut(&log_partition))
            {
                partition.remember(stored.clone());
            }
        }
    }

    /// Puts memory back to what is committed, the last change first.
    fn put_back(&mut self, provisional: Vec<Provisional>) {
        for change in provisional.into_iter().rev() {
            if let Some(resident) = self.resident(change.log_partition, change.inventory_id) {
                resident.state.undo(change.undo);
                resident.dirty = false;
            }
        }
    }

    fn clean(&mut self, log_partition: u16, id: InventoryId) {
        if let Some(resident) = self.resident(log_partition, id) {
            resident.dirty = false;
        }
    }

    fn resident(&mut self, log_partition: u16, id: InventoryId) -> Option<&mut Resident> {
        self.partitions.get_mut(&log_partition)?.residents.get_mut(&id)
    }
}

fn fail(waiting: Vec<Pending>, error: impl Fn(&Pending) -> ExecuteError) {
    for pending in waiting {
        let error = error(&pending);
        pending.envelope.answer(Err(error));
    }
}
