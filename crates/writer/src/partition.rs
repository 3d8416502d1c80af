//! One log partition as its owner keeps it: the aggregates in memory, and the decision on them.
//!
//! Decisions are made on memory at once, so that commands of one batch see each other. What they
//! changed stays provisional (`Resident::dirty`) until the batch commits: an answer that depends on
//! it waits, and `Undo`s put memory back if it does not.

use crate::ask::{Accepted, Ask, ExecuteError};
use crate::batch::{Batch, Pending};
use crate::message::{Envelope, InLog, Message, Query};
use holdfast_ambient::Ambient;
use holdfast_domain::{
    BookingId, Counts, Inventory, InventoryCommand, InventoryEvent, InventoryId, Refused, Terms, Timestamp,
};
use holdfast_event_log::{Head, LogPosition, NewEvent, Recorded, StoredCommand, TakenOver};
use lru::LruCache;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use uuid::Uuid;

/// Accepted commands a partition remembers, so that a repeated request needs no look-up in the log.
/// About 300 bytes each.
const RECENT_COMMANDS_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// Metadata of events that no command caused.
const TIMER_METADATA: &str = r#"{"actor":"timer"}"#;

/// An inventory as the writer knows it.
#[derive(Clone, Debug)]
pub struct InventoryView {
    /// Which.
    pub inventory_id: InventoryId,
    /// The view is true from this place of the log on.
    pub at: LogPosition,
    /// What is sold.
    pub terms: Terms,
    /// The seats, counted.
    pub counts: Counts,
}

/// An aggregate in memory.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) state: Inventory,
    /// Its last events are in a batch that has not committed.
    pub(crate) dirty: bool,
    pub(crate) last_used: Timestamp,
}

/// The right to extend the partition's chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owned {
    pub(crate) head: Head,
    /// Time of the last decision; the next one is never earlier.
    clock: Option<Timestamp>,
}

/// What is to be done with a command now.
pub(crate) enum Step {
    /// It is answered, or waits in the batch.
    Done,
    /// Its inventory has to be loaded first.
    Load(Envelope),
    /// Its effect is in the log already: the answer has to be looked up there.
    LookUp(Envelope),
}

/// Messages that wait for their inventory to be loaded.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// When the first of them asked for it.
    pub(crate) since: Instant,
    pub(crate) messages: Vec<Message>,
}

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) number: u16,
    pub(crate) owned: Option<Owned>,
    pub(crate) residents: HashMap<InventoryId, Resident>,
    /// Reads of this round; answered before its commands, from what is committed.
    pub(crate) queries: Vec<(Query, Option<OwnedSemaphorePermit>)>,
    /// Commands of this round.
    pub(crate) commands: Vec<Envelope>,
    /// Inventories that are being loaded.
    pub(crate) waiting: HashMap<InventoryId, Waiting>,
    /// Messages that may wait for one of them, and how many of them there may be.
    pub(crate) waiting_max: usize,
    /// Bookings are to be ended in this round.
    pub(crate) end_due: bool,
    /// An append of nothing but such ends was refused: they are tried again from then on.
    pub(crate) end_due_from: Instant,
    /// Raised whenever memory is dropped: a load that began before is of no use.
    pub(crate) generation: u64,
    recent: LruCache<Uuid, StoredCommand>,
}

impl Partition {
    pub(crate) fn new(number: u16, waiting_max: usize) -> Self {
        Self {
            number,
            owned: None,
            residents: HashMap::new(),
            queries: Vec::new(),
            commands: Vec::new(),
            waiting: HashMap::new(),
            waiting_max,
            end_due: false,
            end_due_from: Instant::now(),
            generation: 0,
            recent: LruCache::new(RECENT_COMMANDS_MAX),
        }
    }

    pub(crate) fn take(&mut self, taken: TakenOver) {
        self.drop_memory();
        self.owned = Some(Owned { head: taken.head, clock: taken.recorded_at });
    }

