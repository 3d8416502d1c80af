//! Logs of the process: lines on standard error, and the security log where it is asked for.
//!
//! The security log is written by a thread of its own (`lines`): no request waits for a disk.

mod lines;

use crate::config::{LogFormat, SecurityLogTo};
use anyhow::Context as _;
use holdfast_api::SECURITY_TARGET;
pub(crate) use lines::SecurityLog;
use std::io::IsTerminal as _;
use std::str::FromStr as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts both. Returned is the security log that has lines of its own; it is finished at the end of the process.
pub(crate) fn start(
    filter: &str,
    format: LogFormat,
    security_log: Option<&SecurityLogTo>,
) -> anyhow::Result<Option<SecurityLog>> {
    let mut filter = read(filter).with_context(|| format!("--log {filter}"))?;
    let own_lines = security_log.map(SecurityLog::open).transpose().context("--security-log")?;
    if own_lines.is_some() {
        filter = filter.add_directive(format!("{SECURITY_TARGET}=off").parse()?);
    }
    let security = own_lines.as_ref().map(|log| {
        let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
        let lines = lines.with_level(false).with_writer(log.writer()).log_internal_errors(false);
        lines.with_filter(filter_fn(|metadata| metadata.target() == SECURITY_TARGET))
    });
    // A log that nobody reads any more is no reason to panic.
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(security).init();
    Ok(own_lines)
}

/// The filter of `--log`.
fn read(filter: &str) -> anyhow::Result<EnvFilter> {
    // A lone word that is no level would be the name of a module, and silence all others; ours have a `_` in them.
    let is_word = |part: &&str| !part.is_empty() && !part.contains(['=', '_', ':']);
    let mut words = filter.split(',').map(str::trim).filter(is_word);
    let word = words.find(|word| LevelFilter::from_str(word).is_err());
    if let Some(word) = word {
        anyhow::bail!("`{word}` is not one of off, error, warn, info, debug, trace, nor MODULE=LEVEL");
    }
    Ok(EnvFilter::builder().parse(filter)?)
}
