//! The append of a round, and what follows from its outcome.
//!
//! When an append fails
//! - *fenced*: the partition's memory is dropped, it is taken over again if its lease allows, and its
//!   commands are decided anew. Others in the statement have committed.
//! - *refused by Postgres*: nothing was written, so memory is put back to what it was and stays. Repeated
//!   commands are answered from the log; what was given up is decided anew, a few times; an append of several
//!   partitions is tried partition by partition; what is refused then, or while nothing can be written, is
//!   answered with that. Only events that the writer did not know of show that its memory is wrong: it is
//!   loaded anew.
//! - *outcome unknown* (connection lost): it is never sent again. Taking over settles it, the log then
//!   tells what became of each command, and what is not there is decided anew.
//!
//! A command is `InLog::Perhaps` from the moment its append has no known outcome until the log has been read.

use super::Flusher;
use super::owning::{RECOVER_MAX, StoreError};
use crate::ask::ExecuteError;
use crate::batch::{Batch, Pending, Provisional};
use crate::message::{Envelope, InLog, Message};
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
/// Pause before bookings are ended again where that was refused: no request waits for it.
const END_DUE_AGAIN: Duration = Duration::from_secs(1);

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
                give_up(batch.waiting);
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
            Ok(Err(AppendError::OutcomeUnknown(error))) => {
                tracing::warn!(error = &error as &dyn Error, "the connection failed during an append");
                Err(self.recover(batch).await)
            }
            Ok(Err(refused)) => {
                self.connection = Some(connection);
                Err(self.refused(refused, batch).await)
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
                let ask = envelope.ask();
                partition.remember(log::StoredCommand {
                    command_id: ask.command_id,
                    fingerprint: ask.fingerprint,
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
    async fn refused(&mut self, refused: AppendError, mut batch: Batch) -> Vec<Message> {
        let partitions = batch.log_partitions();
        let alone = partitions.len() == 1;
        self.put_back(std::mem::take(&mut batch.provisional));
        let reason = match &refused {
            AppendError::DuplicateCommand => "duplicate_command",
            AppendError::GivenUp(_) => "given_up",
            AppendError::Contradicted(_) => "contradicted",
            AppendError::Unwritable(_) => "unwritable",
            AppendError::Refused(_) | AppendError::OutcomeUnknown(_) => "refused",
        };
        counter!("holdfast_append_failures_total", "reason" => reason).increment(1);
        match refused {
            AppendError::DuplicateCommand => return self.repeated(batch).await,
            AppendError::GivenUp(_) => {}
            AppendError::Contradicted(_) if alone => {
                tracing::warn!(error = &refused as &dyn Error, ?partitions, "memory is loaded anew");
                return self.start_anew(&partitions, batch).await;
            }
            AppendError::Unwritable(_) | AppendError::Refused(_) | AppendError::OutcomeUnknown(_)
                if alone || reason == "unwritable" =>
            {
                tracing::warn!(error = &refused as &dyn Error, ?partitions, "commands are refused");
                // An end of bookings that is refused for good must not take the commands beside it along each time.
                self.pause_endings(&partitions);
                give_up(batch.waiting);
                return vec![];
            }
            _ => {
                // Each partition is tried alone. That includes the ends of bookings: no message asks for them.
                partitions.iter().for_each(|number| {
                    if let Some(partition) = self.partitions.get_mut(number) {
                        partition.end_due = true;
                    }
                });
            }
        }
        tracing::warn!(error = &refused as &dyn Error, ?partitions, "an append is decided again");
        batch.waiting.into_iter().map(|p| Message::Command(p.envelope)).collect()
    }

    /// One of the commands was accepted before: the log tells which.
    async fn repeated(&mut self, mut batch: Batch) -> Vec<Message> {
        let ids = batch.append.command_ids();
        match self.with_connection(async |conn, _| Ok(log::find_commands(conn, ids).await?)).await {
            Ok(found) => {
                self.remember(batch.waiting.iter().map(|p| (&p.envelope, p.log_partition)), found);
                batch.waiting.into_iter().map(|p| Message::Command(p.envelope)).collect()
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "repeated commands were not looked up");
                for pending in batch.waiting.iter_mut().filter(|p| p.envelope.ask().keyed && p.has_an_event())
                {
                    pending.envelope.in_log = InLog::Perhaps;
                }
                give_up(batch.waiting);
                vec![]
            }
        }
    }

    /// Nothing was written, because memory is not what the log says: it is loaded anew.
    async fn start_anew(&mut self, log_partitions: &[u16], batch: Batch) -> Vec<Message> {
        let mut again: Vec<_> = log_partitions.iter().flat_map(|number| self.drop_memory(*number)).collect();
        again.extend(batch.waiting.into_iter().map(|p| Message::Command(p.envelope)));
        self.take_over().await;
        again
    }

    fn pause_endings(&mut self, log_partitions: &[u16]) {
        for number in log_partitions {
            if let Some(partition) = self.partitions.get_mut(number) {
                partition.end_due_from = Instant::now() + END_DUE_AGAIN;
            }
        }
    }

    /// The append may have committed. Taking over waits for it; then the log tells.
    async fn recover(&mut self, mut batch: Batch) -> Vec<Message> {
        counter!("holdfast_append_failures_total", "reason" => "outcome_unknown").increment(1);
        self.connection = None;
        for pending in batch.waiting.iter_mut().filter(|pending| pending.has_an_event()) {
            pending.envelope.in_log = InLog::Perhaps;
        }
        let mut again: Vec<Message> =
            batch.log_partitions().iter().flat_map(|number| self.drop_memory(*number)).collect();
        let perhaps = batch.waiting.iter().map(|p| &p.envelope).filter(|e| e.in_log == InLog::Perhaps);
        let ids: Vec<Uuid> = perhaps.map(|envelope| envelope.ask().command_id).collect();
        let settled = timeout(RECOVER_MAX, async {
            self.try_take_over().await?;
            self.with_connection(async |conn, _| Ok(log::find_commands(conn, &ids).await?)).await
        });
        match settled.await.map_err(StoreError::from).flatten() {
            Ok(found) => {
                let waiting = batch.waiting.iter_mut().map(|p| &mut p.envelope);
                note_absence(waiting.filter(|e| e.in_log == InLog::Perhaps), &found);
                self.remember(batch.waiting.iter().map(|p| (&p.envelope, p.log_partition)), found);
                again.extend(batch.waiting.into_iter().map(|p| Message::Command(p.envelope)));
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "the outcome of an append stays unknown for now"
                );
                self.connection = None;
                give_up(batch.waiting);
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
        envelopes.iter_mut().for_each(|envelope| envelope.in_log = InLog::Perhaps);
        let ids: Vec<Uuid> = envelopes.iter().map(|e| e.ask().command_id).collect();
        match self.with_connection(async |conn, _| Ok(log::find_commands(conn, &ids).await?)).await {
            Ok(found) => {
                note_absence(envelopes.iter_mut(), &found);
                let partitions = self.log_partitions;
                let at = |e: &Envelope| e.ask().inventory_id.log_partition(partitions);
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
                (found.get(&envelope.ask().command_id), self.partitions.get_mut(&log_partition))
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

/// The log was asked for these: it is known of which of them it has nothing.
fn note_absence<'a>(asked: impl Iterator<Item = &'a mut Envelope>, found: &[log::StoredCommand]) {
    for envelope in asked {
        if found.iter().all(|stored| stored.command_id != envelope.ask().command_id) {
            envelope.in_log = InLog::No;
        }
    }
}

/// Answers those whose append is not tried again. What may be in the log is told so (`Envelope::answer`).
fn give_up(waiting: Vec<Pending>) {
    waiting.into_iter().for_each(|pending| pending.envelope.answer(Err(ExecuteError::Unavailable)));
}
