//! What a mail says, and how it is put: one frame for all, as text and as HTML.
//!
//! Guarantee: names and a reminder's words are text wherever they stand. In HTML they are escaped; in a header a line break
//! or another control character is a blank, and the rest is encoded; so nobody's words become markup, headers or receivers.

use crate::mailer::Mail;
use holdfast_domain::{Subject, Timestamp};
use lettre::{
    Address, Message,
    message::{Mailbox, MultiPart},
};
use std::error::Error;
use uuid::Uuid;

/// The channel in a Message-ID: the same event may be told in other ways too.
const CHANNEL: &str = "mail";

/// What somebody is told.
#[derive(Debug)]
pub(crate) struct Letter {
    /// Its subject.
    pub(crate) subject: String,
    /// What happened, in paragraphs.
    pub(crate) paragraphs: Vec<String>,
    /// What is to be known about it: what it is, and its value.
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Letter {
    /// The mail: `id` and what it is sent from make its Message-ID, so the same letter has the same one.
    pub(crate) fn mail(
        &self,
        id: Uuid,
        from: &Mailbox,
        to: Address,
        date: Timestamp,
    ) -> Result<Mail, Box<dyn Error + Send + Sync>> {
        let message_id = format!("<{id}.{CHANNEL}@{}>", from.email.domain());
        let message = Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&self.subject))
            .message_id(Some(message_id))
            // A header cannot name an earlier date; a reminder may be asked for any.
            .date(date.max(Timestamp::UNIX_EPOCH).into())
            .multipart(MultiPart::alternative_plain_html(self.text(), self.html()))?;
        Ok(Mail { id, envelope: message.envelope().clone(), message: message.formatted() })
    }

    fn text(&self) -> String {
        let paragraphs = self.paragraphs.join("\n\n");
        let facts: String = self.facts.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        // Each CR and each LF ends in CRLF: RFC 5321 §2.3.8 allows neither alone.
        let lines = format!("{paragraphs}\n\n{facts}").replace("\r\n", "\n").replace('\r', "\n");
        lines.trim_end().replace('\n', "\r\n") + "\r\n"
    }

    fn html(&self) -> String {
        let paragraphs: String =
            self.paragraphs.iter().map(|text| format!("<p>{}</p>\n", escaped(text))).collect();
        let facts: String = self
            .facts
            .iter()
            .map(|(name, value)| format!("<tr><td>{name}</td><td>{}</td></tr>\n", escaped(value)))
            .collect();
        let facts = if facts.is_empty() { facts } else { format!("<table>\n{facts}</table>\n") };
        let title = escaped(&self.subject);
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body>\n{paragraphs}{facts}</body></html>\n"
        )
    }
}

/// What seats are of, in a sentence.
pub(crate) fn name_of(subject: &Subject) -> String {
    match subject {
        Subject::Show { name, .. } => one_line(name),
        Subject::Flight(flight) => format!("flight {}", one_line(&flight.number)),
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c }).collect()
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push_str("<br>\n"),
            c if c.is_control() => html.push(' '),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail_of(subject: &str, text: &str) -> String {
        let letter = Letter {
            subject: subject.to_owned(),
            paragraphs: vec![text.to_owned()],
            facts: vec![("For", text.to_owned())],
        };
        let from = "Holdfast <bookings@example.com>".parse().unwrap();
        let mail =
            letter.mail(Uuid::from_u128(7), &from, "ada@example.org".parse().unwrap(), Timestamp::UNIX_EPOCH);
        String::from_utf8(mail.unwrap().message).unwrap()
    }

    #[test]
    fn markup_in_a_name_is_text() {
        let html = Letter {
            subject: "<b>".to_owned(),
            paragraphs: vec!["<script>alert('x')</script> & \"y\"".to_owned()],
            facts: vec![("Show", "</td><img src=x>".to_owned())],
        }
        .html();
        for markup in ["<script", "<img", "<b>", "'x'"] {
            assert!(!html.contains(markup), "{html}");
        }
        assert!(
            html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"),
            "{html}"
        );
    }

    #[test]
    fn no_cr_leaves_without_its_lf() {
        for text in ["a\r.\r\nb", "\r", "a\r\rb\n\r", "ü\r.\rü\r\n"] {
            let mail = mail_of(text, text);
            let without_pairs = mail.replace("\r\n", "");
            assert!(!without_pairs.contains('\r') && !without_pairs.contains('\n'), "{text:?}: {mail:?}");
        }
    }

    #[test]
    fn a_subject_adds_no_header_and_a_text_no_part() {
        let mail = mail_of("Hello\r\nBcc: eve@example.org\u{2028}X: y\0", "one\r\n.\r\ntwo");
        let headers = mail.split("\r\n\r\n").next().unwrap();
        assert!(!headers.contains("\r\nBcc") && !headers.contains("\r\nX:"), "{headers}");
        assert!(
            headers.contains("Message-ID: <00000000-0000-0000-0000-000000000007.mail@example.com>"),
            "{headers}"
        );
        assert!(
            mail.contains("multipart/alternative")
                && mail.contains("text/plain")
                && mail.contains("text/html")
        );
    }
}
