//! What a notifier needs of this process: its key, its mails' folder, and the addresses, which only the accounts know.

use crate::config::{MailOut, Webhooks};
use crate::roles::up::{SECRET_BYTES, random_hex};
use crate::secrets;
use anyhow::{Context as _, bail};
use futures::future::BoxFuture;
use holdfast_ambient::Machine;
use holdfast_api::users;
use holdfast_cluster::DataFolder;
use holdfast_domain::UserId;
use holdfast_notifier::{
    AddressBook, DeliverConfig, MailError, MailFolder, Mailbox, Mailer, NotifierParts, Post, Smtp,
    WEBHOOK_KEY_BYTES_MIN, WebhookKey,
};
use sqlx::PgPool;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tracing::info;

/// The notifiers' consumer group: they share the topic's partitions.
pub(crate) const GROUP: &str = "holdfast.notify";
/// Environment name of the key itself; it is not a flag, so that no process list shows it.
const WEBHOOK_KEY: &str = "HOLDFAST_WEBHOOK_KEY";
/// Environment name of the SMTP password; it is not a flag, for the same reason.
const SMTP_PASSWORD: &str = "HOLDFAST_SMTP_PASSWORD";
/// Folder of mails in a data folder, where no SMTP server is configured.
pub(crate) const MAIL_FOLDER: &str = "mail";
/// File of the key in a data folder.
pub(crate) const KEY_FILE: &str = "webhook-key";

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
        let key = secrets::read("the webhook key", file)?;
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

/// The way that mails go, and who they are from.
pub(crate) struct MailWay {
    mailer: Option<Arc<dyn Mailer>>,
    from: Mailbox,
    /// What happens to mails, after "holdfast …"; empty if there is no way.
    pub(crate) what: String,
}

/// The way for mails, if there is one: by SMTP where a server is named, else into a folder. It needs nothing that takes long to set
/// up, so that what is wrong with it is told first.
pub(crate) fn mail_way(mails: &MailOut, folder: Option<&Path>) -> anyhow::Result<MailWay> {
    let (mailer, what): (Option<Arc<dyn Mailer>>, _) =
        match (&mails.smtp_url, mails.mail_folder.as_deref().or(folder)) {
            (Some(url), _) => {
                let authority = authority(mails)?;
                let smtp = Smtp::new(url, credentials(mails)?, authority.as_deref()).map_err(|error| {
                    let of_the_file = mails.smtp_ca_file.as_ref().filter(|_| error.is_of_the_authority());
                    let setting = of_the_file.map(|file| format!("--smtp-ca-file {}", file.display()));
                    anyhow::Error::new(error).context(setting.unwrap_or_else(|| "--smtp-url".to_owned()))
                })?;
                info!("mails go out by SMTP");
                let smtp = smtp.with_connections(mails.smtp_connections);
                (Some(Arc::new(smtp)), ", and sends mails by SMTP".to_owned())
            }
            (None, Some(folder)) => {
                let mailer = MailFolder::open(folder.to_owned())
                    .with_context(|| format!("no mails can be put into {}", folder.display()))?;
                info!("mails are put into {}: no SMTP server is configured", folder.display());
                (Some(Arc::new(mailer)), format!(", and puts mails into {}", folder.display()))
            }
            (None, None) => (None, String::new()),
        };
    Ok(MailWay { mailer, from: mails.mail_from.clone(), what })
}

/// A notifier's parts, with mails if there is a way for them.
pub(crate) fn parts(pool: &PgPool, key: WebhookKey, allow_private: bool, mails: MailWay) -> NotifierParts {
    let MailWay { mailer, from, .. } = mails;
    let post = |mailer| Post { mailer, addresses: Arc::new(Accounts(pool.clone())), from };
    let deliver = DeliverConfig { allow_private, ..DeliverConfig::default() };
    NotifierParts { ambient: Arc::new(Machine), key, deliver, mail: mailer.map(post) }
}

/// Who we are to the SMTP server, if it wants to know.
fn credentials(mails: &MailOut) -> anyhow::Result<Option<(String, String)>> {
    let Some(user) = &mails.smtp_user else { return Ok(None) };
    let password = match (&mails.smtp_password_file, std::env::var(SMTP_PASSWORD)) {
        (Some(file), _) => secrets::read("the SMTP password", file)?.trim_end().to_owned(),
        (None, Ok(password)) => password,
        (None, Err(_)) => {
            bail!("--smtp-user needs --smtp-password-file, or {SMTP_PASSWORD} in the environment")
        }
    };
    Ok(Some((user.clone(), password)))
}

/// Whose certificate the SMTP server may have besides those of the public authorities.
fn authority(mails: &MailOut) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(file) = &mails.smtp_ca_file else { return Ok(None) };
    let read = std::fs::read(file);
    read.map(Some).with_context(|| format!("--smtp-ca-file could not be read: {}", file.display()))
}

/// The accounts, as an address book.
#[derive(Debug)]
struct Accounts(PgPool);

impl AddressBook for Accounts {
    fn addresses_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashMap<UserId, String>, MailError>> {
        Box::pin(async move {
            users::addresses_of(&self.0, &users).await.map_err(|error| MailError(Box::new(error)))
        })
    }
}
