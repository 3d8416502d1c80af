//! A connection to an SMTP server, kept open from mail to mail.
//!
//! Guarantee: a mail is handed over when the server has answered 250 to all of it, and at no other time.
//!
//! Shape: MAIL FROM, RCPT TO and DATA go out together where the server offers PIPELINING (RFC 2920), else one by one; then
//! the mail, in one write. So a mail costs two round trips or four.

use crate::{
    mailer::{Again, Mail, NotTaken},
    smtp_refusal::{Step, not_taken},
};
use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, Tls},
    commands::{Data, Ehlo, Mail as MailFrom, Rcpt, Rset},
    extension::{ClientId, Extension, MailBodyParameter, MailParameter},
};
use std::{fmt, iter, time::Duration};
use tokio::time::{Instant, timeout};

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// How long the server may take to say goodbye.
const QUIT_MAX: Duration = Duration::from_secs(1);
/// The service closes the connection, whatever it was asked (RFC 5321 §3.8).
const CLOSING: u16 = 421;

/// Where the server is, and who we are to it.
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    pub(crate) credentials: Option<Credentials>,
}

/// An open connection.
pub(crate) struct Session {
    connection: AsyncSmtpConnection,
    pipelines: bool,
    is_open: bool,
    pub(crate) used_at: Instant,
}

/// A mail was not taken.
pub(crate) struct Failed {
    pub(crate) not_taken: NotTaken,
    /// The server had closed the connection before it was given the mail: on another one it may take it.
    pub(crate) was_closed: bool,
}

/// A command with its end of line, and the step that it is.
type Command = (Step, String);

/// A message as it goes over the line: each line that begins with a dot has one more (RFC 5321 §4.5.2), and a dot ends it.
struct Content<'a>(&'a str);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.split("\r\n.");
        if self.0.starts_with('.') {
            f.write_str(".")?;
        }
        f.write_str(lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, "\r\n..{line}"))?;
        f.write_str(if self.0.ends_with("\r\n") { ".\r\n" } else { "\r\n.\r\n" })
    }
}

impl Session {
    /// Connects, and signs in where that is configured.
    pub(crate) async fn open(server: &Server) -> Result<Self, NotTaken> {
        Self::connect(server).await.map_err(|error| not_taken(Step::Session, &error))
    }

    async fn connect(server: &Server) -> Result<Self, Error> {
        let (hello, address) = (ClientId::default(), (server.host.as_str(), server.port));
        let from_the_start = match &server.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT_MAX), &hello, from_the_start, None);
        let mut connection = connecting.await?;
        if let Tls::Required(parameters) = &server.tls {
            connection.starttls(parameters.clone(), &hello).await?;
        }
        // The library keeps no extension that it does not use itself.
        let offers = connection.command(Ehlo::new(hello)).await?;
        let pipelines = offers.message().any(|line| line.trim().eq_ignore_ascii_case("PIPELINING"));
        if let Some(credentials) = &server.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(Self { connection, pipelines, is_open: true, used_at: Instant::now() })
    }

    /// Whether another mail can be handed over.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Hands a mail over.
    pub(crate) async fn hand_over(&mut self, mail: &Mail) -> Result<(), Failed> {
        let Some(parameters) = self.parameters(mail) else {
            let not_taken = NotTaken::new("unsupported", Again::Soon);
            return Err(Failed { not_taken, was_closed: false });
        };
        let handed_over = match self.envelope(mail, parameters).await {
            Ok(()) => self.content(mail).await.map_err(|error| (Step::Content, error, true)),
            Err((step, error)) => Err((step, error, false)),
        };
        self.used_at = Instant::now();
        let Err((step, error, begun)) = handed_over else { return Ok(()) };
        let code = error.status().map(u16::from);
        let is_closed = matches!(code, None | Some(CLOSING));
        self.is_open &= !is_closed;
        if self.is_open && !begun {
            // What was accepted of the envelope is taken back.
            self.is_open = self.connection.command(Rset).await.is_ok();
        }
        Err(Failed { not_taken: not_taken(step, &error), was_closed: is_closed && !begun })
    }

    /// What is said of the mail with its sender; none: the server does not know what it needs.
    fn parameters(&self, mail: &Mail) -> Option<Vec<MailParameter>> {
        let offers = |extension| self.connection.server_info().supports_feature(extension);
        let mut parameters = vec![];
        let addresses = mail.envelope.from().into_iter().chain(mail.envelope.to());
        if !addresses.into_iter().all(|address| AsRef::<str>::as_ref(address).is_ascii()) {
            offers(Extension::SmtpUtfEight).then(|| parameters.push(MailParameter::SmtpUtfEight))?;
        }
        if !mail.message.is_ascii() {
            let body = MailParameter::Body(MailBodyParameter::EightBitMime);
            offers(Extension::EightBitMime).then(|| parameters.push(body))?;
        }
        Some(parameters)
    }

    /// Says from whom and to whom a mail is, and that it comes.
    async fn envelope(&mut self, mail: &Mail, parameters: Vec<MailParameter>) -> Result<(), (Step, Error)> {
        let from = MailFrom::new(mail.envelope.from().cloned(), parameters);
        let to = mail.envelope.to().iter();
        let to = to.map(|to| (Step::Receiver, Rcpt::new(to.clone(), vec![]).to_string()));
        let (first, last) = ((Step::Sender, from.to_string()), (Step::Content, Data.to_string()));
        let commands: Vec<Command> = iter::once(first).chain(to).chain([last]).collect();
        if self.pipelines {
            return self.pipelined(commands).await;
        }
        for (step, command) in commands {
            self.connection.command(command).await.map_err(|error| (step, error))?;
        }
        Ok(())
    }

    /// Writes all commands, then reads an answer to each.
    async fn pipelined(&mut self, commands: Vec<Command>) -> Result<(), (Step, Error)> {
        let (steps, commands): (Vec<_>, Vec<_>) = commands.into_iter().unzip();
        let mut answer = self.connection.command(commands.concat()).await;
        let mut failed = None;
        let mut steps = steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            let is_last = steps.peek().is_none();
            match answer {
                // It waits for a mail although the envelope failed; it gets none.
                Ok(_) => self.is_open &= !(is_last && failed.is_some()),
                Err(error) if error.status().is_none() => {
                    self.is_open = false;
                    return Err(failed.unwrap_or((step, error)));
                }
                Err(error) => failed = failed.or(Some((step, error))),
            }
            if is_last {
                break;
            }
            answer = self.connection.read_response().await;
        }
        failed.map_or(Ok(()), Err)
    }

    async fn content(&mut self, mail: &Mail) -> Result<(), Error> {
        match std::str::from_utf8(&mail.message) {
            Ok(text) => self.connection.command(Content(text)).await.map(drop),
            Err(_) => self.connection.message(&mail.message).await.map(drop),
        }
    }

    /// Says goodbye.
    pub(crate) async fn quit(mut self) {
        let _: Result<(), _> = timeout(QUIT_MAX, self.connection.abort()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_begins_with_a_dot_gets_another_and_a_dot_ends_the_mail() {
        for (message, sent) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".a\r\n.\r\nb\r\n..c\r\n", "..a\r\n..\r\nb\r\n...c\r\n.\r\n"),
            ("\r\n.\r\n.\r\n", "\r\n..\r\n..\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ] {
            assert_eq!(Content(message).to_string(), sent, "{message:?}");
        }
    }
}
