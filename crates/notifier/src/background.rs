//! What the log says about a batch: each event, the reservation behind it, and the event that opened its inventory.
//!
//! Shape: two statements for a batch, three with the openings, whatever its size. An event that this build does not
//! understand is missing for those that need it, and for no other.

use holdfast_domain::{BookingId, InventoryEvent, InventoryId};
use holdfast_event_log::{LogPosition, ReadError, Recorded, find_answers, read_each, read_openings};
use sqlx::PgPool;
use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};
use uuid::Uuid;

/// What a batch needs, read once for all of it.
#[derive(Debug, Default)]
pub(crate) struct Background {
    events: Read<LogPosition>,
    /// By the id of the command, which is the booking's.
    reservations: Read<Uuid>,
    openings: Read<InventoryId>,
}

type Read<K> = HashMap<K, Result<Recorded, ReadError>>;

/// Why an event is not to be had.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Absent<'a> {
    /// The log does not have it.
    Missing,
    /// This build does not understand it.
    Unreadable(&'a ReadError),
}

/// An event that is asked for, and the booking it concerns where the event does not name it (a flight's).
pub(crate) type Wanted = (LogPosition, Option<BookingId>);

impl Background {
    /// Events and reservations of a batch.
    ///
    /// # Errors
    /// Whatever Postgres says.
    pub(crate) async fn read(pool: &PgPool, wanted: &[Wanted]) -> Result<Self, sqlx::Error> {
        let mut this = Self::default();
        let places: Vec<_> = distinct(wanted.iter().map(|(at, _)| (at.log_partition, at.position)))
            .into_iter()
            .map(|(log_partition, position)| LogPosition { log_partition, position })
            .collect();
        if places.is_empty() {
            return Ok(this);
        }
        this.events = read_each(pool, &places).await?.into_iter().collect();
        let bookings = wanted.iter().filter_map(|(at, given)| {
            let event = this.events.get(at)?.as_ref().ok()?;
            match (given, &event.event) {
                (Some(booking), _) => Some(booking.0),
                // It is its own reservation.
                (None, InventoryEvent::SeatsReserved(_)) => None,
                (None, other) => other.booking_id().map(|booking| booking.0),
            }
        });
        let bookings = distinct(bookings);
        if !bookings.is_empty() {
            this.reservations = find_answers(pool, &bookings).await?.into_iter().collect();
        }
        Ok(this)
    }

    /// The same with the openings of their inventories.
    ///
    /// # Errors
    /// Whatever Postgres says.
    pub(crate) async fn read_with_openings(pool: &PgPool, wanted: &[Wanted]) -> Result<Self, sqlx::Error> {
        let mut this = Self::read(pool, wanted).await?;
        let events = this.events.values().filter_map(|event| event.as_ref().ok());
        let inventories: Vec<_> =
            distinct(events.map(|event| event.inventory_id.0)).into_iter().map(InventoryId).collect();
        if !inventories.is_empty() {
            this.openings = read_openings(pool, &inventories).await?.into_iter().collect();
        }
        Ok(this)
    }

    /// The event at a place.
    pub(crate) fn event(&self, at: LogPosition) -> Result<&Recorded, Absent<'_>> {
        found(&self.events, &at)
    }

    /// The reservation behind an event: of the given booking, or of the one that the event names.
    pub(crate) fn reservation<'a>(
        &'a self,
        event: &'a Recorded,
        given: Option<BookingId>,
    ) -> Result<&'a Recorded, Absent<'a>> {
        let booking = match (given, &event.event) {
            (None, InventoryEvent::SeatsReserved(_)) => return Ok(event),
            (given, event) => given.or_else(|| event.booking_id()).ok_or(Absent::Missing)?,
        };
        let made = found(&self.reservations, &booking.0)?;
        if made.event.booking_id() == Some(booking) { Ok(made) } else { Err(Absent::Missing) }
    }

    /// The event that opened an inventory.
    pub(crate) fn opening(&self, inventory: InventoryId) -> Result<&Recorded, Absent<'_>> {
        found(&self.openings, &inventory)
    }
}

fn found<'a, K: Eq + Hash>(read: &'a Read<K>, key: &K) -> Result<&'a Recorded, Absent<'a>> {
    match read.get(key) {
        Some(Ok(event)) => Ok(event),
        Some(Err(error)) => Err(Absent::Unreadable(error)),
        None => Err(Absent::Missing),
    }
}

fn distinct<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<K> {
    keys.collect::<BTreeSet<_>>().into_iter().collect()
}
