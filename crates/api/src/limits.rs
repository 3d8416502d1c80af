//! How many requests of each class an account and an address may make: a request beyond that is answered 429.
//!
//! Guarantees
//! - A refusal costs neither Postgres nor the reading of a body: the address is counted first, then the account that a valid
//!   token names, which is checked in memory.
//! - Classes are independent: an account whose holds are used up still reads and pays.
//! - Memory is bounded (`store`), and the clock is one that is never set back.
//! - Each server counts for itself.
//!
//! A class is declared where a route is registered (`routes`). Not here: guesses of passwords (`auth::guesses`), connections
//! (`serve`), and limits of a sale (`domain`).

mod buckets;
mod class;
mod class_limits;
mod headers;
mod settings;
mod store;

pub use class::{Class, PerClass};
pub(crate) use class_limits::{Refused, Standing};
pub use settings::{
    QUOTA_REQUESTS_MAX, QUOTA_SECONDS_MAX, Quota, QuotaRule, QuotaRuleError, Quotas, RateLimits,
};

use crate::{
    auth::{KeyInUse, ProvenKeys, Tokens},
    extract::{CheckedToken, Peer, client_address, token},
    metrics::describe_rate_limited,
    network::network,
    tokenless,
};
use axum::extract::Request;
use buckets::{Buckets, Elapsed};
use class_limits::ClassLimits;
use holdfast_ambient::Ambient;
use holdfast_domain::UserId;
use moka::sync::Cache;
use rustc_hash::FxBuildHasher;
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Once},
};
use tracing::warn;
use uuid::Uuid;

/// API keys with a limit of their own whose buckets are remembered.
const KEYS_LIMITED_MAX: u64 = 10_000;
/// The window of such a limit.
const KEY_WINDOW_SECONDS: u32 = 60;

/// Whose bucket a request takes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Account {
    /// That of a token. Each generation of an account has its own: a token that a change of the password has ended uses up
    /// nothing of what the account's new tokens have.
    Generation(UserId, i32),
    /// That of an API key: what a program uses up, its owner still has.
    Key(Uuid),
}

/// The buckets, and what they are found by.
pub(crate) struct Limits {
    ambient: Arc<dyn Ambient>,
    tokens: Arc<Tokens>,
    keys: Arc<ProvenKeys>,
    /// Of keys that have a limit of their own.
    by_key: Cache<Uuid, Arc<Buckets<()>>, FxBuildHasher>,
    clock: Elapsed,
    trust_forwarded_for: bool,
    limits_loopback: bool,
    classes: PerClass<ClassLimits>,
    /// Says once that there is a proxy that is not trusted.
    untrusted_proxy: Once,
}

/// Which buckets a request takes from.
enum Origin {
    /// It is of this machine, and none of its requests is limited.
    Exempt,
    /// Its account is known, if it has a token, and its address may be.
    Counted(Option<Ipv6Addr>),
}

impl Limits {
    /// Full buckets, with the recorder that is installed now.
    pub(crate) fn new(
        limits: &RateLimits,
        trust_forwarded_for: bool,
        tokens: Arc<Tokens>,
        keys: Arc<ProvenKeys>,
        ambient: Arc<dyn Ambient>,
    ) -> Self {
        describe_rate_limited();
        let clock = Elapsed(ambient.clone());
        let by_key = Cache::builder().max_capacity(KEYS_LIMITED_MAX);
        let RateLimits { by_account, by_address, loopback } = limits;
        Self {
            ambient,
            tokens,
            keys,
            by_key: by_key.build_with_hasher(FxBuildHasher),
            trust_forwarded_for,
            limits_loopback: *loopback,
            classes: PerClass::each(|class| {
                ClassLimits::new(class, *by_account.of(class), *by_address.of(class), &clock)
            }),
            untrusted_proxy: Once::new(),
            clock,
        }
    }

    /// Counts a request of `class`, which then passes or does not.
    pub(crate) fn admit(&self, class: Class, request: &mut Request) -> Result<Standing, Refused> {
        let standing = match self.origin(request) {
            Origin::Exempt => Standing::default(),
            Origin::Counted(address) => self.classes.of(class).admit(address, || self.account(request))?,
        };
        self.admit_key(request)?;
        Ok(standing)
    }

    /// Counts a request by the limit that its API key has of its own, wherever it comes from.
    fn admit_key(&self, request: &Request) -> Result<(), Refused> {
        let Some(key) = request.extensions().get::<KeyInUse>().map(|used| &used.key) else { return Ok(()) };
        let Some(limit) = self.keys.of(key).and_then(|proven| proven.requests_per_minute) else {
            return Ok(());
        };
        let new = || Buckets::new("key", Quota::new(limit, KEY_WINDOW_SECONDS)?, &self.clock).map(Arc::new);
        let Some(bucket) = self.by_key.optionally_get_with(key.key_id, new) else { return Ok(()) };
        bucket.take(&()).map(|_| ()).map_err(Refused::by_key)
    }

