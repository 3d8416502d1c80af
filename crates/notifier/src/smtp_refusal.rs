//! What it means when an SMTP server does not take a mail: whether, and when, the mail is handed over again.
//!
//! 4xx puts the mail off (greylisting answers 450 or 451). 5xx to RCPT TO refuses the receiver for good, unless it is about
//! the session (500 and 502 to 504: what we said; 530, 534, 535 and 538: who we are), about our policy with the server (5.7.x
//! with a code beside 550 to 556) or about our sender address (5.1.7 and 5.1.8). 5xx to the content refuses the receiver where
//! the enhanced status code (RFC 3463) is about its address or mailbox: some servers look for it that late. Every other 5xx is
//! about the content, our configuration or the session, and is tried again. Recorded are the two codes, and nothing else of
//! the answer, which may hold an address. Nothing heard (refused, silent, broken off) says nothing of the mail: broken off
//! after its last line, the server may have it, and the same Message-ID lets it be dropped.

use crate::mailer::{Again, NotTaken};
use lettre::transport::smtp::Error;
use std::{error::Error as _, io};

/// What the server was answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The connection, TLS, EHLO and signing in.
    Session,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Receiver,
    /// DATA, and the mail itself.
    Content,
}

/// Answers to RCPT TO about the session: what we said, or who we are.
const ABOUT_THE_SESSION: [u16; 8] = [500, 502, 503, 504, 530, 534, 535, 538];
/// Answers to RCPT TO that refuse the receiver whatever the enhanced status code says of policy.
const ABOUT_THE_RECEIVER: std::ops::RangeInclusive<u16> = 550..=556;

/// What became of a mail that the server did not take at this step.
pub(crate) fn not_taken(step: Step, error: &Error) -> NotTaken {
    let Some(code) = error.status().map(u16::from) else {
        return NotTaken::new(unheard(error), Again::Soon);
    };
    let enhanced = error.source().and_then(|answer| Enhanced::of(code, &answer.to_string()));
    let why = match enhanced {
        Some(Enhanced { class, subject, detail }) => format!("smtp_{code} {class}.{subject}.{detail}"),
        None => format!("smtp_{code}"),
    };
    let refused = !error.is_transient() && refuses_the_receiver(step, code, enhanced);
    NotTaken::new(why, if refused { Again::Never } else { Again::Later })
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

/// Whether a 5xx at this step refuses the receiver for good.
fn refuses_the_receiver(step: Step, code: u16, enhanced: Option<Enhanced>) -> bool {
    let about = enhanced.map(|enhanced| (enhanced.subject, enhanced.detail));
    match (step, about) {
        (Step::Session | Step::Sender, _) | (_, Some((1, 7 | 8))) => false, // our sender address
        (_, Some((1, 1..) | (2, _))) => true, // the receiver's address, or its mailbox
        (Step::Content, _) => false,
        (Step::Receiver, Some((7, _))) => ABOUT_THE_RECEIVER.contains(&code),
        (Step::Receiver, _) => !ABOUT_THE_SESSION.contains(&code),
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_5xx_refuses_the_receiver_where_it_answers_to_it_or_names_it() {
        let refused = |step, code, text: &str| refuses_the_receiver(step, code, Enhanced::of(code, text));
        for (code, text) in [
            (550, ""),
            (551, "User not local"),
            (553, ""),
            (554, ""),
            (521, "no mail here"),
            (501, "bad address"),
            (550, "5.1.1"),
            (501, "5.1.3"),
            (521, "5.2.1"),
            (550, "5.7.1"),
            (503, "5.1.1"),
        ] {
            assert!(refused(Step::Receiver, code, text), "{code} {text}");
        }
        for (code, text) in
            [(500, ""), (503, ""), (504, "5.5.2"), (530, "5.7.0"), (535, ""), (550, "5.1.8"), (521, "5.7.1")]
        {
            assert!(!refused(Step::Receiver, code, text), "{code} {text}");
        }
        for step in [Step::Session, Step::Sender] {
            assert!(!refused(step, 550, "5.1.1") && !refused(step, 553, "") && !refused(step, 554, ""));
        }
        assert!(refused(Step::Content, 550, "5.1.1") && refused(Step::Content, 552, "5.2.2"));
        for (code, text) in [(550, ""), (554, "5.6.0"), (554, "5.7.1"), (552, "5.3.4")] {
            assert!(!refused(Step::Content, code, text), "{code} {text}");
        }
    }
}
