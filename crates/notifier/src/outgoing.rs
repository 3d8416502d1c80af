//! What is owed by mail, in two tables that are sent from in the same way: claiming what is due, recording what came of it,
//! hundreds of rows in a statement.
//!
//! Order: claim → hand over → record. The claim is committed before anything is sent, so no two notifiers hand the same mail
//! over, and no lock is held while a server is slow. The record comes after the server's answer: before it, a notifier that
//! is killed in between would have lost the mail. What is left is one case: killed (or cut off from Postgres, or from the
//! server) after the server took mails and before that was recorded, they are handed over again when their claim ends, with
//! the same Message-ID. SMTP has no word to ask whether a mail arrived.
//!
//! A claim is `next_attempt_at` in the future with a `claim_id`: it ends by itself. A record into a claim that was taken over
//! changes nothing.

use crate::{ladder, mailer::Again};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_domain::Timestamp;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::borrow::Cow;
use tracing::warn;
use uuid::Uuid;

/// How long a claim lasts. Longer than the wait for a connection and an attempt.
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
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) id: Uuid,
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
    /// No connection was free for it in time: it is due at once, and no attempt is counted.
    NotTried,
    Failed(Cow<'static, str>, Again),
}

/// What is written into the rows of a batch, column by column.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    now: Timestamp,
    ids: Vec<Uuid>,
    claims: Vec<Uuid>,
    states: Vec<&'static str>,
    attempts: Vec<i32>,
    next: Vec<Option<Timestamp>>,
    failures: Vec<Option<Cow<'static, str>>>,
    withdrawn_ids: Vec<Uuid>,
    withdrawn_claims: Vec<Uuid>,
}

impl Queue {
    /// Claims up to `limit` of what is due, each with its row.
    pub(crate) async fn claim(
        self,
        pool: &PgPool,
        ambient: &dyn Ambient,
        limit: usize,
    ) -> Result<Vec<(Claimed, PgRow)>, sqlx::Error> {
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
        let mut claimed = rows
            .into_iter()
            .map(|row| {
                let attempts = row.try_get::<i32, _>("attempts")?.unsigned_abs();
                let (id, since) = (row.try_get(id)?, row.try_get("owed_since")?);
                Ok((Claimed { id, claim_id, attempts, since }, row))
            })
            .collect::<Result<Vec<_>, sqlx::Error>>()?;
        claimed.sort_by_key(|(claimed, _)| claimed.since);
        Ok(claimed)
    }

    /// What is to be recorded of a batch; it is counted here, and logged where a mail is given up.
    pub(crate) fn columns(self, ambient: &dyn Ambient, batch: Vec<(Claimed, Fate)>) -> Columns {
        let mut columns = Columns { now: ambient.now(), ..Columns::default() };
        for (claimed, fate) in batch {
            if matches!(fate, Fate::Withdrawn) {
                columns.withdrawn_ids.push(claimed.id);
                columns.withdrawn_claims.push(claimed.claim_id);
            } else {
                let mut chance = [0; 2];
                ambient.random(&mut chance);
                self.add(&mut columns, &claimed, fate, u16::from_le_bytes(chance));
            }
        }
        columns
    }

    fn add(self, columns: &mut Columns, claimed: &Claimed, fate: Fate, chance: u16) {
        let (table, now) = (self.table, columns.now);
        let (state, attempts, next, failure) = match fate {
            Fate::Delivered | Fate::Withdrawn => ("delivered", 1, None, None),
            Fate::NotTried => ("pending", 0, Some(now), None),
            Fate::Failed(why, again) => match claimed.next(again, now, chance) {
                Some(pause) => ("pending", 1, Some(now + pause), Some(why)),
                None => {
                    warn!(mail.id = %claimed.id, "one of the {table} is not sent: {why}");
                    ("dead", 1, None, Some(why))
                }
            },
        };
        if attempts > 0 {
            let outcome = if next.is_some() { "again" } else { state };
            metrics::counter!("holdfast_mails_total", "kind" => table, "outcome" => outcome).increment(1);
        }
        columns.ids.push(claimed.id);
        columns.claims.push(claimed.claim_id);
        columns.states.push(state);
        columns.attempts.push(attempts);
        columns.next.push(next);
        columns.failures.push(failure);
    }

    /// Writes down what became of a batch. Done twice, it changes nothing more.
    pub(crate) async fn record(self, pool: &PgPool, columns: &Columns) -> Result<(), sqlx::Error> {
        let Self { table, id, .. } = self;
        if !columns.withdrawn_ids.is_empty() {
            let sql = format!(
                "DELETE FROM {table} q USING unnest($1::uuid[], $2::uuid[]) AS o (id, claim_id)
                 WHERE q.{id} = o.id AND q.claim_id = o.claim_id"
            );
            let gone = sqlx::query(&sql).bind(&columns.withdrawn_ids).bind(&columns.withdrawn_claims);
            gone.execute(pool).await?;
        }
        if columns.ids.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "UPDATE {table} q
             SET state = o.state, attempts = q.attempts + o.attempts, claim_id = NULL,
                 next_attempt_at = coalesce(o.next_attempt_at, q.next_attempt_at),
                 failure = CASE o.attempts WHEN 0 THEN q.failure ELSE o.failure END,
                 ended_at = CASE o.state WHEN 'pending' THEN NULL ELSE $7 END
             FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::timestamptz[], $6::text[])
                  AS o (id, claim_id, state, attempts, next_attempt_at, failure)
             WHERE q.{id} = o.id AND q.claim_id = o.claim_id"
        );
        let record = sqlx::query(&sql).bind(&columns.ids).bind(&columns.claims).bind(&columns.states);
        let record = record.bind(&columns.attempts).bind(&columns.next).bind(&columns.failures);
        record.bind(columns.now).execute(pool).await.map(|_| ())
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
