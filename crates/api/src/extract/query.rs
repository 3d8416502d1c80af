//! The parameters of a GET, as strict as a body: each is known, given once, and in its range.

use super::FormRefused;
use crate::problem::{FieldError, Problem};
use axum::{
    extract::{FromRequestParts, Query as Pairs},
    http::request::Parts,
};
use holdfast_availability::{FLIGHTS_LIMIT_MAX, SHOWS_LIMIT_MAX};
use holdfast_domain::UserId;

/// Parameters of one request that are looked at; none of our routes has more than eleven.
const PARAMETERS_MAX: usize = 16;
/// Things of a page where the client does not say.
const LIMIT_DEFAULT: u32 = 50;
/// Most things of a page: bounds the answer's size, about 60 KiB; of flights, 200 KiB.
const LIMIT_MAX: u32 = 200;
const _: () =
    assert!(LIMIT_MAX == FLIGHTS_LIMIT_MAX && LIMIT_MAX == SHOWS_LIMIT_MAX, "no page is shorter than asked");

/// A request's parameters, read as a `T`.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// What can be read from parameters.
pub(crate) trait FromQuery: Sized {
    /// Takes each known parameter out of `params`.
    fn read(params: &mut Params) -> Self;

    /// The user the request acts for, if it names one.
    fn acts_for(&self) -> Option<UserId> {
        None
    }
}

/// The parameters of one request, while they are being read.
#[derive(Debug)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Params {
    /// The parameter `name`, if it is there and `read` understands it; else it is noted what it must be.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        must_be: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let index = self.pairs.iter().position(|(given, _)| given == name)?;
        let (_, text) = self.pairs.remove(index);
        // Postgres takes no null character, and no value of ours has one.
        let value = if text.contains('\0') { None } else { read(&text) };
        if value.is_none() {
            self.wrong(name, must_be);
        }
        value
    }

    /// How many things a page has.
    pub(crate) fn limit(&mut self) -> u32 {
        let read = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        self.take("limit", &format!("must be a whole number from 1 to {LIMIT_MAX}"), read)
            .unwrap_or(LIMIT_DEFAULT)
    }

    /// Where a page begins; none: with the first thing.
    pub(crate) fn cursor(&mut self) -> Option<String> {
        self.take("cursor", "must be text", |text| Some(text.to_owned()))
    }

    /// Notes what is wrong with the parameter `name`.
    pub(crate) fn wrong(&mut self, name: &str, detail: &str) {
        self.errors.push(FieldError { pointer: format!("/{name}"), detail: detail.to_owned() });
    }

    /// Whether something is noted of the parameter `name`.
    pub(crate) fn is_wrong(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.pointer.strip_prefix('/') == Some(name))
    }

    fn read<T: FromQuery>(pairs: Vec<(String, String)>) -> Result<T, FormRefused> {
        let mut params = Self { pairs, errors: Vec::new() };
        let read = T::read(&mut params);
        for (name, _) in std::mem::take(&mut params.pairs).into_iter().take(PARAMETERS_MAX) {
            let name: String = name.chars().take(64).collect();
            params.wrong(&name, "is not a parameter of this request, or is given twice");
        }
        if params.errors.is_empty() {
            return Ok(read);
        }
        Err(FormRefused { problem: Problem::invalid(params.errors), acts_for: read.acts_for() })
    }
}

impl<S: Send + Sync, T: FromQuery> FromRequestParts<S> for Query<T> {
    type Rejection = FormRefused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, FormRefused> {
        let pairs: Result<Pairs<Vec<(String, String)>>, _> = Pairs::from_request_parts(parts, state).await;
        let unreadable = |_| {
            let detail = "the query string is not valid".to_owned();
            Problem::invalid(vec![FieldError { pointer: String::new(), detail }])
        };
        Params::read(pairs.map_err(unreadable)?.0).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Page(Option<u32>);

    impl FromQuery for Page {
        fn read(params: &mut Params) -> Self {
            Self(
                params.take("limit", "must be 1 to 9", |text| {
                    text.parse().ok().filter(|n| (1..=9).contains(n))
                }),
            )
        }
    }

    fn read(pairs: &[(&str, &str)]) -> Option<Option<u32>> {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Params::read::<Page>(pairs).ok().map(|page| page.0)
    }

    #[test]
    fn a_parameter_is_known_given_once_and_in_range_or_the_request_is_refused() {
        assert_eq!(read(&[]), Some(None));
        assert_eq!(read(&[("limit", "9")]), Some(Some(9)));
        for bad in
            [&[("limit", "10")][..], &[("limit", "x")], &[("limit", "1"), ("limit", "1")], &[("page", "1")]]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
