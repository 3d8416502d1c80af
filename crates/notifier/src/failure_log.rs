//! Logs work that fails and is tried again: once for each reason, not once for each attempt.

use std::{collections::HashMap, error::Error};
use tracing::{info, warn};

/// The failures that were logged and have not gone away, by the work that failed.
#[derive(Debug, Default)]
pub(crate) struct FailureLog(HashMap<&'static str, String>);

impl FailureLog {
    /// The result of `work`, if it succeeded; a failure is logged, if it is not the one that was logged last.
    pub(crate) fn note<T, E: Error>(&mut self, work: &'static str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(done) => {
                if self.0.remove(work).is_some() {
                    info!("{work}: it goes on");
                }
                Some(done)
            }
            Err(error) => {
                let why = in_words(&error);
                if self.0.get(work) != Some(&why) {
                    warn!("{work}: it failed, and is tried again: {why}");
                    self.0.insert(work, why);
                }
                None
            }
        }
    }
}

/// An error with its causes.
fn in_words(error: &dyn Error) -> String {
    let (mut words, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_reason_is_kept_until_another_comes_or_it_goes_away() {
        let mut failures = FailureLog::default();
        let fails = |why: &str| Err::<(), _>(io::Error::other(why.to_owned()));
        assert_eq!(failures.note("mails", fails("a")), None);
        assert_eq!(failures.0["mails"], "a");
        failures.note("mails", fails("b"));
        failures.note("replays", fails("c"));
        assert_eq!((failures.0["mails"].as_str(), failures.0.len()), ("b", 2));
        assert_eq!(failures.note::<_, io::Error>("mails", Ok(7)), Some(7));
        assert_eq!(failures.0.len(), 1);
    }
}