    fn origin(&self, request: &Request) -> Origin {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        if self.trust_forwarded_for || self.limits_loopback || !peer.is_some_and(is_loopback) {
            let address = client_address(request.headers(), peer, self.trust_forwarded_for);
            return Origin::Counted(address.map(network));
        }
        if !tokenless::passed_a_proxy(request.headers()) {
            return Origin::Exempt;
        }
        self.untrusted_proxy.call_once(|| {
            warn!(
                "requests come through a proxy on this machine, so that all clients have one address and none is limited by it; \
                 start with --trust-forwarded-for true"
            );
        });
        Origin::Counted(None)
    }

    /// The account that a valid token names, or the API key if it was good before; what was found of a token goes along with
    /// the request.
    fn account(&self, request: &mut Request) -> Option<Account> {
        if let Some(KeyInUse { key, .. }) = request.extensions().get() {
            return self.keys.of(key).map(|_| Account::Key(key.key_id));
        }
        let checked = self.tokens.check(token(request.headers())?, self.ambient.now());
        request.extensions_mut().insert(CheckedToken(checked));
        checked.ok().map(|session| Account::Generation(session.user_id, session.generation))
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::{
        headers::{RATE_LIMIT, RATE_LIMIT_POLICY},
        *,
    };
    use crate::config::{ApiConfig, TokenSecrets};
    use axum::{body::Body, response::Response};
    use chrono::{DateTime, TimeDelta, Utc};
    use holdfast_ambient::StoppedClock;
    use holdfast_notifier::WebhookKey;
    use metrics_exporter_prometheus::PrometheusBuilder;

    const NOON: DateTime<Utc> = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    /// Two requests of each class, earned back in a minute.
    const TWO: Quotas =
        PerClass { read: QUOTA, search: QUOTA, hold: QUOTA, pay: QUOTA, sign_up: QUOTA, admin: QUOTA };
    const QUOTA: Option<Quota> = Quota::new(2, 60);
    const BY_BOTH: RateLimits = RateLimits { by_account: TWO, by_address: TWO, loopback: false };
    const BY_ACCOUNT: RateLimits = RateLimits { by_address: Quotas::OFF, ..BY_BOTH };
    const BY_ADDRESS: RateLimits = RateLimits { by_account: Quotas::OFF, ..BY_BOTH };

    fn tokens() -> Arc<Tokens> {
        let secrets = TokenSecrets::read(&"s".repeat(32)).unwrap();
        Arc::new(Tokens::new(&ApiConfig::new(secrets, WebhookKey::new([1; 32]).unwrap())))
    }

    fn limits(limits: RateLimits, trust_forwarded_for: bool) -> (Limits, StoppedClock) {
        let clock = StoppedClock::at(NOON);
        let keys = Arc::default();
        (Limits::new(&limits, trust_forwarded_for, tokens(), keys, Arc::new(clock.clone())), clock)
    }

    fn from(peer: &str) -> Request {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        request
    }

    fn with(mut request: Request, name: &'static str, value: &str) -> Request {
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    }

    /// A request with a token of this user and generation.
    fn by(user: i64, generation: i32) -> Request {
        let token = tokens().issue(UserId::from_number(user).unwrap(), Uuid::nil(), generation, NOON);
        with(from("192.0.2.1"), "authorization", &format!("Bearer {}", token.unwrap().0))
    }

    /// How many of five requests pass.
    fn passed(limits: &Limits, class: Class, mut request: impl FnMut() -> Request) -> usize {
        (0..5).filter(|_| limits.admit(class, &mut request()).is_ok()).count()
    }

    #[test]
    fn each_address_and_each_class_has_a_quota_of_its_own_and_earns_it_back() {
        let (limits, clock) = limits(BY_ADDRESS, false);
        let read = |peer: &'static str| passed(&limits, Class::Read, || from(peer));
        assert_eq!((read("192.0.2.1"), read("192.0.2.1"), read("192.0.2.2")), (2, 0, 2));
        assert_eq!(passed(&limits, Class::Search, || from("192.0.2.1")), 2);
        clock.advance(TimeDelta::seconds(30));
        assert_eq!(read("192.0.2.1"), 1);
    }

    #[test]
    fn a_customers_ipv6_network_is_one_address() {
        let (limits, _) = limits(BY_ADDRESS, false);
        let read = |peer: &'static str| passed(&limits, Class::Read, || from(peer));
        assert_eq!((read("2001:db8:1:2::1"), read("2001:db8:1:2:3::4"), read("2001:db8:1:3::1")), (2, 0, 2));
    }

    #[test]
    fn behind_a_trusted_proxy_each_client_has_its_own_quota() {
        let (limits, _) = limits(BY_ADDRESS, true);
        let read = |client: &'static str| {
            passed(&limits, Class::Read, || with(from("127.0.0.1"), "x-forwarded-for", client))
        };
        assert_eq!((read("192.0.2.1"), read("192.0.2.9, 192.0.2.1"), read("192.0.2.2")), (2, 0, 2));
    }

