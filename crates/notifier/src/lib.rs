//! Sends what happened to others: signed webhooks, mails, and reminders that were asked for.
//!
//! Guarantees
//! - An event is queued in the statement that moves the notifier's checkpoint: once, whatever crashes. From then on it is
//!   owed until it is delivered, or given up after about three days, which is seen and can be asked for again.
//! - At least once: killed between sending and recording, it sends again, with the same id and the same bytes.
//! - A slow receiver delays no other: every endpoint has a queue and a bound of its own.
//! - Bookings come first: what sends has one thread, of lower priority.
//! - Nothing costs a statement for each mail or webhook: claims, look-ups and records are of hundreds at a time.
//! - Nothing is sent to a private address, however its name resolves, unless the configuration says so.
//! - History is not replayed unless somebody asks for it.
//!
//! All SQL on `webhook_*`, `mail_channel`, `mails`, `mail_fan_outs`, `mail_erasures` and `reminders` is here. Not here: who may register an endpoint (`api`), reading the
//! log in order (`projector`).

mod address;
mod background;
mod body;
mod booking_letter;
mod claims;
mod compose;
mod deliverer;
mod deliveries;
mod dispatch;
mod endpoints;
mod erasures;
mod failure_log;
mod fan_out;
mod kind;
mod ladder;
mod letter;
mod line;
mod mail_folder;
mod mailer;
mod mails;
mod notices;
mod notifier;
mod outgoing;
mod own_thread;
mod records;
mod reminders;
mod replays;
mod secret;
mod sender;
mod sent_mails;
mod show_letter;
mod smtp;
mod smtp_refusal;
mod smtp_session;
mod traffic;
mod upkeep;

pub use address::is_public;
pub use body::API_VERSION;
pub use deliverer::{DeliverConfig, Deliverer};
pub use deliveries::{
    Attempt, DELIVERIES_LIMIT_MAX, Delivery, DeliveryState, deliveries, delivery, ping, redeliver,
};
pub use endpoints::{
    ENDPOINTS_MAX, Endpoint, EndpointError, EndpointState, NewEndpoint, URL_CHARS_MAX, UrlError, check_url,
    create, delete, enable, endpoint, endpoints, rotate_secret,
};
pub use erasures::{EraseError, erase_recipient};
pub use kind::EventKind;
pub use lettre::message::Mailbox;
pub use mail_folder::MailFolder;
pub use mailer::{AddressBook, Again, Capacity, Mail, MailError, Mailer, NotTaken, Post};
pub use mails::Mails;
pub use notices::Notices;
pub use notifier::{FromPosition, NotAPlace, Notifier, NotifierParts, begin_from};
pub use reminders::{
    NewReminder, REMINDERS_WAITING_MAX, Reminder, ReminderError, ReminderState, create_reminder,
    delete_reminder, reminders, retry_reminder,
};
pub use replays::{ReplayError, queue_replays, replay};
pub use secret::{KeyTooShort, Secret, WEBHOOK_KEY_BYTES_MIN, WebhookKey};
pub use sent_mails::{FailedMail, OwedMail, failed_mails, mails_of, retry_mail};
pub use smtp::{SMTP_CONNECTIONS_DEFAULT, Smtp, SmtpUrlError};
pub use upkeep::{MailsWaiting, Upkeep, sweep, upkeep};
