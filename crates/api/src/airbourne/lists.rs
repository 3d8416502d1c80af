//! Lists: Airbourne has no pages, so its clients want all of a list at once.

use super::refusal::Refusal;
use axum::http::StatusCode;
use holdfast_catalogue::LIMIT_MAX;
use serde::Deserialize;

/// Most things of a list: some 5 MB of an answer. More of them are refused: a list that looks whole must be.
const ALL_MAX: usize = 20_000;

/// How a name begins.
#[derive(Debug, Deserialize)]
pub(crate) struct Names {
    pub(crate) name: Option<String>,
}

/// A list that is read page by page, each of [`PAGE`] things at most.
pub(crate) struct Whole<T>(Vec<T>);

/// Things of a page.
pub(crate) const PAGE: u32 = LIMIT_MAX;

impl<T> Whole<T> {
    /// Nothing yet.
    pub(crate) fn begin() -> Self {
        Self(Vec::new())
    }

    /// The last thing that was read: the next page is after it.
    pub(crate) fn last(&self) -> Option<&T> {
        self.0.last()
    }

    /// Takes a page. Whether there may be another.
    pub(crate) fn take(&mut self, page: Vec<T>) -> Result<bool, Refusal> {
        let is_full = page.len() >= PAGE as usize;
        self.0.extend(page);
        if self.0.len() > ALL_MAX { Err(too_many()) } else { Ok(is_full) }
    }

    /// All of them, as they are shown.
    pub(crate) fn shown<V: From<T>>(self) -> Vec<V> {
        self.0.into_iter().map(V::from).collect()
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<T> {
        self.0
    }
}

/// There are more than are told at once.
fn too_many() -> Refusal {
    let text = format!("there are more than {ALL_MAX}; ask for fewer, or page through the native API");
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(there_are: u32) -> Result<usize, StatusCode> {
        let mut whole = Whole::begin();
        loop {
            let first = whole.last().map_or(0, |last| last + 1);
            let page = (first..there_are.min(first + PAGE)).collect();
            if !whole.take(page).map_err(|refusal| refusal.status)? {
                return Ok(whole.all().len());
            }
        }
    }

    #[test]
    fn a_list_is_whole_or_refused() {
        for there_are in [0, 1, PAGE, PAGE + 1, 20_000] {
            assert_eq!(listed(there_are), Ok(there_are as usize));
        }
        assert_eq!(listed(20_001), Err(StatusCode::UNPROCESSABLE_ENTITY));
    }
}
