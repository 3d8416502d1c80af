//! What is limited of one class, and what an answer says of it.

use super::{
    Account,
    buckets::{Buckets, Elapsed},
    class::Class,
    headers::{self, Left, RATE_LIMIT, RATE_LIMIT_POLICY},
    settings::Quota,
};
use crate::metrics::rate_limited;
use axum::{http::HeaderValue, response::Response};
use metrics::Counter;
use std::net::Ipv6Addr;

/// The buckets of one class. None: it is not limited by that.
pub(super) struct ClassLimits {
    by_account: Option<Buckets<Account>>,
    by_address: Option<Buckets<Ipv6Addr>>,
    /// The policies' header where account and address are counted.
    both: Option<HeaderValue>,
    /// The same where the address alone is.
    address_alone: Option<HeaderValue>,
    account_refused: Counter,
    address_refused: Counter,
}

/// What the answer to a request says of its limits.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    left: Option<Left>,
    policies: Option<HeaderValue>,
}

/// A request that is one too many.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Seconds until another one fits.
    pub(crate) retry_after_seconds: u64,
    pub(crate) standing: Standing,
}

impl ClassLimits {
    /// Full buckets, with the recorder that is installed now.
    pub(super) fn new(
        class: Class,
        by_account: Option<Quota>,
        by_address: Option<Quota>,
        clock: &Elapsed,
    ) -> Self {
        let (account, address) = (class.as_str(), class.of_address());
        let of_address: Vec<_> = by_address.map(|quota| (address, quota)).into_iter().collect();
        let of_account = by_account.map(|quota| (account, quota));
        let both: Vec<_> = of_account.into_iter().chain(of_address.clone()).collect();
        Self {
            by_account: by_account.and_then(|quota| Buckets::new(account, quota, clock)),
            by_address: by_address.and_then(|quota| Buckets::new(address, quota, clock)),
            both: headers::policies(&both),
            address_alone: headers::policies(&of_address),
            account_refused: rate_limited(class, "account"),
            address_refused: rate_limited(class, "address"),
        }
    }

    /// Counts a request by its address, and then by its account, which is looked for only where accounts are limited.
    pub(super) fn admit(
        &self,
        address: Option<Ipv6Addr>,
        account: impl FnOnce() -> Option<Account>,
    ) -> Result<Standing, Refused> {
        let mut tighter = None;
        if let (Some(buckets), Some(address)) = (&self.by_address, address) {
            tighter = Some(buckets.take(&address).map_err(|left| {
                self.address_refused.increment(1);
                Refused::with(left, &self.address_alone)
            })?);
        }
        let Some(buckets) = &self.by_account else { return Ok(Standing::of(tighter, &self.address_alone)) };
        let Some(account) = account() else { return Ok(Standing::of(tighter, &self.address_alone)) };
        let left = buckets.take(&account).map_err(|left| {
            self.account_refused.increment(1);
            Refused::with(left, &self.both)
        })?;
        let tighter = tighter.filter(|by_address| by_address.requests < left.requests).unwrap_or(left);
        Ok(Standing::of(Some(tighter), &self.both))
    }
}

impl Standing {
    fn of(left: Option<Left>, policies: &Option<HeaderValue>) -> Self {
        Self { policies: left.and(policies.clone()), left }
    }

    /// Puts the headers into an answer.
    pub(crate) fn tell(self, response: &mut Response) {
        let (Some(left), Some(policies)) = (self.left, self.policies) else { return };
        let headers = response.headers_mut();
        headers.insert(RATE_LIMIT, left.value());
        headers.insert(RATE_LIMIT_POLICY, policies);
    }
}

impl Refused {
    /// By the limit that an API key has of its own, which no policy's header names.
    pub(super) fn by_key(left: Left) -> Self {
        Self::with(left, &None)
    }

    fn with(left: Left, policies: &Option<HeaderValue>) -> Self {
        Self { retry_after_seconds: left.seconds, standing: Standing::of(Some(left), policies) }
    }
}
