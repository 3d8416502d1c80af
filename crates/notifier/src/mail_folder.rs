//! Mails as files: one for each, in a folder. For development, and for whoever carries them from there.
//!
//! Nobody else reads them: they have addresses in them. A mail that is taken is on the disk, name and all.

use crate::mailer::{Again, Mail, Mailer, NotTaken};
use futures::future::BoxFuture;
use std::{error::Error, io, os::unix::fs::DirBuilderExt as _, path::PathBuf};
use tokio::{fs, io::AsyncWriteExt as _};
use tracing::warn;

/// Puts each mail into a folder, as `<event id>.eml`. A file is whole or not there; a mail that comes again takes its own
/// place.
#[derive(Clone, Debug)]
pub struct MailFolder {
    folder: PathBuf,
}

impl MailFolder {
    /// Mails into `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    async fn write(&self, mail: &Mail) -> io::Result<()> {
        let (half, whole) =
            (self.folder.join(format!(".{}.part", mail.id)), self.folder.join(format!("{}.eml", mail.id)));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half).await?;
        file.write_all(&mail.message).await?;
        file.sync_all().await?;
        fs::rename(half, whole).await?;
        fs::File::open(&self.folder).await?.sync_all().await
    }
}

impl Mailer for MailFolder {
    fn take<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), NotTaken>> {
        Box::pin(async {
            self.write(mail).await.map_err(|error| {
                warn!(error = &error as &dyn Error, "a mail could not be put into its folder");
                NotTaken::new("folder", Again::Later)
            })
        })
    }
}
