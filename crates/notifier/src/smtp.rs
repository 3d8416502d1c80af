//! Mails by SMTP: handed to one server, which carries them on.
//!
//! Guarantee: a mail is taken over when the server has answered 250 to all of it, and at no other time. What other answers
//! mean is in `smtp_refusal`.
//!
//! Bounds: a few connections for either kind of mail (`--smtp-connections`), kept open between mails; the caller bounds how long
//! an attempt may take.

use crate::{
    mailer::{Capacity, Mail, Mailer, NotTaken},
    smtp_session::{Failed, Server, Session},
};
use futures::future::BoxFuture;
use lettre::transport::smtp::{
    Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT,
    authentication::Credentials,
    client::{Certificate, Tls, TlsParameters},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::time::sleep;

/// Connections to the server for either kind of mail, of one notifier, unless something else is configured.
pub const SMTP_CONNECTIONS_DEFAULT: u16 = 4;
/// How long a connection is kept that nothing is sent on: shorter than servers keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How a certificate begins in PEM (RFC 7468 §5.1).
const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// The server that mails are handed to.
#[derive(Clone)]
pub struct Smtp {
    server: Arc<Server>,
    idle: Arc<Idle>,
    connections: u16,
}

/// Connections that nothing is sent on, the one used last at the end.
#[derive(Default)]
struct Idle(Mutex<IdleSessions>);

#[derive(Default)]
struct IdleSessions {
    sessions: Vec<Session>,
    /// Whether a task closes those that are idle for too long.
    is_watched: bool,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").finish_non_exhaustive()
    }
}

/// The URL names no server that mails can be handed to.
#[derive(Debug, thiserror::Error)]
pub enum SmtpUrlError {
    /// It cannot be read.
    #[error("give smtps://HOST:PORT, smtp://HOST:PORT?tls=required (STARTTLS) or smtp://HOST:PORT")]
    Form,
    /// A process list shows it.
    #[error("user and password do not belong into the URL, which others can see")]
    Credentials,
    /// The password would be sent for anybody to read.
    #[error("a password is not sent without TLS: add ?tls=required, or use smtps://")]
    Plain,
    /// An authority is trusted, and nothing is asked of it.
    #[error("an authority is for TLS: add ?tls=required, or use smtps://")]
    Untrusted,
    /// What is to be trusted is no certificate.
    #[error("the authority must be a certificate in PEM, which begins with {BEGIN_CERTIFICATE}")]
    NoAuthority,
    /// The authority cannot be read.
    #[error("the authority's certificate cannot be read")]
    Authority(#[source] Error),
}

impl SmtpUrlError {
    /// Whether it is about the authority, and not about the URL.
    #[must_use]
    pub fn is_of_the_authority(&self) -> bool {
        matches!(self, Self::NoAuthority | Self::Authority(_))
    }
}

impl Smtp {
    /// A server at `smtp://` (`?tls=required` for STARTTLS) or `smtps://`, signed in to with user and password if there are any.
    /// Its certificate must be of a public authority, or of `authority` (PEM).
    ///
    /// # Errors
    /// If the URL is not one of these, a password would be sent in the clear to another machine, or the authority is none.
    pub fn new(
        url: &str,
        credentials: Option<(String, String)>,
        authority: Option<&[u8]>,
    ) -> Result<Self, SmtpUrlError> {
        if url.contains('@') {
            return Err(SmtpUrlError::Credentials);
        }
        let parsed = reqwest::Url::parse(url).map_err(|_| SmtpUrlError::Form)?;
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or(SmtpUrlError::Form)?;
        let scheme = parsed.scheme();
        let tls = asks_for_tls(&parsed)?;
        // A host that only begins like ours makes nothing safe.
        let here = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
        if credentials.is_some() && !tls && !here {
            return Err(SmtpUrlError::Plain);
        }
        let tls = match (tls, authority) {
            (false, None) => Tls::None,
            (false, Some(_)) => return Err(SmtpUrlError::Untrusted),
            (true, authority) => {
                let parameters = parameters(host, authority)?;
                if scheme == "smtps" { Tls::Wrapper(parameters) } else { Tls::Required(parameters) }
            }
        };
        let usual = match &tls {
            Tls::Wrapper(_) => SUBMISSIONS_PORT,
            Tls::Required(_) => SUBMISSION_PORT,
            _ => SMTP_PORT,
        };
        let credentials = credentials.map(|(user, password)| Credentials::new(user, password));
        let port = parsed.port().unwrap_or(usual);
        // An IPv6 address stands in brackets in a URL alone.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server = Server { host, port, tls, credentials };
        let idle = Arc::default();
        Ok(Self { server: Arc::new(server), idle, connections: SMTP_CONNECTIONS_DEFAULT })
    }