    #[test]
    fn an_account_has_one_quota_wherever_it_asks_from_and_a_bad_token_names_none() {
        let (limits, _) = limits(BY_ACCOUNT, false);
        let hold = |user| passed(&limits, Class::Hold, || by(user, 1));
        assert_eq!((hold(1), hold(1), hold(2)), (2, 0, 2));
        assert_eq!(passed(&limits, Class::Pay, || by(1, 1)), 2);
        assert_eq!(passed(&limits, Class::Hold, || with(by(1, 1), "authorization", "Bearer x")), 5);
        let elsewhere = || {
            let mut request = by(1, 1);
            request.extensions_mut().insert(Peer("192.0.2.7".parse().unwrap()));
            request
        };
        assert_eq!(passed(&limits, Class::Hold, elsewhere), 0);
    }

    /// Whoever has an old token must not be able to use up what its owner has.
    #[test]
    fn tokens_that_a_new_password_has_ended_use_up_nothing_of_the_new_ones() {
        let (limits, _) = limits(BY_ACCOUNT, false);
        assert_eq!(passed(&limits, Class::Hold, || by(1, 1)), 2);
        assert_eq!(passed(&limits, Class::Hold, || by(1, 2)), 2);
    }

    #[test]
    fn programs_on_this_machine_are_limited_only_where_it_is_asked_for() {
        let read = |limits: &Limits, request: fn() -> Request| passed(limits, Class::Read, request);
        let loopback = [|| from("127.0.0.1"), || from("::1"), || from("::ffff:127.0.0.1")];
        for request in loopback {
            assert_eq!(read(&limits(BY_BOTH, false).0, request), 5);
            assert_eq!(read(&limits(RateLimits { loopback: true, ..BY_BOTH }, false).0, request), 2);
        }
        assert_eq!(read(&limits(BY_BOTH, true).0, || from("127.0.0.1")), 2, "a proxy that names no client");
    }

    /// All clients of a proxy that is not trusted have its address: one of them must not refuse the others.
    #[test]
    fn behind_a_proxy_that_is_not_trusted_accounts_are_limited_and_the_one_address_is_not() {
        let (limits, _) = limits(BY_BOTH, false);
        let proxied = |request| with(request, "x-forwarded-for", "192.0.2.1");
        assert_eq!(passed(&limits, Class::Read, || proxied(from("127.0.0.1"))), 5);
        let with_token = || {
            let mut request = proxied(by(1, 1));
            request.extensions_mut().insert(Peer("127.0.0.1".parse().unwrap()));
            request
        };
        assert_eq!(passed(&limits, Class::Read, with_token), 2);
    }

    #[test]
    fn an_answer_tells_of_the_quota_that_is_used_up_first_and_names_all() {
        let (account, address) = (Quota::new(10, 60), Quota::new(3, 60));
        let by_account = Quotas { read: account, ..Quotas::OFF };
        let by_address = Quotas { read: address, ..Quotas::OFF };
        let (limits, _) = limits(RateLimits { by_account, by_address, loopback: false }, false);
        let told = |mut request: Request| {
            let mut response = Response::new(Body::empty());
            limits.admit(Class::Read, &mut request).unwrap().tell(&mut response);
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            (header(RATE_LIMIT), header(RATE_LIMIT_POLICY))
        };
        let address = r#""read-address";q=3;w=60"#;
        assert_eq!(
            told(by(1, 1)),
            (Some(r#""read-address";r=2;t=40"#.to_owned()), Some(format!(r#""read";q=10;w=60, {address}"#)))
        );
        assert_eq!(
            told(from("192.0.2.3")),
            (Some(r#""read-address";r=2;t=40"#.to_owned()), Some(address.to_owned()))
        );
    }

    #[test]
    fn refusals_are_counted_by_class_and_by_whose_limit_it_was() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let (limits, _) = metrics::with_local_recorder(&recorder, || limits(BY_BOTH, false));
        passed(&limits, Class::Hold, || by(1, 1));
        passed(&limits, Class::Read, || from("192.0.2.9"));
        let text = handle.render();
        for (class, by, count) in [("hold", "address", 3), ("read", "address", 3), ("hold", "account", 0)] {
            let line = format!(r#"holdfast_http_rate_limited_total{{class="{class}",by="{by}"}} {count}"#);
            assert!(text.contains(&line), "{line} {text}");
        }
    }
}
