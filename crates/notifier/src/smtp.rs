//! Mails by SMTP: handed to one server, which carries them on.
//!
//! Guarantee: a mail is taken over when the server has answered 250 to all of it, and at no other time.
//!
//! What a failure means. 4xx puts the mail off (greylisting answers 450 or 451). 5xx refuses it for good where it is about
//! this mail or its receiver: 550 to 556, or an enhanced status code (RFC 3463) about the receiver's address or mailbox.
//! Every other 5xx is about the session (530 and 535: who we are; 500 to 504: what we said) or about our sender address, so it
//! is our configuration's fault and no mail's, and is tried again. 554 is both: a server may greet everybody
//! with it; whether it does is asked before a mail is given up. Recorded are the two codes, and nothing else of the answer,
//! which may hold an address. Nothing heard (refused, silent, broken off) says nothing of
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

/// How a certificate begins in PEM (RFC 7468 §5.1).
const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

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
        let enhanced = error.source().and_then(|answer| Enhanced::of(code, &answer.to_string()));
        let why = match enhanced {
            Some(Enhanced { class, subject, detail }) => format!("smtp_{code} {class}.{subject}.{detail}"),
            None => format!("smtp_{code}"),
        };
        if error.is_transient() {
            return NotTaken::new(why, Again::Later);
        }
        let refused =
            is_about_the_mail(code, enhanced) && matches!(self.transport.test_connection().await, Ok(true));
        NotTaken::new(why, if refused { Again::Never } else { Again::Later })
    }
}

/// An enhanced mail system status code (RFC 3463): what an answer begins with, of a server that has them (RFC 2034).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Enhanced {
    class: u16,
    subject: u16,
    detail: u16,
}

impl Enhanced {
    /// None: the answer to `code` begins with none, or with one that contradicts `code`.
    fn of(code: u16, answer: &str) -> Option<Self> {
        let number = |digits: &str| {
            let short = (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            short.then(|| digits.parse::<u16>().ok()).flatten()
        };
        let mut numbers = answer.split_whitespace().next()?.split('.').map(number);
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && class == code / 100).then_some(Self { class, subject, detail })
    }
}

/// Whether a 5xx refuses this mail or its receiver, and not the session.
fn is_about_the_mail(code: u16, enhanced: Option<Enhanced>) -> bool {
    match enhanced.map(|enhanced| (enhanced.subject, enhanced.detail)) {
        Some((1, 7 | 8)) => false,       // our sender address
        Some((1, 1..) | (2, _)) => true, // the receiver's address, or its mailbox
        _ => ABOUT_THE_MAIL.contains(&code),
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

/// TLS with a server whose certificate may be of this authority, too.
fn trusting(host: &str, authority: &[u8]) -> Result<TlsParameters, SmtpUrlError> {
    // A file in which lettre finds no certificate would be an authority of nothing to it, and no error.
    if !authority.split(|byte| *byte == b'\n').any(|line| line.starts_with(BEGIN_CERTIFICATE.as_bytes())) {
        return Err(SmtpUrlError::NoAuthority);
    }
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

    #[test]
    fn an_enhanced_status_code_is_a_whole_word_of_the_codes_class() {
        let enhanced = |class, subject, detail| Some(Enhanced { class, subject, detail });
        assert_eq!(Enhanced::of(550, "5.1.1 <ada@example.org>: no such user"), enhanced(5, 1, 1));
        assert_eq!(Enhanced::of(451, "4.7.1"), enhanced(4, 7, 1));
        for none in [
            "",
            "no such user",
            "4.2.2 full",
            "5.1",
            "5.1.1.1 x",
            "5.1.1111 x",
            "5.+1.1 x",
            "5.1.1<ada@example.org>",
        ] {
            assert_eq!(Enhanced::of(550, none), None, "{none}");
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