    /// The same with so many connections for either kind of mail.
    #[must_use]
    pub fn with_connections(self, connections: u16) -> Self {
        Self { connections: connections.max(1), ..self }
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), NotTaken> {
        if let Some(mut session) = self.idle.take() {
            let handed_over = session.hand_over(mail).await;
            self.idle.keep(session);
            match handed_over {
                Ok(()) => return Ok(()),
                // The server had closed it meanwhile, and was not given the mail.
                Err(Failed { was_closed: true, .. }) => {}
                Err(Failed { not_taken, .. }) => return Err(not_taken),
            }
        }
        let mut session = Session::open(&self.server).await?;
        let handed_over = session.hand_over(mail).await;
        self.idle.keep(session);
        handed_over.map_err(|failed| failed.not_taken)
    }
}

impl Idle {
    fn with<T>(&self, work: impl FnOnce(&mut IdleSessions) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One that may still be open.
    fn take(&self) -> Option<Session> {
        let session = self.with(|idle| idle.sessions.pop());
        session.filter(|session| session.used_at.elapsed() < IDLE_MAX)
    }

    /// Keeps a session for the next mail, if it is still open.
    fn keep(self: &Arc<Self>, session: Session) {
        if !session.is_open() {
            return;
        }
        let was_watched = self.with(|idle| {
            idle.sessions.push(session);
            std::mem::replace(&mut idle.is_watched, true)
        });
        if !was_watched {
            tokio::spawn(close_idle(Arc::downgrade(self)));
        }
    }
}

/// Closes what is idle for too long, for as long as there is anything.
async fn close_idle(idle: Weak<Idle>) {
    loop {
        sleep(IDLE_MAX).await;
        let Some(idle) = idle.upgrade() else { return };
        let (old, is_empty) = idle.with(|idle| {
            let is_old = |session: &mut Session| session.used_at.elapsed() >= IDLE_MAX;
            let old: Vec<_> = idle.sessions.extract_if(.., is_old).collect();
            idle.is_watched = !idle.sessions.is_empty();
            (old, idle.sessions.is_empty())
        });
        futures::future::join_all(old.into_iter().map(Session::quit)).await;
        if is_empty {
            return;
        }
    }
}

/// Whether the connection is encrypted, by STARTTLS or from the start. A URL with anything else in it is refused: what is misspelled
/// must not be passed over, and mails go out in the clear.
fn asks_for_tls(url: &reqwest::Url) -> Result<bool, SmtpUrlError> {
    if url.port() == Some(0) || url.fragment().is_some() || !["", "/"].contains(&url.path()) {
        return Err(SmtpUrlError::Form);
    }
    let parameters: Vec<_> = url.query_pairs().collect();
    match (url.scheme(), &parameters[..]) {
        ("smtps", []) => Ok(true),
        ("smtp", []) => Ok(false),
        ("smtp", [(name, value)]) if name == "tls" && value == "required" => Ok(true),
        _ => Err(SmtpUrlError::Form),
    }
}

/// TLS with a server whose certificate is of a public authority, or of this one.
fn parameters(host: &str, authority: Option<&[u8]>) -> Result<TlsParameters, SmtpUrlError> {
    let builder = TlsParameters::builder(host.to_owned());
    let Some(authority) = authority else { return builder.build().map_err(SmtpUrlError::Authority) };
    // A file in which lettre finds no certificate would be an authority of nothing to it, and no error.
    if !authority.split(|byte| *byte == b'\n').any(|line| line.starts_with(BEGIN_CERTIFICATE.as_bytes())) {
        return Err(SmtpUrlError::NoAuthority);
    }
    let authority = Certificate::from_pem(authority).map_err(SmtpUrlError::Authority)?;
    builder.add_root_certificate(authority).build().map_err(SmtpUrlError::Authority)
}

impl Mailer for Smtp {
    fn capacity(&self) -> Capacity {
        Capacity { groups: self.connections.into(), mails: 1 }
    }

