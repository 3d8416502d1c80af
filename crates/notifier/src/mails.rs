//! Mails: one for each booking that was confirmed, cancelled or expired, one for each live booking of a flight or show that moved;
//! and reminders when they are due.
//!
//! Shape: claim what is due → read what happened, look the address up, write the letter → hand it to the
//! [`Mailer`](crate::Mailer) → record (`outgoing` argues the order). Each mail is a task of its own, a few at a time of
//! either kind, so one that is slow keeps back neither the other kind nor any webhook.
//! Guarantee: at least once, with the same Message-ID. The address is nowhere but in the mail.
//! Not here: how a mail is carried (`smtp`, `mail_folder`), where addresses are kept ([`AddressBook`](crate::AddressBook)).

use crate::{
    body::{booking, reservation},
    fan_out,
    letter::{Letter, name_of},
    mailer::{Again, Mail, NotTaken, Post},
    notices::Notices,
    outgoing::{Claimed, Fate, QUEUES, Queue, REMINDERS},
    show_letter,
    told::Told,
};
use chrono::TimeDelta;
use futures::future::join_all;
use holdfast_ambient::Ambient;
use holdfast_domain::{
    BookingId, BookingStatus, FLIGHT_CANCELLED, InventoryEvent, SHOW_CANCELLED, Schedule, Timestamp, UserId,
    local_time,
};
use holdfast_event_log::{LogPosition, ReadError, Recorded, find_commands, heads, read_at, read_sequences};
use holdfast_projector::{Failure, stand_by};
use lettre::Address;
use sqlx::{PgPool, Row};
use std::{error::Error, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

/// Mails of one kind that are handed over at a time, of one notifier: bounds its connections.
const SENDING_MAX: usize = 4;
/// How long an attempt may take in all. Servers look through a mail before they answer; cut off too early, it comes twice.
const ATTEMPT_MAX: Duration = Duration::from_secs(120);
/// Between two looks at a queue.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long attempts under way may take to end at shutdown; what is cut off is made again.
const END_MAX: Duration = Duration::from_secs(3);
/// How long mails are queued while no notifier that writes them is about.
const OPEN_FOR: TimeDelta = TimeDelta::days(3);
/// Between two renewals of that.
const RENEW_EVERY: Duration = Duration::from_secs(60 * 60);

/// Writes the mails that are owed.
#[derive(Clone, Debug)]
pub struct Mails {
    pool: PgPool,
    ambient: Arc<dyn Ambient>,
    post: Post,
    attempt_max: Duration,
}

type Unwritten = Box<dyn Error + Send + Sync>;
/// A letter and whom it goes to; or why there will never be one.
type Written<T> = Result<Result<T, &'static str>, Unwritten>;
/// Why there is no address: the account is gone, and its mails with it.
const NO_ACCOUNT: &str = "no_account";

impl Mails {
    /// Mails that are owed by the queue in `pool`'s database.
    #[must_use]
    pub fn new(pool: PgPool, ambient: Arc<dyn Ambient>, post: Post) -> Self {
        Self { pool, ambient, post, attempt_max: ATTEMPT_MAX }
    }

    /// The same, but an attempt is given up after so long.
    #[must_use]
    pub fn giving_up_after(self, attempt_max: Duration) -> Self {
        Self { attempt_max, ..self }
    }

    /// From now on mails are queued. The first time, and after nobody wrote any for days, only for what happens from now on.
    ///
    /// # Errors
    /// If the notifier's place in the log, or the log, cannot be read or written now. A place that does not fit this log is
    /// none: it is the inlet that stops there, and mails are queued when it goes on.
    pub async fn open(&self) -> Result<(), Failure> {
        let mut conn = self.pool.acquire().await?;
        match stand_by::<Notices>(&mut conn).await {
            Err(failure) if failure.is_transient() => return Err(failure),
            Ok(()) | Err(_) => {}
        }
        let after: Vec<_> = heads(&mut *conn).await?.into_iter().map(|head| head.position).collect();
        let now = self.ambient.now();
        sqlx::query(
            "INSERT INTO mail_channel AS c (after_positions, open_until) VALUES ($1, $2)
             ON CONFLICT (only_row) DO UPDATE SET open_until = excluded.open_until,
                 after_positions = CASE WHEN c.open_until < $3 THEN excluded.after_positions ELSE c.after_positions END",
        )
        .bind(after)
        .bind(now + OPEN_FOR)
        .bind(now)
        .execute(&mut *conn)
        .await?;
        Ok(())
    }

    /// Opens, however often it must be tried: what is queued before that is not mailed.
    pub(crate) async fn open_at_last(&self) {
        let mut told = Told::default();
        while told.hear("mails, and all that is told, wait to be opened", self.open().await).is_none() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Writes mails until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let prepares = shutdown.run_until_cancelled(self.prepare());
        let [mails, reminders] = QUEUES.map(|queue| self.clone().send_from(queue, shutdown.clone()));
        tokio::join!(prepares, mails, reminders);
    }

    /// Keeps mails open, and looks through the bookings of flights and shows that moved, for ever.
    async fn prepare(&self) {
        let (mut opened_at, mut told) = (Instant::now(), Told::default());
        loop {
            if opened_at.elapsed() >= RENEW_EVERY {
                opened_at = Instant::now();
                told.hear("keeping mails open", self.open().await);
            }
            let stepped = fan_out::step(&self.pool).await;
            if told.hear("looking for whom a flight or show that moved concerns", stepped) != Some(true) {
                sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Sends from one queue until `shutdown`.
    async fn send_from(self, queue: Queue, shutdown: CancellationToken) {
        let (mut under_way, mut told) = (JoinSet::new(), Told::default());
        loop {
            let places = SENDING_MAX - under_way.len();
            let claimed = match places {
                0 => vec![],
                _ => told
                    .hear("claiming mails", queue.claim(&self.pool, &*self.ambient, places).await)
                    .unwrap_or_default(),
            };
            let full = !claimed.is_empty() && claimed.len() == places;
            for claimed in claimed {
                let this = self.clone();
                under_way.spawn(async move { this.attempt(queue, claimed).await });
            }
            tokio::select! {
                Some(_) = under_way.join_next(), if full || under_way.len() == SENDING_MAX => {}
                () = sleep(LOOK_EVERY) => while under_way.try_join_next().is_some() {},
                () = shutdown.cancelled() => break,
            }
        }
        let all_end = async { while under_way.join_next().await.is_some() {} };
        if timeout(END_MAX, all_end).await.is_err() {
            debug!("mails were cut off; they are sent again");
        }
    }

    /// Writes a few of the mails that are due, of both kinds, and returns how many were tried.
    ///
    /// # Errors
    /// If a queue cannot be read.
    pub async fn run_once(&self) -> Result<usize, ReadError> {
        while fan_out::step(&self.pool).await? {}
        let mut tried = 0;
        for queue in QUEUES {
            let claimed = queue.claim(&self.pool, &*self.ambient, SENDING_MAX).await?;
            tried += join_all(claimed.into_iter().map(|one| self.attempt(queue, one))).await.len();
        }
        Ok(tried)
    }

    /// One attempt, from its letter to its record. What cannot be recorded is made again when its claim ends.
    async fn attempt(&self, queue: Queue, claimed: Claimed) {
        let fate = timeout(self.attempt_max, self.hand_over(queue, &claimed)).await;
        let fate = fate.unwrap_or(Fate::Failed("timeout".into(), Again::Soon));
        if let Err(error) = queue.record(&self.pool, &*self.ambient, &claimed, fate).await {
            warn!(error = &error as &dyn Error, mail.id = %claimed.id, "a mail's fate could not be recorded; it may be sent again");
        }
    }

    async fn hand_over(&self, queue: Queue, claimed: &Claimed) -> Fate {
        let written = match queue.table == REMINDERS.table {
            true => self.reminder(claimed).await,
            false => self.about_a_booking(claimed).await,
        };
        let mail = match written {
            Ok(Ok(mail)) => mail,
            Ok(Err(NO_ACCOUNT)) => return Fate::Withdrawn,
            Ok(Err(why)) => return Fate::Failed(why.into(), Again::Never),
            Err(error) => {
                warn!(error = &*error as &dyn Error, mail.id = %claimed.id, "a mail could not be written; it is tried again");
                return Fate::Failed("unwritten".into(), Again::Later);
            }
        };
        match self.post.mailer.take(&mail).await {
            Ok(()) => Fate::Delivered,
            Err(NotTaken { why, again }) => Fate::Failed(why, again),
        }
    }

    async fn about_a_booking(&self, claimed: &Claimed) -> Written<Mail> {
        let log_partition: i16 = claimed.row.try_get("log_partition")?;
        let at = LogPosition {
            log_partition: log_partition.cast_unsigned(),
            position: claimed.row.try_get("position")?,
        };
        let booking_id: Option<Uuid> = claimed.row.try_get("booking_id")?;
        let (event, made, opened) = match self.read(at, booking_id.map(BookingId)).await {
            Ok(Some(all)) => all,
            Ok(None) => return Ok(Err("not_in_the_log")),
            Err(ReadError::Database(error)) => return Err(error.into()),
            Err(ReadError::Decode { .. } | ReadError::Stream { .. }) => return Ok(Err("not_understood")),
        };
        let Some((user, letter)) = letter(&event, &made, &opened) else { return Ok(Err("about_no_booking")) };
        match self.address(user, None).await? {
            Ok(to) => Ok(Ok(letter.mail(claimed.id, &self.post.from, to, event.recorded_at)?)),
            Err(why) => Ok(Err(why)),
        }
    }

    /// The event, the one that made its booking, and the one that opened the inventory.
    async fn read(
        &self,
        at: LogPosition,
        booking_id: Option<BookingId>,
    ) -> Result<Option<(Recorded, Recorded, Recorded)>, ReadError> {
        let Some(event) = read_at(&self.pool, at).await? else { return Ok(None) };
        let made = match booking_id {
            None => reservation(&self.pool, &event).await?,
            Some(id) => find_commands(&self.pool, &[id.0]).await?.into_iter().map(|c| c.answer).next(),
        };
        let opened = read_sequences(&self.pool, event.inventory_id, &[1]).await?.into_iter().next();
        Ok(made.zip(opened).map(|(made, opened)| (event, made, opened)))
    }

    async fn reminder(&self, claimed: &Claimed) -> Written<Mail> {
        let row = &claimed.row;
        let user: Uuid = row.try_get("user_id")?;
        let (recipient, remind_at): (Option<String>, Timestamp) =
            (row.try_get("recipient")?, row.try_get("remind_at")?);
        let letter = Letter {
            subject: row.try_get("subject")?,
            paragraphs: vec![row.try_get("content")?],
            facts: vec![],
        };
        match self.address(UserId(user), recipient).await? {
            Ok(to) => Ok(Ok(letter.mail(claimed.id, &self.post.from, to, remind_at)?)),
            Err(why) => Ok(Err(why)),
        }
    }

    /// Where to write to: the given address, or the account's.
    async fn address(&self, user: UserId, given: Option<String>) -> Written<Address> {
        let address = match given {
            Some(address) => Some(address),
            None => self.post.addresses.address_of(user).await?,
        };
        let Some(address) = address else { return Ok(Err(NO_ACCOUNT)) };
        Ok(receiver(&address).ok_or("no_address"))
    }
}

/// An address as every server takes it: its domain in the ASCII form (IDNA), so that SMTPUTF8 is needed for the part before
/// the `@` alone.
fn receiver(address: &str) -> Option<Address> {
    let address: Address = address.parse().ok()?;
    if address.domain().is_ascii() {
        return Some(address);
    }
    Address::new(address.user(), idna::domain_to_ascii(address.domain()).ok()?).ok()
}

/// What is written about an event to whoever made the booking.
fn letter(event: &Recorded, made: &Recorded, opened: &Recorded) -> Option<(UserId, Letter)> {
    let (InventoryEvent::SeatsReserved(seats), InventoryEvent::InventoryOpened(inventory)) =
        (&made.event, &opened.event)
    else {
        return None;
    };
    let name = name_of(&inventory.subject);
    let mut facts = vec![
        ("Booking", seats.booking_id.to_string()),
        ("Seats", seats.quantity.to_string()),
        ("Booked", made.recorded_at.format("%Y-%m-%d %H:%M UTC").to_string()),
    ];
    let (subject, text) = match &event.event {
        InventoryEvent::FlightRescheduled(moved) => {
            let zones = (moved.departure_zone.as_str(), moved.arrival_zone.as_str());
            facts.extend(times(&moved.new, zones));
            let before = shown(moved.old.departs_at, zones.0);
            (
                "Your flight has moved",
                format!("Your {name}, which was to leave on {before}, has new times or another gate."),
            )
        }
        InventoryEvent::ShowRescheduled(moved) => {
            facts.extend(show_letter::facts(&moved.new));
            ("Your show has moved", show_letter::moved(&name, moved))
        }
        _ => {
            let (booking, _) = booking(event, made)?;
            match (booking.status, booking.reason) {
                (BookingStatus::Held, _) => return None,
                (BookingStatus::Confirmed, _) => {
                    ("Your booking is confirmed", format!("Your booking for {name} is confirmed."))
                }
                (BookingStatus::Cancelled, Some(SHOW_CANCELLED)) => (
                    "Your show is cancelled",
                    format!("{name} does not take place, and your booking ended with it."),
                ),
                (BookingStatus::Cancelled, Some(FLIGHT_CANCELLED)) => (
                    "Your flight is cancelled",
                    format!("Your {name} does not take place, and your booking ended with it."),
                ),
                (BookingStatus::Cancelled, _) => {
                    ("Your booking is cancelled", format!("Your booking for {name} is cancelled."))
                }
                (BookingStatus::Expired, _) => (
                    "Your booking has expired",
                    format!(
                        "Your booking for {name} was not confirmed in time, and its seats are free again."
                    ),
                ),
            }
        }
    };
    Some((seats.user_id, Letter { subject: subject.to_owned(), paragraphs: vec![text], facts }))
}

fn times(to: &Schedule, (departure_zone, arrival_zone): (&str, &str)) -> Vec<(&'static str, String)> {
    let mut times = vec![
        ("Departure", shown(to.departs_at, departure_zone)),
        ("Arrival", shown(to.arrives_at, arrival_zone)),
    ];
    times.extend(to.gate.iter().map(|gate| ("Gate", gate.clone())));
    times
}

/// An instant as the clocks of its place show it.
pub(crate) fn shown(at: Timestamp, zone: &str) -> String {
    match local_time(at, zone) {
        Some(local) => format!("{} ({zone})", local.format("%Y-%m-%d %H:%M %:z")),
        None => at.format("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_written_in_its_ascii_form() {
        let ascii = |text| receiver(text).map(|address| address.to_string());
        assert_eq!(ascii("x@bücher.example").as_deref(), Some("x@xn--bcher-kva.example"));
        assert_eq!(ascii("zoë@BÜCHER.example").as_deref(), Some("zoë@xn--bcher-kva.example"));
        assert_eq!(ascii("Ada@Example.org").as_deref(), Some("Ada@Example.org"));
        assert_eq!(ascii("x@[127.0.0.1]").as_deref(), Some("x@[127.0.0.1]"));
        assert_eq!(ascii("no address"), None);
    }
}