    /// Forgets everything: the log may have gone on without us. Returns who was waiting for a load.
    pub(crate) fn drop_memory(&mut self) -> Vec<Message> {
        self.owned = None;
        self.generation += 1;
        self.residents.clear();
        std::mem::take(&mut self.waiting).into_values().flat_map(|waiting| waiting.messages).collect()
    }

    /// Takes a message into this round.
    pub(crate) fn gather(&mut self, message: Message) {
        match message {
            Message::Command(envelope) => self.commands.push(envelope),
            Message::Query(query, place) => self.queries.push((query, place)),
        }
    }

    /// This partition's time: the machine's, but never earlier than the decision before.
    fn now(&mut self, ambient: &dyn Ambient) -> Timestamp {
        let now = ambient.now();
        let Some(owned) = &mut self.owned else { return now };
        let now = owned.clock.map_or(now, |clock| clock.max(now));
        owned.clock = Some(now);
        now
    }

    /// Decides one command: answers it, adds it to the batch, or says what has to come first.
    pub(crate) fn decide(&mut self, envelope: Envelope, batch: &mut Batch, ambient: &dyn Ambient) -> Step {
        let now = self.now(ambient);
        let Some(owned) = self.owned else {
            envelope.answer(Err(ExecuteError::Unavailable));
            return Step::Done;
        };
        let ask = envelope.ask();
        let Some(resident) = self.residents.get_mut(&ask.inventory_id) else { return Step::Load(envelope) };
        resident.last_used = now;
        if let Some(stored) = self.recent.get(&ask.command_id) {
            let outcome = replay(ask, stored, &resident.state, batch.end(owned.head));
            answer_now_or_wait(envelope, outcome, resident.dirty, self.number, batch);
            return Step::Done;
        }
        if let Some(first) = batch.pending(ask.command_id) {
            let outcome = first.repeat(ask.fingerprint);
            batch.wait(Pending { envelope, log_partition: self.number, outcome });
            return Step::Done;
        }
        let decided = resident.state.decide(&ask.command, now).map_err(ExecuteError::from);
        if envelope.in_log != InLog::No && may_be_in_log(ask, &decided) {
            return Step::LookUp(envelope);
        }
        let events = match decided.and_then(with_payloads) {
            Ok(events) => events,
            Err(error) => {
                answer_now_or_wait(envelope, Err(error), resident.dirty, self.number, batch);
                return Step::Done;
            }
        };
        if events.is_empty() && makes_its_own_id(&ask.command) {
            // Its effect is there, but under another command: the id was chosen to collide.
            envelope.answer(Err(ExecuteError::KeyReused));
            return Step::Done;
        }
        let dirty_before = resident.dirty;
        let command_id = Some(ask.command_id);
        let last = events.into_iter().fold(None, |_, event| {
            let metadata = ask.metadata.clone();
            write(batch, owned.head, resident, ask.inventory_id, event, command_id, metadata, now, ambient)
        });
        let accepted = Accepted {
            inventory_id: ask.inventory_id,
            at: last.as_ref().map_or_else(|| batch.end(owned.head), |recorded| recorded.at),
            counts: *resident.state.counts(),
            booking: booking_id(&ask.command).and_then(|id| resident.state.booking(id).copied()),
            terms: terms_after(&ask.command, &resident.state),
            replayed: false,
            answer: last,
        };
        match &accepted.answer {
            None => answer_now_or_wait(envelope, Ok(accepted), dirty_before, self.number, batch),
            Some(answer) => {
                batch.command(ask.command_id, ask.fingerprint, answer.at);
                batch.wait(Pending { envelope, log_partition: self.number, outcome: Ok(accepted) });
            }
        }
        Step::Done
    }