    fn take<'a>(&'a self, group: &'a [Mail]) -> BoxFuture<'a, Vec<Result<(), NotTaken>>> {
        Box::pin(async move {
            let mut results = Vec::with_capacity(group.len());
            for mail in group {
                results.push(self.hand_over(mail).await);
            }
            results
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_names_a_server_and_no_password() {
        for good in
            ["smtp://127.0.0.1:2525", "smtps://mail.example.com", "smtp://mail.example.com:587?tls=required"]
        {
            assert!(Smtp::new(good, None, None).is_ok(), "{good}");
        }
        for bad in [
            "",
            "mail.example.com:25",
            "http://x",
            "smtp://",
            "smtp://x:y",
            "smtp://x?tls=maybe",
            "smtp://x?tls=opportunistic",
            "smtp://x?tsl=required",
            "smtp://x?TLS=required",
            "smtp://x?tls=required&tls=required",
            "smtp://x?tls=required&x=1",
            "smtp://x#tls=required",
            "smtp://x/tls=required",
            "smtps://x?tls=none",
            "smtp://x:0",
        ] {
            assert!(matches!(Smtp::new(bad, None, None), Err(SmtpUrlError::Form)), "{bad}");
        }
        assert!(matches!(Smtp::new("smtp://ada:secret@x", None, None), Err(SmtpUrlError::Credentials)));
        let secret = || Some(("ada".to_owned(), "secret".to_owned()));
        assert!(matches!(Smtp::new("smtp://mail.example.com", secret(), None), Err(SmtpUrlError::Plain)));
        assert!(Smtp::new("smtp://mail.example.com?tls=required", secret(), None).is_ok());
        for elsewhere in ["smtp://localhost.example.com", "smtp://127.0.0.1.example.com:25"] {
            assert!(matches!(Smtp::new(elsewhere, secret(), None), Err(SmtpUrlError::Plain)), "{elsewhere}");
        }
        for here in ["smtp://127.0.0.1:2525", "smtp://localhost", "smtp://[::1]:25"] {
            assert!(Smtp::new(here, secret(), None).is_ok(), "{here}");
        }
    }

    #[tokio::test]
    async fn an_authority_is_a_certificate_and_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let made = holdfast_testkit::certificates(folder.path());
        let [authority, both] =
            [made.authority, made.key_and_certificate].map(|file| std::fs::read(file).unwrap());
        let with = |url, authority: &[u8]| Smtp::new(url, None, Some(authority)).map(drop);
        for url in ["smtps://x", "smtp://x?tls=required"] {
            assert!(with(url, &authority).is_ok() && with(url, &[&*authority, &authority].concat()).is_ok());
            let key = String::from_utf8_lossy(&both).replace("CERTIFICATE", "SOMETHING");
            let indented = String::from_utf8_lossy(&authority).replace("-----BEGIN", " -----BEGIN");
            for none in ["", "nothing", &key, &indented] {
                assert!(matches!(with(url, none.as_bytes()), Err(SmtpUrlError::NoAuthority)), "{none}");
            }
            let broken = format!("{BEGIN_CERTIFICATE}\nAAAA\n-----END CERTIFICATE-----\n");
            assert!(matches!(with(url, broken.as_bytes()), Err(SmtpUrlError::Authority(_))));
        }
        assert!(matches!(with("smtp://x", &authority), Err(SmtpUrlError::Untrusted)));
    }
}
