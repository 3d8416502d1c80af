//! What runs inside a server process, started and ended in order: `up` and `api` share it.
//!
//! Start: take the listener (so that a second server on the address fails before it touches the log) →
//! writer → relay, if there is a Kafka → projectors → sweeper → HTTP. End: HTTP answers what is in flight → writer finishes its
//! queue → projectors stop. What was answered is durable at every step, so each of them has a time limit
//! (`signals`): a Postgres that is gone must not keep the process from ending.

use crate::config::{Http, Model};
use crate::descriptors;
use crate::ended_accounts::EndedAccounts;
use crate::first_admin;
use crate::models::{FOLLOWERS, MODELS, WhenStopped, group_of};
use crate::notifying::{self, MailWay};
use crate::ops::OpsListener;
use crate::prometheus;
use crate::roles::relay::events_topic;
use crate::signals::{POSTGRES_SHARE, Stop};
use crate::system::{DISCONNECT_MAX, System};
use anyhow::Context as _;
use holdfast_ambient::{Ambient, Machine};
use holdfast_api::{
    ApiConfig, ApiParts, ApiState, Browsers, ConnectionLimits, NamedProjector, Pools, ReadModels,
    TokenSecrets,
};
use holdfast_event_log::identity;
use holdfast_messaging::{Kafka, KafkaSource, Topic};
use holdfast_notifier::{Notifier, NotifierParts, WebhookKey};
use holdfast_projector::{Flow, SharedLog, Source, sample_flow};
use holdfast_relay::Relay;
use holdfast_writer::{Writer, WriterConfig};
use sqlx::PgPool;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::{net::TcpListener, runtime::Handle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// How often bookings whose end is due are looked for that no memory knows: after a restart, or when they left it.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Inventories one sweep wakes of each kind: with overdue holds, the longest overdue first, and cancelled flights and
/// shows with live bookings. They leave the list when the ends are projected, and the next sweep finds those behind
/// them; one in which nothing ends is woken again and does no harm.
const SWEEP_INVENTORIES_MAX: u32 = 500;

/// What one server process is to run.
pub(crate) struct Plan {
    pub(crate) token_secrets: TokenSecrets,
    /// The data folder, if this process has one.
    pub(crate) data: Option<PathBuf>,
    /// The leases of the log are known to be a dead process's.
    pub(crate) force: bool,
    /// Read models to feed in this process.
    pub(crate) projectors: &'static [Model],
    /// Where the log is sent to, and the read models fed from. None: they are fed from the log.
    pub(crate) kafka: Option<Kafka>,
    pub(crate) webhook_key: WebhookKey,
    pub(crate) webhooks_allow_private: bool,
    /// Where searches, and what follows the log, run.
    pub(crate) beside: Handle,
    /// The way that mails go, if this process sends webhooks and mails.
    pub(crate) mails: Option<MailWay>,
}

/// Where a server listens.
pub(crate) struct Listeners {
    /// For clients.
    pub(crate) clients: TcpListener,
    /// For operators.
    pub(crate) ops: OpsListener,
}

/// A server that is ready: everything runs but HTTP, whose listeners are open.
pub(crate) struct Services {
    pub(crate) address: SocketAddr,
    pub(crate) listeners: Listeners,
    limits: ConnectionLimits,
    state: ApiState,
    writer: Writer,
    pools: Pools,
    tasks: TaskTracker,
    /// Ends projectors and sweeper; not before HTTP and writer have ended.
    stop_tasks: CancellationToken,
}

impl Plan {
    /// All read models.
    pub(crate) const ALL: &'static [Model] = &MODELS;
}

impl Services {
    pub(crate) async fn start(
        system: &System,
        listeners: Listeners,
        http: &Http,
        plan: Plan,
    ) -> anyhow::Result<Self> {
        let address = listeners.clients.local_addr().context("the listener has no address")?;
        let prometheus = prometheus::install()?;
        let ambient: Arc<dyn Ambient> = Arc::new(Machine);
        let config = WriterConfig {
            force: plan.force,
            flushers: http.flushers,
            queue_commands_max: http.queue_commands.try_into().unwrap_or(usize::MAX),
            memory_bookings_max: http.memory_bookings.try_into().unwrap_or(usize::MAX),
            ..WriterConfig::new(ambient.new_id(), owner_address(address))
        };
        let pools = Pools::new(&system.connect);
        let writer = Writer::start(pools.loads.clone(), system.connect.clone(), ambient.clone(), config)
            .await
            .context("the log could not be read; `holdfast migrate` makes it")?;
        let (tasks, stop_tasks) = (TaskTracker::new(), CancellationToken::new());
        let read_models = ReadModels {
            availability: Model::Availability.positions(&pools.reads),
            booking_history: Model::BookingHistory.positions(&pools.reads),
        };
        for model in plan.projectors {
            if let Err(error) = model.stand_by(&system.pool).await {
                tracing::debug!(%error, "{} was not made", model.name());
            }
        }
        let spawner = Spawner {
            pool: &system.pool,
            writer: &writer,
            tasks: &tasks,
            stop: &stop_tasks,
            on: &plan.beside,
        };
        let parts = plan.mails.map(|way| {
            notifying::parts(&system.pool, plan.webhook_key.clone(), plan.webhooks_allow_private, way)
        });
        let projectors = match plan.kafka {
            None => {
                // All are given what the writer commits; what is not there they read from the log, once for all.
                let log = SharedLog::following(&system.pool, writer.committed());
                spawner.notifier(log.clone(), parts)?;
                spawner.projectors(plan.projectors, &read_models, |_| log.clone())
            }
            Some(kafka) => {
                let log = identity(&system.pool).await.context("the log could not be read")?;
                let topic = events_topic()?;
                let source = |group: String| {
                    let (kafka, topic) = (kafka.clone(), topic.clone());
                    KafkaSource::new(kafka, topic, log.partitions, group, log.log_id)
                };
                spawner.relay(kafka.clone(), topic.clone(), ambient.new_id());
                spawner.notifier(source(notifying::GROUP.to_owned()), parts)?;
                spawner.projectors(plan.projectors, &read_models, |name| source(group_of(name)))
            }
        };
        let swept = sweep(pools.background.clone(), writer.clone(), ambient.clone());
        spawn_until(&tasks, &stop_tasks, swept);
        let ended = EndedAccounts {
            pool: pools.background.clone(),
            writer: writer.clone(),
            ambient: ambient.clone(),
            history: read_models.booking_history.clone(),
        };
        spawn_until(&tasks, &stop_tasks, ended.run());
        spawn_until(&tasks, &stop_tasks, prometheus::keep_up(prometheus.clone()));
        let (flow, clock) = (Flow::new(&pools.background, FOLLOWERS), ambient.clone());
        spawn_until(&tasks, &stop_tasks, sample_flow(flow, move || clock.now()));
        tasks.close();
        let first_admin = match &plan.data {
            Some(data) => first_admin::of(&system.pool, data).await?,
            None => None,
        };
        let usual = ApiConfig::new(plan.token_secrets, plan.webhook_key);
        let state = ApiState::new(ApiParts {
            flow: Flow::new(&pools.readiness, FOLLOWERS),
            pools: pools.clone(),
            searches_on: plan.beside,
            writer: writer.clone(),
            ambient,
            read_models,
            projectors,
            prometheus,
            config: ApiConfig {
                token_ttl: Duration::from_secs(http.token_seconds.into()),
                first_admin,
                browsers: Browsers { origins: http.cors_origin.clone(), tls_alone: http.hsts },
                compat: http.compat,
                compat_hosts: http.hosts(),
                catalogue_is_open: http.catalogue_is_open(),
                webhooks_allow_private: plan.webhooks_allow_private,
                trust_forwarded_for: http.trust_forwarded_for,
                rate_limits: http.rate_limits(),
                hashes_at_once: http.hashes_at_once.map_or(usual.hashes_at_once, usize::from),
                ..usual
            },
        });
        let limits = ConnectionLimits::within(descriptors::limit(), http.connections_per_address());
        Ok(Self { address, listeners, limits, state, writer, pools, tasks, stop_tasks })
    }

    /// Serves until `stop`, then ends everything in order.
    pub(crate) async fn serve(self, stop: &Stop) -> anyhow::Result<()> {
        let Listeners { clients, ops } = self.listeners;
        let to_operators = holdfast_api::ops_router(self.state.clone());
        let to_clients = holdfast_api::router(self.state);
        let (served, ops_served) = tokio::join!(
            holdfast_api::serve(clients, to_clients, self.limits, stop.token()),
            ops.serve(to_operators, stop.token()),
        );
        if timeout(stop.left_but(POSTGRES_SHARE), self.writer.shutdown()).await.is_err() {
            tracing::warn!("the writer did not end in time; what it had not answered is asked for again");
        }
        self.stop_tasks.cancel();
        if timeout(stop.left_but(POSTGRES_SHARE), self.tasks.wait()).await.is_err() {
            tracing::warn!("the projectors did not end in time; their statements commit whole or not at all");
        }
        // A statement that hangs ends with the process.
        if timeout(DISCONNECT_MAX, self.pools.close()).await.is_err() {
            tracing::debug!("connections are still in use; they end with the process");
        }
        served.context("the HTTP server failed").and(ops_served)
    }
}

/// The address with the machine's boot in it: another machine's `127.0.0.1:8080` is not our predecessor.
fn owner_address(address: SocketAddr) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{address} boot {}", boot.trim())
}