    /// Ends the bookings that are due in every inventory in memory, as far as the batch has room; the next
    /// tick ends the rest.
    pub(crate) fn end_due(&mut self, batch: &mut Batch, ambient: &dyn Ambient) {
        let now = self.now(ambient);
        let Some(owned) = self.owned else { return };
        for (id, resident) in self.residents.iter_mut().filter(|(_, r)| r.state.is_due(now)) {
            if batch.is_full_of_endings() {
                return;
            }
            let decided =
                resident.state.decide(&InventoryCommand::EndDueBookings, now).map_err(ExecuteError::from);
            for event in decided.and_then(with_payloads).unwrap_or_default() {
                let metadata = TIMER_METADATA.to_owned();
                write(batch, owned.head, resident, *id, event, None, metadata, now, ambient);
            }
        }
    }

    /// Remembers an accepted command.
    pub(crate) fn remember(&mut self, stored: StoredCommand) {
        self.recent.put(stored.command_id, stored);
    }

    /// The committed state of an inventory in memory.
    pub(crate) fn view(&self, id: InventoryId) -> Option<Result<InventoryView, ExecuteError>> {
        let (resident, owned) = (self.residents.get(&id)?, self.owned?);
        Some(match resident.state.terms() {
            None => Err(Refused::UnknownInventory.into()),
            Some(terms) => Ok(InventoryView {
                inventory_id: id,
                at: LogPosition { log_partition: self.number, position: owned.head.position },
                terms: terms.clone(),
                counts: *resident.state.counts(),
            }),
        })
    }
}

/// Applies one event to memory and adds it to the batch.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of a row; a struct would be built for this one call"
)]
fn write(
    batch: &mut Batch,
    head: Head,
    resident: &mut Resident,
    inventory_id: InventoryId,
    (event, payload): (InventoryEvent, String),
    command_id: Option<Uuid>,
    metadata: String,
    now: Timestamp,
    ambient: &dyn Ambient,
) -> Option<Recorded> {
    let undo = resident.state.apply(&event);
    resident.dirty = true;
    let sequence = i64::try_from(resident.state.counts().version).unwrap_or(i64::MAX);
    let at = batch.event(
        head,
        undo,
        NewEvent {
            inventory_id,
            sequence,
            event_type: event.type_name(),
            event_version: event.version(),
            payload,
            metadata,
            event_id: ambient.new_id(),
            command_id,
            recorded_at: now,
        },
    )?;
    let recorded = Recorded { at, inventory_id, sequence, event, recorded_at: now };
    batch.recorded.push(recorded.clone());
    Some(recorded)
}

/// Serialises every event before any is applied: none can fail half-way.
fn with_payloads(events: Vec<InventoryEvent>) -> Result<Vec<(InventoryEvent, String)>, ExecuteError> {
    let payload = |event: InventoryEvent| serde_json::to_string(&event).map(|payload| (event, payload));
    events.into_iter().map(payload).collect::<Result<_, _>>().map_err(|error| {
        tracing::error!(%error, "an event could not be written as JSON");
        ExecuteError::Unavailable
    })
}

/// Whether the log may hold a first answer for a command that would now be refused or do nothing.
fn may_be_in_log(ask: &Ask, decided: &Result<Vec<InventoryEvent>, ExecuteError>) -> bool {
    match (&ask.command, decided) {
        (_, Ok(events)) if !events.is_empty() => false, // the unique key will tell
        // A booking that this command made would be in memory: there is nothing to look up for a refusal.
        (InventoryCommand::ReserveSeats(_), Err(_)) => false,
        (InventoryCommand::ReserveSeats(_) | InventoryCommand::OpenInventory(_), _) => true,
        _ => ask.keyed,
    }
}

