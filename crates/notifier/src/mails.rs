//! Mails: one for each booking that was confirmed or cancelled, or whose hold ran out, to whoever booked.
//!
//! Shape: take a few mails that are due, with their rows locked → for each: read the event, look the address up, build the
//! text, hand it to the [`Mailer`] → record. The address is nowhere but in the mail.
//! Guarantee: at least once; a mail has its event's id for a name, by which a mailer can drop a second one.
//! Not here: how a mail is carried ([`Mailer`]), where addresses are kept ([`AddressBook`]).

use crate::{
    body::{booking, reservation},
    ladder,
    notices::Notices,
    told::Told,
};
use chrono::TimeDelta;
use futures::future::BoxFuture;
use holdfast_ambient::Ambient;
use holdfast_domain::{BookingStatus, Timestamp, UserId};
use holdfast_event_log::{LogPosition, ReadError, heads, read_at};
use holdfast_projector::{Failure, stand_by};
use lettre::{
    Address, Message,
    message::{Mailbox, header::ContentType},
};
use sqlx::{PgConnection, PgPool, Row};
use std::{error::Error, fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;
use uuid::Uuid;

/// Mails of one transaction: bounds how long their rows are locked.
const BATCH_MAILS_MAX: i64 = 10;
/// How long a mail may take to be handed over.
const HAND_OVER_MAX: Duration = Duration::from_secs(10);
/// Between two looks at the queue.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long mails are queued while no notifier that writes them is about.
const OPEN_FOR: TimeDelta = TimeDelta::days(3);
/// Between two renewals of that.
const RENEW_EVERY: Duration = Duration::from_secs(60 * 60);
/// Who mails are from, until a sender can be configured.
const FROM: &str = "bookings@holdfast.invalid";

/// A mail, ready to be carried.
pub struct Mail {
    /// Its event's id.
    pub id: Uuid,
    /// The whole message (RFC 5322).
    pub message: Vec<u8>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Carries mails. One that is handed over twice has the same id and the same text.
pub trait Mailer: Send + Sync + fmt::Debug {
    /// Takes a mail over.
    ///
    /// # Errors
    /// It is handed over again later.
    fn take<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), MailError>>;
}

/// A mail could not be handed over.
#[derive(Debug, thiserror::Error)]
#[error("a mail could not be handed over")]
pub struct MailError(#[source] pub Box<dyn Error + Send + Sync>);

/// Knows the addresses of those who book.
pub trait AddressBook: Send + Sync + fmt::Debug {
    /// The address of a user; none: there is no such account any more.
    ///
    /// # Errors
    /// If it cannot be asked; it is asked again later.
    fn address_of(&self, user: UserId) -> BoxFuture<'_, Result<Option<String>, MailError>>;
}

/// Writes the mails that are owed.
#[derive(Clone, Debug)]
pub struct Mails {
    pool: PgPool,
    ambient: Arc<dyn Ambient>,
    mailer: Arc<dyn Mailer>,
    addresses: Arc<dyn AddressBook>,
}

/// What becomes of a mail.
enum Fate {
    Delivered,
    Again,
    Dead(&'static str),
}

struct Due {
    event_id: Uuid,
    at: LogPosition,
    attempts: u32,
}

impl Mails {
    /// Mails that are owed by the queue in `pool`'s database.
    #[must_use]
    pub fn new(
        pool: PgPool,
        ambient: Arc<dyn Ambient>,
        mailer: Arc<dyn Mailer>,
        addresses: Arc<dyn AddressBook>,
    ) -> Self {
        Self { pool, ambient, mailer, addresses }
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

    /// Writes mails for ever.
    pub(crate) async fn run(self) {
        let (mut opened_at, mut told) = (Instant::now(), Told::default());
        loop {
            if opened_at.elapsed() >= RENEW_EVERY {
                opened_at = Instant::now();
                told.hear("keeping mails open", self.open().await);
            }
            if told.hear("writing mails", self.run_once().await).is_none_or(|mails| mails == 0) {
                sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Writes a few of the mails that are due, and returns how many were tried.
    ///
    /// # Errors
    /// If the queue cannot be read or written; what was handed over is handed over again.
    pub async fn run_once(&self) -> Result<usize, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let sql = "SELECT event_id, log_partition, position, attempts FROM mails
                   WHERE state = 'pending' AND next_attempt_at <= $1
                   ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED";
        let rows =
            sqlx::query(sql).bind(self.ambient.now()).bind(BATCH_MAILS_MAX).fetch_all(&mut *tx).await?;
        for row in &rows {
            let log_partition: i16 = row.try_get("log_partition")?;
            let at = LogPosition {
                log_partition: log_partition.cast_unsigned(),
                position: row.try_get("position")?,
            };
            let attempts = row.try_get::<i32, _>("attempts")?.unsigned_abs();
            let due = Due { event_id: row.try_get("event_id")?, at, attempts };
            let fate = timeout(HAND_OVER_MAX, self.attempt(&due)).await.unwrap_or(Fate::Again);
            self.record(&mut tx, &due, fate).await?;
        }
        tx.commit().await?;
        Ok(rows.len())
    }

    async fn attempt(&self, due: &Due) -> Fate {
        let mail = match self.write(due).await {
            Ok(Ok(mail)) => mail,
            Ok(Err(why)) => return Fate::Dead(why),
            Err(error) => {
                warn!(error = &*error as &dyn Error, event.id = %due.event_id, "a mail could not be written; it is tried again");
                return Fate::Again;
            }
        };
        match self.mailer.take(&mail).await {
            Ok(()) => Fate::Delivered,
            Err(error) => {
                warn!(error = &error as &dyn Error, event.id = %due.event_id, "a mail is tried again");
                Fate::Again
            }
        }
    }

    /// The mail; or why there will never be one.
    async fn write(&self, due: &Due) -> Result<Result<Mail, &'static str>, Box<dyn Error + Send + Sync>> {
        let understood = async {
            let Some(event) = read_at(&self.pool, due.at).await? else { return Ok(None) };
            Ok::<_, ReadError>(reservation(&self.pool, &event).await?.map(|made| (event, made)))
        };
        let (event, made) = match understood.await {
            Ok(Some(both)) => both,
            Ok(None) => return Ok(Err("its booking is not in the log")),
            Err(ReadError::Database(error)) => return Err(error.into()),
            Err(ReadError::Decode { .. } | ReadError::Stream { .. }) => {
                return Ok(Err("its event is not understood"));
            }
        };
        let Some((booking, _)) = booking(&event, &made) else {
            return Ok(Err("its event is about no booking"));
        };
        let Some(address) = self.addresses.address_of(booking.user_id).await? else {
            return Ok(Err("the account is gone"));
        };
        let Ok(to) = address.parse::<Address>() else {
            return Ok(Err("the address is none that mail is sent to"));
        };
        let happened = match booking.status {
            BookingStatus::Held => "held",
            BookingStatus::Confirmed => "confirmed",
            BookingStatus::Cancelled => "cancelled",
            BookingStatus::Expired => "not confirmed in time, and its seats are free again",
        };
        let subject = match booking.status {
            BookingStatus::Held | BookingStatus::Confirmed => "Your booking is confirmed",
            BookingStatus::Cancelled => "Your booking is cancelled",
            BookingStatus::Expired => "Your booking has expired",
        };
        let text = format!(
            "Your booking {} is {happened}.\r\n\r\nSeats: {}\r\nMade at: {}\r\n",
            booking.id,
            booking.quantity,
            booking.reserved_at.format("%Y-%m-%d %H:%M UTC"),
        );
        let message = Message::builder()
            .from(Mailbox::new(None, FROM.parse()?))
            .to(Mailbox::new(None, to))
            .subject(subject)
            .message_id(Some(format!("<{}@holdfast.invalid>", due.event_id)))
            .date(event.recorded_at.into())
            .header(ContentType::TEXT_PLAIN)
            .body(text)?;
        Ok(Ok(Mail { id: due.event_id, message: message.formatted() }))
    }

    async fn record(&self, conn: &mut PgConnection, due: &Due, fate: Fate) -> Result<(), sqlx::Error> {
        let now = self.ambient.now();
        let again = || {
            let mut chance = [0; 2];
            self.ambient.random(&mut chance);
            ladder::pause(due.attempts.saturating_add(1), None, u16::from_le_bytes(chance))
        };
        let (state, next) = match fate {
            Fate::Delivered => ("delivered", None),
            Fate::Again => again().map_or(("dead", None), |pause| ("pending", Some(now + pause))),
            Fate::Dead(why) => {
                warn!(event.id = %due.event_id, "a mail is not sent: {why}");
                ("dead", None)
            }
        };
        metrics::counter!("holdfast_mails_total", "outcome" => if next.is_some() { "again" } else { state })
            .increment(1);
        ended(conn, due.event_id, state, next, now).await
    }
}

async fn ended(
    conn: &mut PgConnection,
    event_id: Uuid,
    state: &str,
    next: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let sql = "UPDATE mails SET state = $2, attempts = attempts + 1, next_attempt_at = coalesce($3, next_attempt_at),
                   ended_at = CASE WHEN $2 = 'pending' THEN NULL ELSE $4 END
               WHERE event_id = $1";
    sqlx::query(sql).bind(event_id).bind(state).bind(next).bind(now).execute(conn).await.map(|_| ())
}
