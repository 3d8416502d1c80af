//! `holdfast health URL`: asks a process how it is. For health checks of containers, which have no shell and no curl.

use crate::out;
use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, Response, redirect::Policy};
use std::time::Duration;

/// How long the answer may take; who does not answer for so long is not well.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// As much as is shown of an answer that is not 2xx.
const REASON_BYTES_MAX: usize = 1_000;

pub(crate) async fn run(url: &str) -> anyhow::Result<()> {
    ensure!(
        url.starts_with("http://"),
        "{url:?} is not the URL of a health page, such as http://127.0.0.1:8080/health/ready"
    );
    // What the environment says about proxies is not meant for a question to oneself.
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(ANSWER_MAX).build()?;
    let mut answer = client
        .get(url)
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    if !status.is_success() {
        bail!("{url} answers {status}: {}", beginning(&mut answer).await);
    }
    out::line(format_args!("{url} answers {status}"));
    Ok(())
}

/// The first bytes of an answer, in one line.
async fn beginning(answer: &mut Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < REASON_BYTES_MAX {
        let Ok(Some(chunk)) = answer.chunk().await else { break };
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(REASON_BYTES_MAX);
    let text = String::from_utf8_lossy(&bytes);
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