/// What the tasks of a server are started with.
struct Spawner<'a> {
    pool: &'a PgPool,
    writer: &'a Writer,
    tasks: &'a TaskTracker,
    stop: &'a CancellationToken,
    on: &'a Handle,
}

impl Spawner<'_> {
    /// Each read model's projector, from a source of its own.
    fn projectors<S: Source>(
        &self,
        models: &[Model],
        read_models: &ReadModels,
        mut source: impl FnMut(&'static str) -> S,
    ) -> Vec<NamedProjector> {
        let mut running = Vec::new();
        for model in models {
            let positions = match model {
                Model::Availability => &read_models.availability,
                Model::BookingHistory => &read_models.booking_history,
            };
            let projector = model.projector(self.pool, source(model.name()), positions.clone());
            running.push(NamedProjector { name: model.name(), status: projector.status.clone() });
            // It logs why it stops, and `/health/ready` tells it; the server goes on and says that reads are stale.
            let wake = Some(self.writer.commits());
            self.tasks.spawn_on(projector.run(wake, self.stop.clone(), WhenStopped::LookAgain), self.on);
        }
        running
    }

    fn notifier(&self, source: impl Source, parts: Option<NotifierParts>) -> anyhow::Result<()> {
        let Some(parts) = parts else { return Ok(()) };
        let notifier = Notifier::new(self.pool, source, parts).context("webhooks cannot be sent over TLS")?;
        self.tasks.spawn_on(notifier.keep_running(Some(self.writer.commits()), self.stop.clone()), self.on);
        Ok(())
    }

    fn relay(&self, kafka: Kafka, topic: Topic, relay_id: Uuid) {
        let relay = Relay::new(self.pool.clone(), kafka, topic, relay_id);
        self.tasks.spawn_on(relay.keep_running(Some(self.writer.commits()), self.stop.clone()), self.on);
    }
}

fn spawn_until(
    tasks: &TaskTracker,
    stop: &CancellationToken,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move { stop.run_until_cancelled(work).await });
}

/// Wakes inventories with holds that are overdue, and cancelled flights and shows that still have bookings. The read models are
/// only a hint: what they say late is done late, and the rules decide.
async fn sweep(pool: PgPool, writer: Writer, ambient: Arc<dyn Ambient>) {
    loop {
        let now = ambient.now();
        let overdue = holdfast_booking_history::overdue_inventories(&pool, now, SWEEP_INVENTORIES_MAX).await;
        let ending = holdfast_availability::ending_inventories(&pool, SWEEP_INVENTORIES_MAX).await;
        for due in [overdue, ending] {
            match due {
                Ok(due) => due.into_iter().for_each(|id| writer.wake(id)),
                Err(error) => tracing::debug!(%error, "no sweep; the next one tries again"),
            }
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}
