//! One attempt: a POST, and what came of it.
//!
//! Guarantee: it ends within the configured time, connection, answer and its body included; it follows no redirect, uses
//! no proxy, and connects to no private address.

use crate::address::{NoSuchName, PrivateAddress, PublicOnly, is_public, literal};
use chrono::{DateTime, TimeDelta};
use holdfast_domain::Timestamp;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect::Policy,
};
use std::{error::Error, sync::Arc, time::Duration};
use uuid::Uuid;

/// Bytes of an answer's body that are read, so that the connection can be used again; nobody looks at them.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Connections that are kept open to one receiver: as many as there are attempts under way.
const IDLE_PER_HOST_MAX: usize = crate::deliverer::IN_FLIGHT_PER_ENDPOINT_MAX;
/// How long an idle one is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Who we say we are.
const USER_AGENT: &str = concat!("holdfast/", env!("CARGO_PKG_VERSION"));

/// The words for what we did not even try, by our own fault: the endpoint was made with another webhook key than ours.
pub(crate) const OTHER_KEY: &str = "other_key";
/// The event has no body that this build could make.
pub(crate) const UNREADABLE: &str = "unreadable";

/// Sends webhooks.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    client: Client,
    allow_private: bool,
}

/// What is sent.
pub(crate) struct Webhook {
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) signatures: String,
    pub(crate) body: Vec<u8>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer.
    Answered {
        status: u16,
        /// How long the receiver wants to be left alone.
        retry_after: Option<TimeDelta>,
    },
    /// None, and why, as a word.
    Failed(&'static str),
}

impl Outcome {
    /// Whether the receiver has it.
    pub(crate) fn is_delivered(&self) -> bool {
        matches!(self, Self::Answered { status: 200..300, .. })
    }

    /// Whether the receiver wants nothing any more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Answered { status, .. } if *status == StatusCode::GONE.as_u16())
    }
}

impl Sender {
    pub(crate) fn new(answer_max: Duration, allow_private: bool) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(answer_max)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_MAX)
            .user_agent(USER_AGENT)
            .https_only(!allow_private);
        let client = if allow_private { client } else { client.dns_resolver(Arc::new(PublicOnly)) };
        Ok(Self { client: client.build()?, allow_private })
    }

    pub(crate) async fn send(&self, url: &str, webhook: Webhook, now: Timestamp) -> Outcome {
        let Ok(url) = Url::parse(url) else { return Outcome::Failed("url") };
        if !self.allow_private && literal(&url).is_some_and(|address| !is_public(address)) {
            return Outcome::Failed("private_address");
        }
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("Webhook-Id", webhook.id.to_string())
            .header("Webhook-Timestamp", webhook.at.timestamp())
            .header("Webhook-Signature", webhook.signatures)
            .body(webhook.body);
        match request.send().await {
            Ok(response) => answered(response, now).await,
            Err(error) => Outcome::Failed(why(&error)),
        }
    }
}

async fn answered(mut response: Response, now: Timestamp) -> Outcome {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| pause(text, now));
    let mut read = 0;
    // The status is what counts; a body that breaks off costs the connection.
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER_BYTES_MAX {
            break;
        }
    }
    Outcome::Answered { status, retry_after }
}

/// `Retry-After`: seconds, or a date.
fn pause(text: &str, now: Timestamp) -> Option<TimeDelta> {
    let pause = match text.trim().parse::<u32>() {
        Ok(seconds) => TimeDelta::seconds(seconds.into()),
        Err(_) => DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now,
    };
    (pause > TimeDelta::zero()).then_some(pause)
}

/// Why there was no answer, as a word.
fn why(error: &reqwest::Error) -> &'static str {
    let (mut is_private, mut is_no_name, mut cause) = (false, false, error.source());
    while let Some(error) = cause {
        is_private |= error.is::<PrivateAddress>();
        is_no_name |= error.is::<NoSuchName>();
        cause = error.source();
    }
    if is_private {
        "private_address"
    } else if is_no_name {
        "name"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else if error.is_builder() {
        "url"
    } else {
        "broken"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_by_date() {
        let now = "2026-05-01T12:00:00Z".parse().unwrap();
        assert_eq!(pause("120", now), Some(TimeDelta::seconds(120)));
        assert_eq!(pause("Fri, 01 May 2026 12:01:00 GMT", now), Some(TimeDelta::seconds(60)));
        for none in ["", "0", "-5", "soon", "Fri, 01 May 2026 11:00:00 GMT", "99999999999999999999"] {
            assert_eq!(pause(none, now), None, "{none}");
        }
    }

    #[test]
    fn only_2xx_is_delivered_and_only_410_is_gone() {
        let answered = |status| Outcome::Answered { status, retry_after: None };
        for (status, delivered) in
            [(200, true), (204, true), (299, true), (301, false), (404, false), (500, false)]
        {
            assert_eq!(answered(status).is_delivered(), delivered, "{status}");
        }
        assert!(answered(410).is_gone() && !answered(404).is_gone() && !Outcome::Failed("timeout").is_gone());
    }
}
