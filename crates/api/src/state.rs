//! What every handler can reach.

use crate::{
    auth::{Accounts, ApiKeys, Guesses, Hasher, Tokens},
    browsers::Browsers,
    commands::Commands,
    compat::HistoryReads,
    config::ApiConfig,
    first_admin::FirstAdmin,
    limits::RateLimits,
    ops::{NamedProjector, StoreLook},
    places::Places,
    pools::Pools,
    searches::Searches,
    security_log::SecurityLog,
    v1::bookings::Made,
};
use holdfast_ambient::Ambient;
use holdfast_domain::{BookingId, InventoryId};
use holdfast_notifier::WebhookKey;
use holdfast_projector::{Flow, Positions};
use holdfast_writer::Writer;
use metrics_exporter_prometheus::PrometheusHandle;
use moka::sync::Cache;
use rustc_hash::FxBuildHasher;
use sqlx::PgPool;
use std::{fmt, ops::Deref, sync::Arc};
use tokio::{runtime::Handle, sync::Mutex};

/// Bookings whose reservation is remembered: some 20 MB. The first read or confirmation of a booking asks
/// the log (one look-up by key); filling this on every reservation cost more than that saves.
const BOOKINGS_REMEMBERED_MAX: u64 = 100_000;

/// Inventories that are known to be flights: some 5 MB.
const FLIGHTS_REMEMBERED_MAX: u64 = 100_000;
/// Events of booking_monitor's that are known to be some: as many bytes each.
const EVENTS_REMEMBERED_MAX: u64 = 100_000;

/// How far the read models are.
#[derive(Clone, Debug)]
pub struct ReadModels {
    /// Of the seats of each inventory.
    pub availability: Positions,
    /// Of the bookings of each user.
    pub booking_history: Positions,
}

/// What the HTTP side is made of.
#[derive(Clone, Debug)]
pub struct ApiParts {
    /// Connections to the log, the users and the read models.
    pub pools: Pools,
    /// Where searches are asked and read: beside what commands wait for.
    pub searches_on: Handle,
    /// Where commands go.
    pub writer: Writer,
    /// Time, ids and chance.
    pub ambient: Arc<dyn Ambient>,
    /// How far the read models are; shared with their projectors where these run in this process.
    pub read_models: ReadModels,
    /// The projectors of this process, for `/health/ready`; empty where there are none.
    pub projectors: Vec<NamedProjector>,
    /// Everybody who follows the log, for `/health/ready`; on [`Pools::readiness`].
    pub flow: Flow,
    /// Renders the metrics. Its recorder must be installed before [`crate::router`] is called, and
    /// its upkeep run regularly.
    pub prometheus: PrometheusHandle,
    /// How the HTTP side runs.
    pub config: ApiConfig,
}

/// What every handler can reach; cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Api>);

/// See [`ApiState`].
pub struct Api {
    /// [`Pools::reads`]: what most handlers ask.
    pub(crate) pool: PgPool,
    /// Connections for what must go on while reads hang.
    pub(crate) pools: Pools,
    pub(crate) writer: Commands,
    pub(crate) ambient: Arc<dyn Ambient>,
    pub(crate) read_models: ReadModels,
    pub(crate) projectors: Vec<NamedProjector>,
    pub(crate) store_look: StoreLook,
    pub(crate) prometheus: PrometheusHandle,
    pub(crate) browsers: Browsers,
    pub(crate) compat: bool,
    pub(crate) compat_hosts: Vec<String>,
    pub(crate) catalogue_is_open: bool,
    pub(crate) webhook_key: WebhookKey,
    pub(crate) webhooks_allow_private: bool,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) security: Arc<SecurityLog>,
    pub(crate) accounts: Accounts,
    pub(crate) api_keys: ApiKeys,
    pub(crate) guesses: Guesses,
    pub(crate) trust_forwarded_for: bool,
    pub(crate) rate_limits: RateLimits,
    pub(crate) hasher: Hasher,
    pub(crate) first_admin: Option<FirstAdmin>,
    /// Held by whoever may move a flight to another day: what it leaves is given up before the next moves it.
    pub(crate) flight_moves: Mutex<()>,
    /// What bookings were made as. That never changes, so an entry never becomes wrong.
    pub(crate) bookings: Cache<BookingId, Made, FxBuildHasher>,
    /// Inventories that are flights. What one is, it stays.
    pub(crate) flights: Cache<InventoryId, (), FxBuildHasher>,
    /// Inventories that are booking_monitor's events. What one is, it stays.
    pub(crate) events: Cache<InventoryId, (), FxBuildHasher>,
    /// Where searches share statements.
    pub(crate) searches: Searches,
    /// What bounds booking_monitor's history.
    pub(crate) history: HistoryReads,
    /// Airports by the places that searches name.
    pub(crate) places: Places,
}

impl ApiState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let ApiParts {
            pools,
            searches_on,
            writer,
            ambient,
            read_models,
            projectors,
            flow,
            prometheus,
            config,
        } = parts;
        let mut salt = [0; 32];
        ambient.random(&mut salt);
        let bookings = Cache::builder().max_capacity(BOOKINGS_REMEMBERED_MAX);
        let tokens = Arc::new(Tokens::new(&config));
        let security = SecurityLog::new(ambient.clone(), tokens.clone(), config.trust_forwarded_for);
        Self(Arc::new(Api {
            tokens,
            security: Arc::new(security),
            accounts: Accounts::new(pools.commands.clone(), config.role_ttl),
            api_keys: ApiKeys::new(pools.commands.clone(), pools.accounts.clone(), config.role_ttl),
            guesses: Guesses::new(salt),
            trust_forwarded_for: config.trust_forwarded_for,
            rate_limits: config.rate_limits,
            hasher: Hasher::new(config.hashes_at_once, config.hashes_waiting_max, &*ambient),
            bookings: bookings.build_with_hasher(FxBuildHasher),
            flights: Cache::builder().max_capacity(FLIGHTS_REMEMBERED_MAX).build_with_hasher(FxBuildHasher),
            events: Cache::builder().max_capacity(EVENTS_REMEMBERED_MAX).build_with_hasher(FxBuildHasher),
            flight_moves: Mutex::new(()),
            history: HistoryReads::new(),
            places: Places::new(),
            searches: Searches::new(&pools, searches_on),
            first_admin: config.first_admin,
            browsers: config.browsers,
            compat: config.compat,
            compat_hosts: config.compat_hosts,
            catalogue_is_open: config.catalogue_is_open,
            webhook_key: config.webhook_key,
            webhooks_allow_private: config.webhooks_allow_private,
            pool: pools.reads.clone(),
            store_look: StoreLook::new(pools.readiness.clone(), flow),
            pools,
            writer: Commands::new(writer),
            ambient,
            read_models,
            projectors,
            prometheus,
        }))
    }
}

impl Deref for ApiState {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.0
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiState")
    }
}
