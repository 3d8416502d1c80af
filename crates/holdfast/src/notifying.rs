//! What a notifier needs of this process: its key, its mails' folder, and the addresses, which only the accounts know.

use crate::config::Webhooks;
use crate::roles::up::{SECRET_BYTES, random_hex};
use anyhow::{Context as _, bail};
use futures::future::BoxFuture;
use holdfast_ambient::Machine;
use holdfast_api::users;
use holdfast_cluster::DataFolder;
use holdfast_domain::UserId;
use holdfast_notifier::{
    AddressBook, DeliverConfig, MailError, MailFolder, Mailer, NotifierParts, WEBHOOK_KEY_BYTES_MIN,
    WebhookKey,
};
use sqlx::PgPool;
use std::path::Path;
use std::sync::Arc;

/// The notifiers' consumer group: they share the topic's partitions.
pub(crate) const GROUP: &str = "holdfast.notify";
/// Environment name of the key itself; it is not a flag, so that no process list shows it.
const WEBHOOK_KEY: &str = "HOLDFAST_WEBHOOK_KEY";
/// File of the key in a data folder.
const KEY_FILE: &str = "webhook-key";

/// The key of webhook secrets: the given one, or that of our data folder, which is made if it is missing.
pub(crate) fn key(webhooks: &Webhooks, folder: Option<&DataFolder>) -> anyhow::Result<WebhookKey> {
    match folder {
        Some(folder) if !is_given(webhooks) => {
            let file = folder.secret_file(KEY_FILE, || random_hex(SECRET_BYTES))?;
            Ok(WebhookKey::new(file.content)?)
        }
        _ => key_in(webhooks, None),
    }
}

fn is_given(webhooks: &Webhooks) -> bool {
    webhooks.webhook_key_file.is_some() || std::env::var_os(WEBHOOK_KEY).is_some()
}

/// The key that is given, or that lies in the data folder at this path.
pub(crate) fn key_in(webhooks: &Webhooks, folder: Option<&Path>) -> anyhow::Result<WebhookKey> {
    let read = |file: &Path| {
        let key = std::fs::read_to_string(file)
            .with_context(|| format!("the webhook key could not be read from {}", file.display()))?;
        anyhow::Ok(key.trim_end().to_owned())
    };
    let key = match (&webhooks.webhook_key_file, std::env::var(WEBHOOK_KEY), folder) {
        (Some(file), _, _) => read(file)?,
        (None, Ok(key), _) => key,
        (None, Err(_), Some(folder)) => read(&folder.join(KEY_FILE)).context("`holdfast up` makes it")?,
        (None, Err(_), None) => bail!(
            "webhooks need a key of at least {WEBHOOK_KEY_BYTES_MIN} bytes: give --webhook-key-file, or {WEBHOOK_KEY} in \
             the environment"
        ),
    };
    Ok(WebhookKey::new(key)?)
}

/// A notifier's parts, with mails if there is a folder for them.
pub(crate) fn parts(
    pool: &PgPool,
    key: WebhookKey,
    allow_private: bool,
    mail_folder: Option<&Path>,
) -> anyhow::Result<NotifierParts> {
    let mail = match mail_folder {
        None => None,
        Some(folder) => {
            let mailer = MailFolder::open(folder.to_owned())
                .with_context(|| format!("no mails can be put into {}", folder.display()))?;
            let (mailer, addresses): (Arc<dyn Mailer>, Arc<dyn AddressBook>) =
                (Arc::new(mailer), Arc::new(Accounts(pool.clone())));
            Some((mailer, addresses))
        }
    };
    let deliver = DeliverConfig { allow_private, ..DeliverConfig::default() };
    Ok(NotifierParts { ambient: Arc::new(Machine), key, deliver, mail })
}

/// The accounts, as an address book.
#[derive(Debug)]
struct Accounts(PgPool);

impl AddressBook for Accounts {
    fn address_of(&self, user: UserId) -> BoxFuture<'_, Result<Option<String>, MailError>> {
        Box::pin(async move {
            let found = users::find_by_id(&self.0, user).await.map_err(|error| MailError(Box::new(error)))?;
            Ok(found.map(|user| user.email))
        })
    }
}
