//! The progress bar of long work: done, rate, time left. Silent where standard error is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` events.
pub(crate) fn bar(total: i64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(total.try_into().unwrap_or(0)).with_message(what);
    let template = "{msg} [{bar:40}] {human_pos}/{human_len} events, {per_sec}, {eta} left";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
