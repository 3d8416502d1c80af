//! Tells others what happened: signed webhooks, and mails.
//!
//! Guarantees
//! - An event is queued in the statement that moves the notifier's checkpoint: once, whatever crashes. From then on it is
//!   owed until it is delivered, or given up after about three days, which is seen and can be asked for again.
//! - At least once: killed between sending and recording, it sends again, with the same id and the same bytes.
//! - A slow receiver delays nobody: every endpoint has a queue and a bound of its own.
//! - Nothing is sent to a private address, however its name resolves, unless the configuration says so.
//! - History is not replayed unless somebody asks for it.
//!
//! All SQL on `webhook_*`, `mail_channel` and `mails` is here. Not here: who may register an endpoint (`api`), reading the
//! log in order (`projector`).

mod address;
mod body;
mod claims;
mod deliverer;
mod deliveries;
mod endpoints;
mod kind;
mod ladder;
mod mail_folder;
mod mails;
mod notices;
mod notifier;
mod replays;
mod secret;
mod sender;
mod told;
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
pub use kind::EventKind;
pub use mail_folder::MailFolder;
pub use mails::{AddressBook, Mail, MailError, Mailer, Mails};
pub use notices::Notices;
pub use notifier::{FromPosition, NotAPlace, Notifier, NotifierParts, begin_from};
pub use replays::{ReplayError, queue_replays, replay};
pub use secret::{KeyTooShort, Secret, WEBHOOK_KEY_BYTES_MIN, WebhookKey};
pub use upkeep::{Upkeep, sweep, upkeep};
