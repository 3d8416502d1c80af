//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11), as structured fields.

use super::settings::Quota;
use axum::http::{HeaderName, HeaderValue};
use std::{io::Write as _, time::Duration};

/// What is left of a quota.
pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Which quotas there are.
pub(super) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Longest value of `RateLimit`: a name of 15 characters, and numbers of 7 and 5 digits.
const VALUE_BYTES_MAX: usize = 48;

/// What one policy leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// The policy's name.
    pub(super) policy: &'static str,
    /// Requests that may follow at once.
    pub(super) requests: u32,
    /// Seconds to spread them over; without any left, seconds to wait for one.
    pub(super) seconds: u64,
}

impl Left {
    /// After a request that passed. The window is the one in which as many requests are earned back: a client that keeps to
    /// it keeps to the quota, however full its bucket is.
    pub(super) fn after(policy: &'static str, requests: u32, period: Duration) -> Self {
        Self { policy, requests, seconds: whole_seconds(period * requests.max(1)) }
    }

    /// After a request that was refused for so long.
    pub(super) fn nothing(policy: &'static str, wait: Duration) -> Self {
        Self { policy, requests: 0, seconds: whole_seconds(wait) }
    }

    /// The value of `RateLimit`. Put together on the stack: it is made for every answer.
    pub(super) fn value(&self) -> HeaderValue {
        let Self { policy, requests, seconds } = self;
        let mut bytes = [0; VALUE_BYTES_MAX];
        let mut rest = &mut bytes[..];
        let written = write!(rest, "\"{policy}\";r={requests};t={seconds}");
        let length = VALUE_BYTES_MAX - rest.len();
        let value = bytes.get(..length).filter(|_| written.is_ok());
        value.and_then(|value| HeaderValue::from_bytes(value).ok()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The value of `RateLimit-Policy`; none without policies.
pub(super) fn policies(quotas: &[(&'static str, Quota)]) -> Option<HeaderValue> {
    let one =
        |(name, Quota { requests, seconds }): &(&str, Quota)| format!("\"{name}\";q={requests};w={seconds}");
    let all: Vec<_> = quotas.iter().map(one).collect();
    HeaderValue::try_from(all.join(", ")).ok().filter(|_| !all.is_empty())
}

/// Rounded up, and at least one: a client that waits so long has waited for long enough.
fn whole_seconds(duration: Duration) -> u64 {
    let begun = u64::from(duration.subsec_nanos() > 0);
    (duration.as_secs() + begun).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_written_as_a_structured_field() {
        let half = Left::after("read", 50, Duration::from_millis(600));
        assert_eq!(half.value(), r#""read";r=50;t=30"#);
        let refused = Left::nothing("hold-address", Duration::from_millis(2_001));
        assert_eq!(refused.value(), r#""hold-address";r=0;t=3"#);
    }

    #[test]
    fn the_last_request_and_the_shortest_wait_are_a_whole_second() {
        assert_eq!(Left::after("pay", 0, Duration::from_millis(1)).seconds, 1);
        assert_eq!(Left::nothing("pay", Duration::ZERO).seconds, 1);
        assert_eq!(Left::nothing("pay", Duration::from_secs(7)).seconds, 7);
    }

    #[test]
    fn the_longest_value_has_room() {
        let period = Duration::from_secs(super::super::settings::QUOTA_SECONDS_MAX.into());
        let longest =
            Left { seconds: period.as_secs(), ..Left::after("sign_up-address", 1_000_000, Duration::ZERO) };
        assert_eq!(longest.value(), r#""sign_up-address";r=1000000;t=86400"#);
    }

    #[test]
    fn policies_are_a_list_of_names_with_quota_and_window() {
        let quota = |requests, seconds| Quota::new(requests, seconds).unwrap();
        let both = policies(&[("read", quota(100, 60)), ("read-address", quota(1_000, 60))]).unwrap();
        assert_eq!(both, r#""read";q=100;w=60, "read-address";q=1000;w=60"#);
        assert_eq!(policies(&[]), None);
    }
}
