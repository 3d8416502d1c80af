//! Carrying mails: what every carrier takes, and what it says when it did not.

use futures::future::BoxFuture;
use holdfast_domain::{Timestamp, UserId};
use lettre::{address::Envelope, message::Mailbox};
use std::{borrow::Cow, collections::HashMap, error::Error, fmt, io, sync::Arc};
use uuid::Uuid;

/// A mail, ready to be carried.
pub struct Mail {
    /// Names it: its event's id, its reminder's, or one that is made of a flight's event and a booking.
    pub id: Uuid,
    /// From whom and to whom.
    pub envelope: Envelope,
    /// The whole message (RFC 5322).
    pub message: Vec<u8>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How much a carrier is given at a time, of mails of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Groups under way at a time.
    pub groups: usize,
    /// Mails of one group at most.
    pub mails: usize,
}

/// Carries mails. One that is handed over twice has the same id and the same Message-ID.
pub trait Mailer: Send + Sync + fmt::Debug {
    /// How much it is given at a time.
    fn capacity(&self) -> Capacity;

    /// Takes a group of mails over; from here on they are owed by the carrier. One result for each mail, in their order; an
    /// error says that the mail was not taken, or that it is not known whether it was.
    fn take<'a>(&'a self, group: &'a [Mail]) -> BoxFuture<'a, Vec<Result<(), NotTaken>>>;

    /// Erases what it keeps of mails to these receivers, by hashes of their addresses, each until a time. Returns how many mails
    /// are gone; a carrier that keeps none has none.
    fn erase(&self, receivers: HashMap<String, Timestamp>) -> BoxFuture<'_, io::Result<usize>> {
        drop(receivers);
        Box::pin(async { Ok(0) })
    }
}

/// When a mail that was not taken is handed over again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Soon: the carrier is away, and it is nothing about this mail.
    Soon,
    /// Later, and ever later: the carrier put this mail off.
    Later,
    /// Never: the carrier refused its receiver for good.
    Never,
}

/// A mail was not taken over. The reason is a word of ours: what a server answers may hold addresses.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a mail was not taken over: {why}")]
pub struct NotTaken {
    /// Such as `smtp_550 5.1.1` or `connection`.
    pub why: Cow<'static, str>,
    /// What to do.
    pub again: Again,
}

impl NotTaken {
    pub(crate) fn new(why: impl Into<Cow<'static, str>>, again: Again) -> Self {
        Self { why: why.into(), again }
    }
}

/// Addresses could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("addresses could not be looked up")]
pub struct MailError(#[source] pub Box<dyn Error + Send + Sync>);

/// Knows the addresses of accounts.
pub trait AddressBook: Send + Sync + fmt::Debug {
    /// The addresses of those of these users who have an account or are guests.
    ///
    /// # Errors
    /// If it cannot be asked; it is asked again later.
    fn addresses_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashMap<UserId, String>, MailError>>;
}

/// What mails are sent with.
#[derive(Clone, Debug)]
pub struct Post {
    /// Who carries them.
    pub mailer: Arc<dyn Mailer>,
    /// Where addresses are.
    pub addresses: Arc<dyn AddressBook>,
    /// Who they are from.
    pub from: Mailbox,
}
