//! Mails by SMTP: handed to one server, which carries them on.
//!
//! Guarantee: a mail is taken over when the server has answered 250 to all of it, and at no other time.
//!
//! What a failure means. 4xx puts the mail off (greylisting answers 450 or 451). 5xx refuses it for good where it is about
//! this mail or its receiver (550 to 556); every other 5xx is about the session (530 and 535: who we are; 500 to 504: what
//! we said), so it is our configuration's fault and no mail's, and is tried again. 554 is both: a server may greet everybody
//! with it; whether it does is asked before a mail is given up. Nothing heard (refused, silent, broken off) says nothing of
//! the mail: broken off after its last line, the server may have it, and the same Message-ID lets it be dropped.
//!
//! Bounds: a few connections, kept open between mails; whoever calls bounds how long an attempt may take.

use crate::mailer::{Again, Mail, Mailer, NotTaken};
use futures::future::BoxFuture;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    transport::smtp::{
        Error, PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use std::{error::Error as _, fmt, io, time::Duration};

/// Connections to the server at a time, of one notifier.
const CONNECTIONS_MAX: u32 = 8;
/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// How long a connection is kept that nothing is sent on: shorter than servers keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Answers that refuse this mail or its receiver for good.
const ABOUT_THE_MAIL: std::ops::RangeInclusive<u16> = 550..=556;

/// The server that mails are handed to.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
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
    /// The authority cannot be read.
    #[error("the authority must be a certificate in PEM")]
    Authority(#[source] Error),
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
        let parsed = reqwest::Url::parse(url).map_err(|_| SmtpUrlError::Form)?;
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or(SmtpUrlError::Form)?;
        let scheme = parsed.scheme();
        if !["smtp", "smtps"].contains(&scheme) {
            return Err(SmtpUrlError::Form);
        }
        if url.contains('@') {
            return Err(SmtpUrlError::Credentials);
        }
        // As lettre reads it: the words elsewhere in the URL, or a host that only begins like ours, make nothing safe.
        let asked = parsed.query_pairs().find(|(key, _)| key == "tls");
        let tls = scheme == "smtps" || asked.is_some_and(|(_, value)| value == "required");
        let here = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
        if credentials.is_some() && !tls && !here {
            return Err(SmtpUrlError::Plain);
        }
        let pool = PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(IDLE_MAX);
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| SmtpUrlError::Form)?;
        let builder = builder.timeout(Some(CONNECT_MAX)).pool_config(pool);
        let builder = match authority {
            Some(_) if !tls => return Err(SmtpUrlError::Untrusted),
            Some(authority) if scheme == "smtps" => builder.tls(Tls::Wrapper(trusting(host, authority)?)),
            Some(authority) => builder.tls(Tls::Required(trusting(host, authority)?)),
            None => builder,
        };
        let builder = match credentials {
            Some((user, password)) => builder.credentials(Credentials::new(user, password)),
            None => builder,
        };
        Ok(Self { transport: builder.build() })
    }

    /// What became of a mail that the server did not say 250 to.
    async fn not_taken(&self, error: Error) -> NotTaken {
        let Some(code) = error.status().map(u16::from) else {
            return NotTaken::new(unheard(&error), Again::Soon);
        };
        let why = format!("smtp_{code}");
        if error.is_transient() {
            return NotTaken::new(why, Again::Later);
        }
        let refused =
            ABOUT_THE_MAIL.contains(&code) && matches!(self.transport.test_connection().await, Ok(true));
        NotTaken::new(why, if refused { Again::Never } else { Again::Later })
    }
}

/// Why the server was not heard, in a word.
fn unheard(error: &Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_client() {
        "unsupported" // STARTTLS, or each way to sign in that we know
    } else if error.is_tls() || is_of_tls(error) {
        "tls"
    } else {
        "connection"
    }
}

/// A handshake that failed comes as one of reading: what was read makes no sense, or is not trusted.
fn is_of_tls(error: &Error) -> bool {
    let sources = std::iter::successors(error.source(), |&error| error.source());
    let mut of_reading = sources.filter_map(|source| source.downcast_ref::<io::Error>());
    of_reading.any(|error| error.kind() == io::ErrorKind::InvalidData)
}

/// TLS with a server whose certificate may be of this authority, too.
fn trusting(host: &str, authority: &[u8]) -> Result<TlsParameters, SmtpUrlError> {
    let authority = Certificate::from_pem(authority).map_err(SmtpUrlError::Authority)?;
    TlsParameters::builder(host.to_owned())
        .add_root_certificate(authority)
        .build()
        .map_err(SmtpUrlError::Authority)
}

impl Mailer for Smtp {
    fn take<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), NotTaken>> {
        Box::pin(async {
            match self.transport.send_raw(&mail.envelope, &mail.message).await {
                Ok(_) => Ok(()),
                Err(error) => Err(self.not_taken(error).await),
            }
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
        for bad in ["", "mail.example.com:25", "http://x", "smtp://", "smtp://x:y", "smtp://x?tls=maybe"] {
            assert!(matches!(Smtp::new(bad, None, None), Err(SmtpUrlError::Form)), "{bad}");
        }
        assert!(matches!(Smtp::new("smtp://ada:secret@x", None, None), Err(SmtpUrlError::Credentials)));
        let secret = || Some(("ada".to_owned(), "secret".to_owned()));
        assert!(matches!(Smtp::new("smtp://mail.example.com", secret(), None), Err(SmtpUrlError::Plain)));
        assert!(Smtp::new("smtp://mail.example.com?tls=required", secret(), None).is_ok());
        for elsewhere in [
            "smtp://localhost.example.com",
            "smtp://127.0.0.1.example.com:25",
            "smtp://mail.example.com/tls=required",
            "smtp://mail.example.com?x=1#tls=required",
        ] {
            assert!(Smtp::new(elsewhere, secret(), None).is_err(), "{elsewhere}");
        }
        for here in ["smtp://127.0.0.1:2525", "smtp://localhost", "smtp://[::1]:25"] {
            assert!(Smtp::new(here, secret(), None).is_ok(), "{here}");
        }
    }
}
