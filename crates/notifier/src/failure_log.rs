//! What fails and is tried again is told once for each reason, not once for each attempt.

use std::{collections::HashMap, error::Error};
use tracing::{info, warn};

/// The failures that were told and have not gone away, by what failed.
#[derive(Debug, Default)]
pub(crate) struct Told(HashMap<&'static str, String>);

impl Told {
    /// What `work` came to; a failure is logged, if it is not the one that was logged last.
    pub(crate) fn hear<T, E: Error>(&mut self, work: &'static str, result: Result<T, E>) -> Option<T> {
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
        let mut told = Told::default();
        let fails = |why: &str| Err::<(), _>(io::Error::other(why.to_owned()));
        assert_eq!(told.hear("mails", fails("a")), None);
        assert_eq!(told.0["mails"], "a");
        told.hear("mails", fails("b"));
        told.hear("replays", fails("c"));
        assert_eq!((told.0["mails"].as_str(), told.0.len()), ("b", 2));
        assert_eq!(told.hear::<_, io::Error>("mails", Ok(7)), Some(7));
        assert_eq!(told.0.len(), 1);
    }
}
