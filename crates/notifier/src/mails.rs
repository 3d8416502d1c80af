//! Mails: one for each booking that was confirmed, cancelled or expired, one for each live booking of a flight or show that moved;
//! and reminders when they are due.
//!
//! Shape: claim what is due → make the mails (`compose`) → hand them to the [`Mailer`](crate::Mailer) → record (`outgoing`
//! argues the order), hundreds of mails in each statement. Either kind has a [`Line`] and connections of its own, so one that
//! is slow keeps back neither the other kind nor any webhook.
//! Guarantee: at least once, with the same Message-ID.
//! Not here: how a mail is carried (`smtp`, `mail_folder`), where addresses are kept ([`AddressBook`](crate::AddressBook)).

use crate::{
    erasures::erase_once, failure_log::FailureLog, fan_out, line::Line, mailer::Post, notices::Notices,
    outgoing::QUEUES, traffic::Traffic,
};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_event_log::{ReadError, heads};
use holdfast_projector::{Failure, stand_by};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long an attempt may take in all. Servers look through a mail before they answer; cut off too early, it comes twice.
pub(crate) const ATTEMPT_MAX: Duration = Duration::from_secs(120);
/// Between two looks for a flight that moved, and between two attempts to open.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long mails are queued while no notifier that writes them runs.
const OPEN_FOR: TimeDelta = TimeDelta::days(3);
/// Between two looks for mails that are to be erased.
const ERASE_EVERY: Duration = Duration::from_secs(10);
/// Between two renewals of that.
const RENEW_EVERY: Duration = Duration::from_secs(60 * 60);

/// Writes the mails that are owed.
#[derive(Clone, Debug)]
pub struct Mails {
    pub(crate) pool: PgPool,
    pub(crate) ambient: Arc<dyn Ambient>,
    pub(crate) post: Post,
    pub(crate) attempt_max: Duration,
    pub(crate) traffic: Traffic,
}

impl Mails {
    /// Mails that are owed by the queue in `pool`'s database.
    #[must_use]
    pub fn new(pool: PgPool, ambient: Arc<dyn Ambient>, post: Post) -> Self {
        Self { pool, ambient, post, attempt_max: ATTEMPT_MAX, traffic: Traffic::default() }
    }

    /// The same, but an attempt is given up after so long.
    #[must_use]
    pub fn giving_up_after(self, attempt_max: Duration) -> Self {
        Self { attempt_max, ..self }
    }

    /// The same, but beside this traffic.
    pub(crate) fn beside(self, traffic: Traffic) -> Self {
        Self { traffic, ..self }
    }

    /// From now on mails are queued. The first time, and after none were written for days, only for what happens from now on.
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
        let mut failures = FailureLog::default();
        while failures.note("opening mails, before anything is queued", self.open().await).is_none() {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Writes mails until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let prepares = shutdown.run_until_cancelled(self.prepare());
        let erases = shutdown.run_until_cancelled(self.erase());
        let [mails, reminders] = QUEUES.map(|queue| Line::new(self.clone(), queue).run(shutdown.clone()));
        tokio::join!(prepares, erases, mails, reminders);
    }

    /// Erases the mails of deleted accounts that the mailer keeps, for ever.
    async fn erase(&self) {
        let mut failures = FailureLog::default();
        loop {
            let erased = erase_once(&self.pool, &*self.post.mailer, self.ambient.now()).await;
            failures.note("erasing mails of deleted accounts", erased);
            sleep(ERASE_EVERY).await;
        }
    }

    /// Keeps mails open, and looks through the bookings of flights and shows that moved, for ever.
    async fn prepare(&self) {
        let (mut opened_at, mut failures) = (Instant::now(), FailureLog::default());
        loop {
            if opened_at.elapsed() >= RENEW_EVERY {
                opened_at = Instant::now();
                failures.note("keeping mails open", self.open().await);
            }
            let stepped = fan_out::step(&self.pool).await;
            if failures.note("looking for those whom a moved flight or show concerns", stepped) != Some(true)
            {
                sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Writes a batch of the mails that are due, of either kind, and returns how many were tried.
    ///
    /// # Errors
    /// If a queue cannot be read.
    pub async fn run_once(&self) -> Result<usize, ReadError> {
        while fan_out::step(&self.pool).await? {}
        let mut tried = 0;
        for queue in QUEUES {
            tried += Line::new(self.clone(), queue).run_once().await?;
        }
        Ok(tried)
    }
}
