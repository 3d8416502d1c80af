//! What is owed by mail, in two tables that are sent from in the same way: claiming what is due, recording what came of it.
//!
//! Order: claim → hand over → record, each mail on its own. The claim is committed before anything is sent, so no two
//! notifiers hand the same mail over, and no lock is held while a server is slow. The record comes after the server's answer:
//! before it, a notifier that is killed in between would have lost the mail. What is left is one case: killed (or cut off
//! from Postgres, or from the server) after the server took the mail and before that was recorded, the mail is handed over
//! again when its claim ends, with the same Message-ID. SMTP has no word to ask whether it arrived.
//!
//! A claim is `next_attempt_at` in the future with a `claim_id`: it ends by itself. Whoever records into one that is not its
//! own any more changes nothing.

use crate::{ladder, mailer::Again};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_domain::Timestamp;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::borrow::Cow;
use tracing::warn;
use uuid::Uuid;

/// How long a claim lasts. Longer than an attempt.
pub(crate) const CLAIM_MAX: TimeDelta = TimeDelta::seconds(180);
/// Longest pause while the carrier is away: when it is back, nothing waits longer for it.
const AWAY_PAUSE_MAX: TimeDelta = TimeDelta::seconds(60);
/// How long a mail is tried at least when its carrier is away.
const AWAY_MAX: TimeDelta = TimeDelta::days(3);

/// A table of what is owed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queue {
    /// Its name, and what a metric calls what is in it.
    pub(crate) table: &'static str,
    /// The column that names a row.
    id: &'static str,
    /// The column with the time since which a row is owed.
    since: &'static str,
}

/// Mails about bookings.
pub(crate) const MAILS: Queue = Queue { table: "mails", id: "event_id", since: "recorded_at" };
/// Reminders.
pub(crate) const REMINDERS: Queue = Queue { table: "reminders", id: "reminder_id", since: "remind_at" };
/// Both.
pub(crate) const QUEUES: [Queue; 2] = [MAILS, REMINDERS];

/// Something to send.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
    pub(crate) row: PgRow,
    claim_id: Uuid,
    attempts: u32,
    since: Timestamp,
}

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Fate {
    Delivered,
    /// The account it is about is gone: it is owed no more, which is no failure.
    Withdrawn,
    Failed(Cow<'static, str>, Again),
}

impl Queue {
    /// Claims up to `limit` of what is due.
    pub(crate) async fn claim(
        self,
        pool: &PgPool,
        ambient: &dyn Ambient,
        limit: usize,
    ) -> Result<Vec<Claimed>, sqlx::Error> {
        let Self { table, id, since } = self;
        let (claim_id, now) = (ambient.new_id(), ambient.now());
        let sql = format!(
            "UPDATE {table} SET claim_id = $1, next_attempt_at = $3
             WHERE {id} = ANY (ARRAY(
                 SELECT {id} FROM {table} WHERE state = 'pending' AND next_attempt_at <= $2
                 ORDER BY next_attempt_at LIMIT $4 FOR UPDATE SKIP LOCKED))
             RETURNING *, coalesce(asked_again_at, {since}) AS owed_since"
        );
        let rows = sqlx::query(&sql)
            .bind(claim_id)
            .bind(now)
            .bind(now + CLAIM_MAX)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(pool)
            .await?;
        rows.into_iter()
            .map(|row| {
                let attempts = row.try_get::<i32, _>("attempts")?.unsigned_abs();
                let (id, since) = (row.try_get(id)?, row.try_get("owed_since")?);
                Ok(Claimed { id, row, claim_id, attempts, since })
            })
            .collect()
    }

    /// Writes down what became of an attempt.
    pub(crate) async fn record(
        self,
        pool: &PgPool,
        ambient: &dyn Ambient,
        claimed: &Claimed,
        fate: Fate,
    ) -> Result<(), sqlx::Error> {
        let (now, Self { table, id, .. }) = (ambient.now(), self);
        if matches!(fate, Fate::Withdrawn) {
            let sql = format!("DELETE FROM {table} WHERE {id} = $1 AND claim_id = $2");
            let gone = sqlx::query(&sql).bind(claimed.id).bind(claimed.claim_id);
            return gone.execute(pool).await.map(|_| ());
        }
        let mut chance = [0; 2];
        ambient.random(&mut chance);
        let (state, next, failure) = match fate {
            Fate::Delivered | Fate::Withdrawn => ("delivered", None, None),
            Fate::Failed(why, again) => match claimed.next(again, now, u16::from_le_bytes(chance)) {
                Some(pause) => ("pending", Some(now + pause), Some(why)),
                None => {
                    warn!(mail.id = %claimed.id, "one of the {table} is not sent: {why}");
                    ("dead", None, Some(why))
                }
            },
        };
        let outcome = if next.is_some() { "again" } else { state };
        metrics::counter!("holdfast_mails_total", "kind" => table, "outcome" => outcome).increment(1);
        let sql = format!(
            "UPDATE {table} SET state = $3, attempts = attempts + 1, next_attempt_at = coalesce($4, next_attempt_at),
                 claim_id = NULL, failure = $5, ended_at = CASE WHEN $3 = 'pending' THEN NULL ELSE $6 END
             WHERE {id} = $1 AND claim_id = $2"
        );
        let record = sqlx::query(&sql).bind(claimed.id).bind(claimed.claim_id).bind(state).bind(next);
        record.bind(failure).bind(now).execute(pool).await.map(|_| ())
    }
}

impl Claimed {
    /// The pause before the next attempt; none: there is no next one.
    fn next(&self, again: Again, now: Timestamp, chance: u16) -> Option<TimeDelta> {
        let ladder = ladder::pause(self.attempts.saturating_add(1), None, chance);
        match again {
            Again::Never => None,
            Again::Later => ladder,
            Again::Soon => match ladder {
                Some(pause) => Some(pause.min(AWAY_PAUSE_MAX)),
                None => (now - self.since < AWAY_MAX).then_some(AWAY_PAUSE_MAX),
            },
        }
    }
}
