//! Makes the mails of a batch: what happened, the addresses and the letters, with a few statements for all of it.
//!
//! Guarantee: the address is nowhere but in the mail. A mail that cannot be made says why, and keeps no other of its batch.

use crate::{
    background::{Absent, Background, Wanted},
    booking_letter::letter,
    letter::Letter,
    mailer::{Again, Mail, Post},
    outgoing::{Claimed, Fate, Queue, REMINDERS},
};
use holdfast_domain::{BookingId, Timestamp, UserId};
use holdfast_event_log::LogPosition;
use lettre::Address;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
};
use tracing::warn;
use uuid::Uuid;

/// Mails that are made before other tasks of the thread get their turn: each takes some tens of microseconds.
const MADE_AT_ONCE: usize = 16;

/// A batch, made: the mails, and the fates of those of which there is none.
#[derive(Debug, Default)]
pub(crate) struct Composed {
    pub(crate) mails: Vec<(Claimed, Mail)>,
    pub(crate) fates: Vec<(Claimed, Fate)>,
}

/// What one mail is made of, but for the address.
struct Draft {
    to: Recipient,
    letter: Letter,
    date: Timestamp,
}

enum Recipient {
    /// The address of this account.
    Account(UserId),
    Given(String),
}

type Failed = Box<dyn Error + Send + Sync>;

/// Makes the mails of a batch that was claimed from `queue`.
pub(crate) async fn compose(
    pool: &PgPool,
    post: &Post,
    queue: Queue,
    batch: Vec<(Claimed, PgRow)>,
) -> Composed {
    let mut composed = Composed::default();
    if batch.is_empty() {
        return composed;
    }
    let (claims, rows): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    match try_compose(pool, post, queue, &claims, &rows).await {
        Ok(made) => {
            for (claimed, made) in claims.into_iter().zip(made) {
                match made {
                    Ok(mail) => composed.mails.push((claimed, mail)),
                    Err(fate) => composed.fates.push((claimed, fate)),
                }
            }
        }
        Err(error) => {
            warn!(
                error = &*error as &dyn Error,
                mails = claims.len(),
                "mails could not be made; they are tried again"
            );
            composed.fates = claims.into_iter().map(|claimed| (claimed, unwritten())).collect();
        }
    }
    composed
}

async fn try_compose(
    pool: &PgPool,
    post: &Post,
    queue: Queue,
    claims: &[Claimed],
    rows: &[PgRow],
) -> Result<Vec<Result<Mail, Fate>>, Failed> {
    let drafts: Vec<Result<Draft, Fate>> = match queue.table == REMINDERS.table {
        true => rows.iter().map(|row| Ok(Ok(reminder(row)?))).collect::<Result<_, sqlx::Error>>()?,
        false => about_bookings(pool, rows).await?,
    };
    let addresses = addresses(post, &drafts).await?;
    let mut mails = Vec::with_capacity(drafts.len());
    for (nth, (claimed, draft)) in claims.iter().zip(drafts).enumerate() {
        if nth % MADE_AT_ONCE == MADE_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        mails.push(draft.and_then(|draft| mail(post, claimed.id, draft, &addresses)));
    }
    Ok(mails)
}

/// The addresses of all accounts that a batch is for.
async fn addresses(post: &Post, drafts: &[Result<Draft, Fate>]) -> Result<HashMap<UserId, String>, Failed> {
    let accounts: BTreeSet<UserId> = drafts
        .iter()
        .filter_map(|draft| match draft.as_ref().ok()?.to {
            Recipient::Account(user) => Some(user),
            Recipient::Given(_) => None,
        })
        .collect();
    if accounts.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(post.addresses.addresses_of(accounts.into_iter().collect()).await?)
}

fn mail(post: &Post, id: Uuid, draft: Draft, addresses: &HashMap<UserId, String>) -> Result<Mail, Fate> {
    let Draft { to, letter, date } = draft;
    let to = match &to {
        Recipient::Given(address) => address,
        // The account is gone, and its mails with it.
        Recipient::Account(user) => addresses.get(user).ok_or(Fate::Withdrawn)?,
    };
    let to = receiver(to).ok_or_else(|| never("no_address"))?;
    letter.mail(id, &post.from, to, date).map_err(|error| {
        warn!(error = &*error as &dyn Error, mail.id = %id, "a mail could not be written; it is tried again");
        unwritten()
    })
}

async fn about_bookings(pool: &PgPool, rows: &[PgRow]) -> Result<Vec<Result<Draft, Fate>>, sqlx::Error> {
    let wanted = rows.iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    let background = Background::read_with_openings(pool, &wanted).await?;
    Ok(wanted.into_iter().map(|wanted| about_a_booking(&background, wanted)).collect())
}

fn wanted(row: &PgRow) -> Result<Wanted, sqlx::Error> {
    let log_partition: i16 = row.try_get("log_partition")?;
    let at = LogPosition { log_partition: log_partition.cast_unsigned(), position: row.try_get("position")? };
    let booking_id: Option<Uuid> = row.try_get("booking_id")?;
    Ok((at, booking_id.map(BookingId)))
}

fn about_a_booking(background: &Background, (at, booking): Wanted) -> Result<Draft, Fate> {
    let event = background.event(at).map_err(absent)?;
    let made = background.reservation(event, booking).map_err(absent)?;
    let opened = background.opening(event.inventory_id).map_err(absent)?;
    let (user, letter) = letter(event, made, opened).ok_or_else(|| never("about_no_booking"))?;
    Ok(Draft { to: Recipient::Account(user), letter, date: event.recorded_at })
}

fn reminder(row: &PgRow) -> Result<Draft, sqlx::Error> {
    let recipient: Option<String> = row.try_get("recipient")?;
    let account = UserId(row.try_get("user_id")?);
    let letter =
        Letter { subject: row.try_get("subject")?, paragraphs: vec![row.try_get("content")?], facts: vec![] };
    let to = recipient.map_or(Recipient::Account(account), Recipient::Given);
    Ok(Draft { to, letter, date: row.try_get("remind_at")? })
}

fn absent(absent: Absent<'_>) -> Fate {
    match absent {
        Absent::Missing => never("not_in_the_log"),
        Absent::Unreadable(_) => never("not_understood"),
    }
}

fn never(why: &'static str) -> Fate {
    Fate::Failed(why.into(), Again::Never)
}

fn unwritten() -> Fate {
    Fate::Failed("unwritten".into(), Again::Later)
}

/// An address as every server takes it: its domain in the ASCII form (IDNA), so that SMTPUTF8 is needed for the part before
/// the `@` alone.
pub(crate) fn receiver(address: &str) -> Option<Address> {
    let address: Address = address.parse().ok()?;
    if address.domain().is_ascii() {
        return Some(address);
    }
    Address::new(address.user(), idna::domain_to_ascii(address.domain()).ok()?).ok()
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
