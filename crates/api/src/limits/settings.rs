//! How many requests are let through: quotas by class, for accounts and for addresses, and how a flag writes them.

use super::class::{Class, PerClass};
use std::{fmt, num::NonZeroU32, str::FromStr};

/// Most requests of a quota.
pub const QUOTA_REQUESTS_MAX: u32 = 1_000_000;
/// Longest window of a quota: a day.
pub const QUOTA_SECONDS_MAX: u32 = 86_400;

/// So many requests at once; used ones are earned back evenly, all of them within the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub(super) requests: NonZeroU32,
    pub(super) seconds: NonZeroU32,
}

/// The quotas of one account or address. None: that class is not limited.
pub type Quotas = PerClass<Option<Quota>>;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Of each account, from wherever its tokens are used.
    pub by_account: Quotas,
    /// Of each client address (IPv6: each /64), whoever asks from there.
    pub by_address: Quotas,
    /// Whether requests of programs on this machine are limited too. Without it they are not, unless a proxy is trusted: all
    /// of them have one address.
    pub loopback: bool,
}

/// One word of a flag: `off`, `CLASS=off` or `CLASS=REQUESTS/SECONDS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaRule {
    /// None: every class.
    class: Option<Class>,
    quota: Option<Quota>,
}

/// A word that is no [`QuotaRule`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "give CLASS=REQUESTS/SECONDS, such as hold=600/60, or CLASS=off, or off for all; classes are read, search, hold, pay, \
     sign_up and admin; at most {QUOTA_REQUESTS_MAX} requests and {QUOTA_SECONDS_MAX} seconds"
)]
pub struct QuotaRuleError;

impl Quota {
    /// None: there is no such quota; it has 1 to [`QUOTA_REQUESTS_MAX`] requests and 1 to [`QUOTA_SECONDS_MAX`] seconds.
    #[must_use]
    pub const fn new(requests: u32, seconds: u32) -> Option<Self> {
        if requests > QUOTA_REQUESTS_MAX || seconds > QUOTA_SECONDS_MAX {
            return None;
        }
        match (NonZeroU32::new(requests), NonZeroU32::new(seconds)) {
            (Some(requests), Some(seconds)) => Some(Self { requests, seconds }),
            _ => None,
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} s", self.requests, self.seconds)
    }
}

impl Quotas {
    /// Nothing is limited.
    pub const OFF: Self =
        Self { read: None, search: None, hold: None, pay: None, sign_up: None, admin: None };

    /// These, with what `rules` say instead; the later of two wins.
    #[must_use]
    pub fn with(mut self, rules: &[QuotaRule]) -> Self {
        for QuotaRule { class, quota } in rules {
            match class {
                Some(class) => *self.of_mut(*class) = *quota,
                None => self = PerClass::each(|_| *quota),
            }
        }
        self
    }
}

impl RateLimits {
    /// Nothing is limited.
    pub const OFF: Self = Self { by_account: Quotas::OFF, by_address: Quotas::OFF, loopback: false };
}

impl Default for RateLimits {
    /// An account has what an agency's program needs, far above a person's clicks: 20 holds a second without an end, 1,200
    /// at once. An address has ten times that, for offices and mobile networks share one. New passwords are the exception:
    /// each costs some tens of milliseconds of a core.
    fn default() -> Self {
        let minute = |requests| Quota::new(requests, 60);
        Self {
            by_account: Quotas {
                read: minute(6_000),
                search: minute(3_000),
                hold: minute(1_200),
                pay: minute(2_400),
                sign_up: minute(30),
                admin: minute(6_000),
            },
            by_address: Quotas {
                read: minute(60_000),
                search: minute(30_000),
                hold: minute(12_000),
                pay: minute(24_000),
                sign_up: minute(300),
                admin: minute(60_000),
            },
            loopback: false,
        }
    }
}

impl FromStr for QuotaRule {
    type Err = QuotaRuleError;

    fn from_str(text: &str) -> Result<Self, QuotaRuleError> {
        if text == "off" {
            return Ok(Self { class: None, quota: None });
        }
        let (name, value) = text.split_once('=').ok_or(QuotaRuleError)?;
        let class = Class::ALL.into_iter().find(|class| class.as_str() == name).ok_or(QuotaRuleError)?;
        let quota = if value == "off" { None } else { Some(quota(value).ok_or(QuotaRuleError)?) };
        Ok(Self { class: Some(class), quota })
    }
}

fn quota(text: &str) -> Option<Quota> {
    let (requests, seconds) = text.split_once('/')?;
    Quota::new(requests.parse().ok()?, seconds.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(words: &str) -> Vec<QuotaRule> {
        words.split(',').map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn what_a_flag_does_not_name_stays_and_the_later_word_wins() {
        let usual = RateLimits::default().by_account;
        let hold = Quota::new(5, 2);
        assert_eq!(usual.with(&rules("hold=5/2")), Quotas { hold, ..usual });
        assert_eq!(usual.with(&rules("read=off,read=1/1")).read, Quota::new(1, 1));
        assert_eq!(usual.with(&rules("off")), Quotas::OFF);
        assert_eq!(usual.with(&rules("off,hold=5/2")), Quotas { hold, ..Quotas::OFF });
    }

    #[test]
    fn what_is_no_quota_is_refused_with_what_is_one() {
        for wrong in [
            "",
            "on",
            "hold",
            "hold=",
            "hold=5",
            "hold=0/1",
            "hold=1/0",
            "hold=-1/2",
            "holds=1/1",
            "hold=1000001/1",
            "hold=1/86401",
            "hold=1/1/1",
            "=1/1",
            "hold = 1/1",
        ] {
            assert_eq!(wrong.parse::<QuotaRule>(), Err(QuotaRuleError), "{wrong}");
        }
        assert!(QuotaRuleError.to_string().contains("hold=600/60"));
    }
}