/// The first answer again, or the refusal of a key that was used for something else. Where the answer is
/// the counts, they are those at `end`; else it is the stored event.
fn replay(
    ask: &Ask,
    stored: &StoredCommand,
    state: &Inventory,
    end: LogPosition,
) -> Result<Accepted, ExecuteError> {
    if stored.fingerprint != ask.fingerprint || stored.answer.inventory_id != ask.inventory_id {
        return Err(ExecuteError::KeyReused);
    }
    Ok(Accepted {
        inventory_id: ask.inventory_id,
        at: if answers_with_counts(&ask.command) { end } else { stored.answer.at },
        answer: Some(stored.answer.clone()),
        counts: *state.counts(),
        booking: booking_id(&ask.command).and_then(|id| state.booking(id).copied()),
        terms: terms_after(&ask.command, state),
        replayed: true,
    })
}

/// What depends on an event that has not committed waits for it; the rest is answered at once.
fn answer_now_or_wait(
    envelope: Envelope,
    outcome: Result<Accepted, ExecuteError>,
    depends: bool,
    log_partition: u16,
    batch: &mut Batch,
) {
    if depends {
        batch.wait(Pending { envelope, log_partition, outcome });
    } else {
        envelope.answer(outcome);
    }
}

/// Whether the command makes something whose id is the command's own: if that is there already,
/// this very command was accepted before.
fn makes_its_own_id(command: &InventoryCommand) -> bool {
    matches!(command, InventoryCommand::ReserveSeats(_) | InventoryCommand::OpenInventory(_))
}

/// Whether the command is answered with the seats as they are, rather than with what it made.
fn answers_with_counts(command: &InventoryCommand) -> bool {
    match command {
        InventoryCommand::ChangeCapacity(_)
        | InventoryCommand::CloseSales(_)
        | InventoryCommand::ReopenSales(_)
        | InventoryCommand::BlockSeats(_)
        | InventoryCommand::UnblockSeats(_)
        | InventoryCommand::ChangeFlight(_)
        | InventoryCommand::CancelFlight(_)
        | InventoryCommand::ChangeShow(_)
        | InventoryCommand::CancelShow(_)
        | InventoryCommand::EndDueBookings => true,
        InventoryCommand::OpenInventory(_)
        | InventoryCommand::ReserveSeats(_)
        | InventoryCommand::ConfirmBooking(_)
        | InventoryCommand::CancelBooking(_) => false,
    }
}

/// What is sold, where the command is answered with it.
fn terms_after(command: &InventoryCommand, state: &Inventory) -> Option<Box<Terms>> {
    match command {
        InventoryCommand::ChangeFlight(_)
        | InventoryCommand::CancelFlight(_)
        | InventoryCommand::ChangeShow(_)
        | InventoryCommand::CancelShow(_) => state.terms().cloned().map(Box::new),
        InventoryCommand::OpenInventory(_)
        | InventoryCommand::ReserveSeats(_)
        | InventoryCommand::ConfirmBooking(_)
        | InventoryCommand::CancelBooking(_)
        | InventoryCommand::ChangeCapacity(_)
        | InventoryCommand::CloseSales(_)
        | InventoryCommand::ReopenSales(_)
        | InventoryCommand::BlockSeats(_)
        | InventoryCommand::UnblockSeats(_)
        | InventoryCommand::EndDueBookings => None,
    }
}

fn booking_id(command: &InventoryCommand) -> Option<BookingId> {
    match command {
        InventoryCommand::ReserveSeats(ask) => Some(ask.booking_id),
        InventoryCommand::ConfirmBooking(ask) => Some(ask.booking_id),
        InventoryCommand::CancelBooking(ask) => Some(ask.booking_id),
        InventoryCommand::OpenInventory(_)
        | InventoryCommand::EndDueBookings
        | InventoryCommand::ChangeCapacity(_)
        | InventoryCommand::CloseSales(_)
        | InventoryCommand::ReopenSales(_)
        | InventoryCommand::BlockSeats(_)
        | InventoryCommand::UnblockSeats(_)
        | InventoryCommand::ChangeFlight(_)
        | InventoryCommand::CancelFlight(_)
        | InventoryCommand::ChangeShow(_)
        | InventoryCommand::CancelShow(_) => None,
    }
}
